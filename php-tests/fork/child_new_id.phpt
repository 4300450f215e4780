--TEST--
session_create_id in a child makes other ids than in its parent
--EXTENSIONS--
pcntl
posix
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_start();
session_create_id();
$of_child = in_child(function () {
    echo session_create_id();
    session_abort();
});
var_dump($of_child !== session_create_id());
var_dump(strlen($of_child) === (int) ini_get('session.sid_length'));
--EXPECT--
bool(true)
bool(true)
