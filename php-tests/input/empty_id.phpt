--TEST--
An empty id is replaced by a new one
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('');
var_dump(session_start(), strlen(session_id()) === (int) ini_get('session.sid_length'));
--EXPECT--
bool(true)
bool(true)
