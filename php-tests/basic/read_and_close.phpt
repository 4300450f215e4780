--TEST--
read_and_close reads the session, closes it and writes nothing
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$session = only(sessions());
age($session, 100);
$before = stored($session);

var_dump(session_start(['read_and_close' => true]), session_status() === PHP_SESSION_NONE);
var_dump($_SESSION);
$_SESSION['n'] = 2;
var_dump(session_write_close());

// Not even touched: a session that is only looked at expires as planned.
var_dump(idle($session) >= 100, stored($session) === $before);
session_id('shop');
session_start();
var_dump($_SESSION);
--EXPECT--
bool(true)
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
bool(false)
bool(true)
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
