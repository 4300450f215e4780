--TEST--
session.auto_start opens the session before the script
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
$counter = 'echo session_status() === PHP_SESSION_ACTIVE ? "active " : "";
    echo $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;';
foreach ([1, 2] as $time) {
    $answer = request($counter, ['HTTP_COOKIE' => 'PHPSESSID=shop'], ['session.auto_start' => '1']);
    echo strstr($answer, 'active'), "\n";
}
--EXPECT--
active 1
active 2
