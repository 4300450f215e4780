--TEST--
session_abort leaves the stored session as it was and frees it
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
$_SESSION['n'] = 2;
var_dump(session_abort());
echo run('session_id("shop"); session_start(); var_dump($_SESSION["n"]);');
--EXPECT--
bool(true)
int(1)
