--TEST--
A request without cookie gets one, and with it its session
--INI--
session.name=PHPSESSID
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_php_cgi();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$counter = 'session_start(); echo "n=", $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;';
$first = request($counter);
var_dump(preg_match('/^Set-Cookie: PHPSESSID=([a-z0-9]+);/m', $first, $match));
echo strstr($first, 'n='), "\n";
$second = request($counter, ['HTTP_COOKIE' => "PHPSESSID=$match[1]"]);
var_dump(str_contains($second, 'Set-Cookie'));
echo strstr($second, 'n='), "\n";
--EXPECT--
int(1)
n=1
bool(false)
n=2
