--TEST--
Bytes on a node that are no record of the session are one warning, and never handed out
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--INI--
sessclust.replicas=1
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
put('other', ['secret' => 1]);
$shop = 'sc:r:' . digest('shop');
$right = stored($shop);
foreach ([
    'empty' => '',
    'cut off' => substr($right, 0, 50),
    'data cut off' => substr($right, 0, -1),
    'longer' => $right . 'x',
    'other session' => stored('sc:r:' . digest('other')),
    'other program' => 'n|i:1;' . str_repeat(' ', 100),
    'random' => random_bytes(200),
] as $name => $bytes) {
    replace($shop, $bytes);
    show($name, fn () => get('shop'));
}
// The next write puts it right.
@put('shop', ['n' => 2]);
show('written again', fn () => get('shop'));
--EXPECTF--
empty: []
Warning: session_start(): data of session %x is damaged (cut off), starting anew
cut off: []
Warning: session_start(): data of session %x is damaged (cut off), starting anew
data cut off: []
Warning: session_start(): data of session %x is damaged (wrong checksum), starting anew
longer: []
Warning: session_start(): data of session %x is damaged (wrong checksum), starting anew
other session: []
Warning: session_start(): data of session %x is damaged (belongs to another session), starting anew
other program: []
Warning: session_start(): data of session %x is damaged (not a record), starting anew
random: []
Warning: session_start(): data of session %x is damaged (not a record), starting anew
written again: {"n":2}
