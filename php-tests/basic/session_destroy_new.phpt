--TEST--
session_destroy of a session that was never written succeeds
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('new');
session_start();
var_dump(session_destroy(), sessions());
--EXPECT--
bool(true)
array(0) {
}
