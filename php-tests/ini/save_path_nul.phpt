--TEST--
A save path with a NUL byte is not taken over
--FILE--
<?php
require __DIR__ . '/../config.inc';
// PHP refuses it itself, so that no handler ever sees half a path.
store();
$before = ini_get('session.save_path');
var_dump(ini_set('session.save_path', "/tmp\0/x"), ini_get('session.save_path') === $before);
--EXPECT--
bool(false)
bool(true)
