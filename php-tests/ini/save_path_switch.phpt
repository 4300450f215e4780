--TEST--
The save path can be changed between two sessions of a request
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
foreach (['a', 'b'] as $name) {
    mkdir(store() . "/$name");
}
foreach (['a', 'b', 'a'] as $name) {
    session_save_path(save_path(store() . "/$name"));
    put('shop', [$name => count(get('shop'))]);
}
echo json_encode(get('shop'));
session_save_path(save_path(store() . '/b'));
echo json_encode(get('shop')), "\n";
--EXPECT--
{"a":1}{"b":0}
