--TEST--
Strict mode accepts an id that the store knows
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('known', ['n' => 1]);
ini_set('session.use_strict_mode', '1');
session_id('known');
var_dump(session_start(), session_id(), $_SESSION);
$_SESSION['n']++;
session_write_close();
echo run('session_id("known"); session_start(); var_dump(session_id(), $_SESSION);');
--EXPECT--
bool(true)
string(5) "known"
array(1) {
  ["n"]=>
  int(1)
}
string(5) "known"
array(1) {
  ["n"]=>
  int(2)
}
