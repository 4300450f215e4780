--TEST--
In strict mode ids with characters that PHP does not allow are replaced, sent as a cookie
--INI--
session.name=PHPSESSID
session.use_strict_mode=1
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
        '$started = session_start();
        $id = session_id() === $_COOKIE["PHPSESSID"] ? "the id" : "a new id";
        $result = $started ? "opened $id" : "refused";
        echo "\nresult: $result, ", count($_SESSION), " variables";',
        ['HTTP_COOKIE' => 'PHPSESSID=' . rawurlencode($id)]
    );
    echo $name, strrchr($answer, ':'), str_contains($answer, 'Warning') ? $answer : '', "\n";
}
--EXPECT--
CR: opened a new id, 0 variables
LF: opened a new id, 0 variables
NUL: opened a new id, 0 variables
NUL at the end: opened a new id, 0 variables
space: opened a new id, 0 variables
parent: opened a new id, 0 variables
slash: opened a new id, 0 variables
backslash: opened a new id, 0 variables
dot: opened a new id, 0 variables
quote: opened a new id, 0 variables
format: opened a new id, 0 variables
underscore: opened a new id, 0 variables
UTF-8: opened a new id, 0 variables
not UTF-8: opened a new id, 0 variables
DEL: opened a new id, 0 variables
257 bytes: opened a new id, 0 variables
10 KB: opened a new id, 0 variables
