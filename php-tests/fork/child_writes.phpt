--TEST--
A child cannot write its parent's session: one warning, and the parent's data stays
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
    session_write_close();
});
$_SESSION['n'] = 'of the parent';
session_write_close();
var_dump(get('shop'));
--EXPECTF--
Warning: session_write_close(): %s in %s on line %d

Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (%s) in %s on line %d
array(1) {
  ["n"]=>
  string(13) "of the parent"
}
