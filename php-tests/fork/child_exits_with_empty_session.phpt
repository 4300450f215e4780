--TEST--
A child that ends while its parent's session is new and empty does so silently
--EXTENSIONS--
pcntl
posix
--FILE--
<?php
require __DIR__ . '/../config.inc';
// PHP asks the handler to write, not to touch, when there is nothing to serialize.
store();
session_id('new');
session_start();
echo in_child(function () {});
$_SESSION['n'] = 1;
session_write_close();
var_dump(get('new'));
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
