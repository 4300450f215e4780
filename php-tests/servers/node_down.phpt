--TEST--
A node that is down is one warning with its address and the cause
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
$node->kill();
session_id('shop');
show('start', fn () => session_start());
$fresh = fn () => session_start() && session_write_close();
session_id('');
show('fresh', $fresh);
show('read_and_close', fn () => session_start(['read_and_close' => true]));
$node->start();
show('up again', $fresh);
--EXPECTF--
start: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: No such file or directory (os error 2)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
fresh: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: No such file or directory (os error 2)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
read_and_close: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: No such file or directory (os error 2)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
up again: true
