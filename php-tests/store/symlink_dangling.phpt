--TEST--
A dangling symbolic link in place of a session's file creates nothing
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
unlink($file = session_file());
symlink(store() . '/target', $file);
show('start', fn () => get('shop'));
var_dump(file_exists(store() . '/target'));
--EXPECT--
start: false
Warning: session_start(): STORE/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400 is not a regular file of user UID
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
bool(false)
