--TEST--
Session data is bytes: NUL, %n and invalid UTF-8 come back as they were
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$bytes = implode('', array_map('chr', range(0, 255))) . '%n%s%d' . "\0\0";
$handler = new SessionHandler;
session_set_save_handler($handler, true);
session_id('a');
session_start();
var_dump($handler->write('b', $bytes), $handler->read('b') === $bytes);
--EXPECT--
bool(true)
bool(true)
