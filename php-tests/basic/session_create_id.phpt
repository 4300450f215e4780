--TEST--
session_create_id makes a different valid id each time
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$ids = [session_create_id()];
session_start();
for ($i = 0; $i < 100; $i++) {
    $ids[] = session_create_id();
}
session_write_close();
var_dump(count(array_unique($ids)), preg_grep('/^[A-Za-z0-9,-]{22,}$/D', $ids, PREG_GREP_INVERT));
--EXPECT--
int(101)
array(0) {
}
