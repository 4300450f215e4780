--TEST--
session_destroy removes the stored session
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
var_dump(session_destroy(), session_status() === PHP_SESSION_NONE, sessions());
var_dump(get('shop'));
--EXPECT--
bool(true)
bool(true)
array(0) {
}
array(0) {
}
