--TEST--
session.cache_limiter= sends no cache header
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_php_cgi();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$answer = request('session_start(); echo "done";', [], ['session.cache_limiter' => '']);
var_dump(preg_match('/^(Cache-Control|Expires|Pragma):/mi', $answer), strstr($answer, 'done'));
--EXPECT--
int(0)
string(4) "done"
