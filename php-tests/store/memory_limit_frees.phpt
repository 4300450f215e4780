--TEST--
After a read that memory_limit ended the session is free
--INI--
memory_limit=256M
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['x' => str_repeat('x', 20_000_000)]);
run('session_id("shop"); session_start();', ['memory_limit' => '16M']);
ini_set('sessclust.lock_wait', '0');
session_id('shop');
var_dump(session_start());
--EXPECT--
bool(true)
