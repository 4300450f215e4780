--TEST--
Strict mode accepts an id whose stored session is empty
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('known', []);
ini_set('session.use_strict_mode', '1');
session_id('known');
session_start();
var_dump(session_id());
--EXPECT--
string(5) "known"
