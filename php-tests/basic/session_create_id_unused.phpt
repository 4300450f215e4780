--TEST--
session_create_id stores nothing
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('shop');
session_start();
session_create_id();
session_create_id('x-');
session_write_close();
var_dump(count(sessions()));
--EXPECT--
int(1)
