--TEST--
Without lazy write a child that closes its parent's unchanged session does so silently too
--EXTENSIONS--
pcntl
posix
--INI--
session.lazy_write=0
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
echo in_child(fn () => var_dump(session_write_close()));
$_SESSION['n'] = 2;
session_write_close();
var_dump(get('shop'));
--EXPECT--
bool(true)
array(1) {
  ["n"]=>
  int(2)
}
