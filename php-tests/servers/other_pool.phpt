--TEST--
A session of the same id in another pool is waited for by nobody
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
$waiting = start('session_id("shop"); session_start();');
wait_for_waiter();
$other = new_node('other');
ini_set('session.save_path', $other->url());
ini_set('sessclust.lock_wait', '0');
var_dump(get('shop'));
--EXPECT--
array(0) {
}
