--TEST--
A child that ends does not free its parent's session, and the parent's write arrives
--EXTENSIONS--
pcntl
posix
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
echo in_child(function () {});
echo run('session_id("shop"); var_dump(@session_start());', ['sessclust.lock_wait' => '0']);
$_SESSION['n'] = 2;
session_write_close();
var_dump(get('shop'));
--EXPECT--
bool(false)
array(1) {
  ["n"]=>
  int(2)
}
