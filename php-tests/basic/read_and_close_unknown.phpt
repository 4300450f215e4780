--TEST--
read_and_close of a session that does not exist reads nothing
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('nobody');
var_dump(session_start(['read_and_close' => true]), $_SESSION, session_id());
--EXPECT--
bool(true)
array(0) {
}
string(6) "nobody"
