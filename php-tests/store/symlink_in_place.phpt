--TEST--
A symbolic link in place of a session's file is not followed
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
$file = session_file();
rename($file, store() . '/target');
$before = file_get_contents(store() . '/target');
symlink(store() . '/target', $file);
show('start', fn () => get('shop'));
show('write', fn () => put('shop', ['n' => 2]));
var_dump(file_get_contents(store() . '/target') === $before);
--EXPECT--
start: false
Warning: session_start(): STORE/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400 is not a regular file of user UID
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
write: null
Warning: session_start(): STORE/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400 is not a regular file of user UID
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
bool(true)
