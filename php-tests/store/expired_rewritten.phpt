--TEST--
A new session under the id of an expired one works
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
age(session_file(), 2000);
put('shop', ['n' => 2]);
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(2)
}
