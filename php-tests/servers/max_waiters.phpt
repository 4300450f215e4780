--TEST--
A session that too many requests of this machine wait for is refused at once
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$holder = hold('shop');
$waiting = start('session_id("shop"); session_start(); var_dump($_SESSION["n"]);');
wait_for_waiter();
ini_set('sessclust.max_waiters', '1');
session_id('shop');
show('one more', fn () => session_start());
$holder->finish();
echo $waiting->finish();
--EXPECTF--
one more: false
Warning: session_start(): session %x is waited for by 1 requests of this machine already (sessclust.max_waiters)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
int(1)
