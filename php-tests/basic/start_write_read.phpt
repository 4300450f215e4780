--TEST--
A session written by one start is read by the next, and by another process
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();

session_id('shop');
var_dump(session_start());
$_SESSION['cart'] = ['book', 'pen'];
$_SESSION['bytes'] = "\0\xff|;\r\n";
var_dump(session_write_close());

session_start();
var_dump($_SESSION['cart'] === ['book', 'pen'], $_SESSION['bytes'] === "\0\xff|;\r\n");
session_write_close();

echo run('session_id("shop"); session_start(); echo json_encode($_SESSION["cart"]);');
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
["book","pen"]
