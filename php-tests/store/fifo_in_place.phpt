--TEST--
A FIFO in place of a session's file is one warning, and nobody waits for its other end
--EXTENSIONS--
posix
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
posix_mkfifo($file, 0600);
show('start', fn () => get('shop'));
--EXPECT--
start: false
Warning: session_start(): STORE/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400 is not a regular file of user UID
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
