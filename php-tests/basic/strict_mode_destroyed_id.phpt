--TEST--
Strict mode replaces the id of a destroyed session
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('gone', ['n' => 1]);
session_start();
session_destroy();
ini_set('session.use_strict_mode', '1');
session_id('gone');
session_start();
var_dump(session_id() === 'gone', $_SESSION);
--EXPECT--
bool(false)
array(0) {
}
