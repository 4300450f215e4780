--TEST--
A server that has forgotten all scripts in the middle of a session is no failure
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_redis();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
put('shop', ['n' => 1]);
$flush = fn () => $node->call('SCRIPT', 'FLUSH');
foreach (['changed' => 2, 'unchanged' => 2] as $name => $n) {
    session_id('shop');
    session_start();
    $_SESSION['n'] = $n;
    $flush();
    show($name, fn () => session_write_close());
    show('read', fn () => get('shop'));
}
session_start();
$waiting = start('session_id("shop"); session_start(); var_dump($_SESSION["n"]); $_SESSION["n"] = 4;');
wait_for_waiter();
$flush();
$_SESSION['n'] = 3;
show('with somebody who waits', fn () => session_write_close());
echo $waiting->finish();
session_id('shop');
session_start();
$flush();
show('destroy', fn () => session_destroy());
show('read', fn () => get('shop'));
--EXPECTF--
changed: true
read: {"n":2}
unchanged: true
read: {"n":2}
with somebody who waits: true
int(3)
destroy: true
read: []
