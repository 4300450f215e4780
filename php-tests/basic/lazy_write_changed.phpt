--TEST--
Lazy write writes a changed session
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$file = session_file();
age($file, 100);

session_start(['lazy_write' => '1']);
$_SESSION['n'] = 2;
session_write_close();
clearstatcache();
var_dump(time() - filemtime($file) < 50);
var_dump(get('shop'));
--EXPECT--
bool(true)
array(1) {
  ["n"]=>
  int(2)
}
