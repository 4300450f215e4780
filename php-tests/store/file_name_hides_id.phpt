--TEST--
Neither the name nor the content of a file shows the id of its session
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('Secret-Session-Id', ['n' => 1]);
var_dump(str_contains(session_file() . file_get_contents(session_file()), 'Secret-Session-Id'));
--EXPECT--
bool(false)
