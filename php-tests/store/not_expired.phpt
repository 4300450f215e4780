--TEST--
A session that was used within its lifetime is there, and another use extends it
--INI--
session.gc_maxlifetime=1440
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
age(session_file(), 1400);
session_start();
session_write_close();
age(session_file(), 1400);
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
