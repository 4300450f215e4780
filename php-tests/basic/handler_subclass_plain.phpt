--TEST--
A SessionHandler object stores what the native handler reads
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_set_save_handler(new SessionHandler, true);
put('shop', ['n' => 1]);
var_dump(get('shop'), ini_get('session.save_handler'));
echo run('session_id("shop"); session_start(); var_dump($_SESSION);');
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
string(4) "user"
array(1) {
  ["n"]=>
  int(1)
}
