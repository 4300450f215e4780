--TEST--
A child can destroy its parent's session, which the parent then does not revive
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
echo in_child(fn () => var_dump(session_destroy()));
$_SESSION['n'] = 2;
session_write_close();
var_dump(get('shop'));
--EXPECTF--
bool(true)

Warning: session_write_close(): %s in %s on line %d

Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (%s) in %s on line %d
array(0) {
}
