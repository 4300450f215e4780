--TEST--
Ids of 1 to 256 characters work, 257 are refused
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
foreach ([1, 2, 22, 255, 256] as $length) {
    $id = str_repeat('x', $length);
    put($id, ['length' => $length]);
}
foreach ([1, 2, 22, 255, 256] as $length) {
    var_dump(get(str_repeat('x', $length))['length'] === $length);
}
session_id(str_repeat('x', 257));
var_dump(session_start());
--EXPECTF--
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)

Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed in %s on line %d

Warning: session_start(): Failed to read session data: %s (path: %s) in %s on line %d
bool(false)
