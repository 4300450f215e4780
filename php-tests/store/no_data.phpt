--TEST--
Session data of 0 bytes is stored as such
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
var_dump($handler->write('a', 'x'), $handler->write('a', ''), $handler->read('a'));
session_abort();
session_module_name(HANDLER);
session_id('a');
session_start(['use_strict_mode' => '1']);
var_dump(session_id());
--EXPECT--
bool(true)
bool(true)
string(0) ""
string(1) "a"
