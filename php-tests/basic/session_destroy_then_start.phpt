--TEST--
After session_destroy the same id starts as a new session
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
session_destroy();
session_id('shop');
session_start();
var_dump($_SESSION);
$_SESSION['n'] = 2;
session_write_close();
echo run('session_id("shop"); session_start(); var_dump($_SESSION);');
--EXPECT--
array(0) {
}
array(1) {
  ["n"]=>
  int(2)
}
