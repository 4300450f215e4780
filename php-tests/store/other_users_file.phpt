--TEST--
A session's file of another user is refused
--EXTENSIONS--
posix
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
needs_root();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// Also by root, unlike with PHP's files handler: each user has a store of their own here.
store();
put('shop', ['n' => 1]);
chown(session_file(), 33);
show('start', fn () => get('shop'));
show('write', fn () => put('shop', ['n' => 2]));
--EXPECT--
start: false
Warning: session_start(): STORE/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400 is not a regular file of user UID
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
write: null
Warning: session_start(): STORE/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400 is not a regular file of user UID
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
