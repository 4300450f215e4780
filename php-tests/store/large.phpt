--TEST--
A session of 64 MB is stored, changed and read
--INI--
memory_limit=-1
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$handler = new SessionHandler;
session_set_save_handler($handler, true);
session_id('own');
session_start();
foreach (['a', 'b'] as $byte) {
    $data = str_repeat($byte, 64 << 20);
    var_dump($handler->write('large', $data), $handler->read('large') === $data);
}
// The version before keeps its place until the next one is stored.
var_dump($handler->write('large', 'small'), $handler->write('large', 'smaller'));
var_dump($handler->read('large'));
session_abort();
var_dump(array_sum(array_map('filesize', session_files())) < 1 << 20);
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
string(7) "smaller"
bool(true)
