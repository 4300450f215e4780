--TEST--
A new session that stays empty is known afterwards
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('new');
session_start(['lazy_write' => '1']);
session_write_close();
session_id('new');
session_start(['use_strict_mode' => '1']);
var_dump(session_id());
--EXPECT--
string(3) "new"
