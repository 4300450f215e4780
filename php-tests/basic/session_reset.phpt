--TEST--
session_reset reads the stored session again while holding it
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
$_SESSION['n'] = 2;
$_SESSION['new'] = true;
var_dump(session_reset(), $_SESSION, session_status() === PHP_SESSION_ACTIVE);
$_SESSION['n'] = 3;
session_write_close();
var_dump(get('shop'));
--EXPECT--
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
bool(true)
array(1) {
  ["n"]=>
  int(3)
}
