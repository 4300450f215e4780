--TEST--
A session whose last variable is unset is stored as empty
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
session_unset();
session_write_close();
var_dump(get('shop'));
--EXPECT--
array(0) {
}
