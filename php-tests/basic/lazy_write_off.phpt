--TEST--
Without lazy write an unchanged session is written again
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$file = session_file();
$before = file_get_contents($file);

session_start(['lazy_write' => '0']);
session_write_close();
// The two slots of the file are written in turn, each with the next sequence number.
var_dump(file_get_contents($file) === $before);
var_dump(get('shop'));
--EXPECT--
bool(false)
array(1) {
  ["n"]=>
  int(1)
}
