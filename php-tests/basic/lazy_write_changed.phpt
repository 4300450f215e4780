--TEST--
Lazy write writes a changed session
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$session = only(sessions());
age($session, 100);

session_start(['lazy_write' => '1']);
$_SESSION['n'] = 2;
session_write_close();
var_dump(idle($session) < 50);
var_dump(get('shop'));
--EXPECT--
bool(true)
array(1) {
  ["n"]=>
  int(2)
}
