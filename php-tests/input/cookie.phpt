--TEST--
Ids with characters that PHP does not allow open no session, sent as a cookie
--INI--
session.name=PHPSESSID
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_php_cgi();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('a', ['secret' => 1]);
foreach (require __DIR__ . '/ids.inc' as $name => $id) {
    $answer = request(
        '$started = @session_start();
        $id = session_id() === $_COOKIE["PHPSESSID"] ? "the id" : "a new id";
        $result = $started ? "opened $id" : "refused";
        echo "\nresult: $result, ", count($_SESSION), " variables";',
        ['HTTP_COOKIE' => 'PHPSESSID=' . rawurlencode($id)]
    );
    echo $name, strrchr($answer, ':'), "\n";
}
--EXPECT--
CR: opened a new id, 0 variables
LF: opened a new id, 0 variables
NUL: refused, 0 variables
NUL at the end: refused, 0 variables
space: opened a new id, 0 variables
parent: refused, 0 variables
slash: refused, 0 variables
backslash: opened a new id, 0 variables
dot: refused, 0 variables
quote: opened a new id, 0 variables
format: refused, 0 variables
underscore: refused, 0 variables
UTF-8: refused, 0 variables
not UTF-8: refused, 0 variables
DEL: refused, 0 variables
257 bytes: refused, 0 variables
10 KB: refused, 0 variables
