--TEST--
Lazy write touches an unchanged session and does not rewrite it
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$session = only(sessions());
age($session, 100);
$before = stored($session);

session_start(['lazy_write' => '1']);
session_write_close();
var_dump(idle($session) < 50, stored($session) === $before);
var_dump(get('shop'));
--EXPECT--
bool(true)
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
