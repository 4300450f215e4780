--TEST--
A child that ends with its parent's session changed gets one warning
--EXTENSIONS--
pcntl
posix
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
echo in_child(function () {
    $_SESSION['n'] = 'of the child';
});
session_write_close();
var_dump(get('shop'));
--EXPECTF--
Warning: %s in Unknown on line 0

Warning: %s: Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (%s) in Unknown on line 0
array(1) {
  ["n"]=>
  int(1)
}
