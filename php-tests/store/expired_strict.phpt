--TEST--
Strict mode replaces the id of an expired session
--INI--
session.gc_maxlifetime=1440
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
age(session_file(), 2000);
session_id('shop');
session_start(['use_strict_mode' => '1']);
var_dump(session_id() === 'shop');
--EXPECT--
bool(false)
