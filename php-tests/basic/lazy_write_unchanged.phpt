--TEST--
Lazy write touches an unchanged session and does not rewrite it
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$file = session_file();
age($file, 100);
$before = file_get_contents($file);

session_start(['lazy_write' => '1']);
session_write_close();
clearstatcache();
var_dump(time() - filemtime($file) < 50, file_get_contents($file) === $before);
var_dump(get('shop'));
--EXPECT--
bool(true)
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
