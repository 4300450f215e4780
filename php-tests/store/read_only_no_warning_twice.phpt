--TEST--
In strict mode a session that cannot be opened is one warning too
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
mkdir($file);
ini_set('session.use_strict_mode', '1');
show('start', fn () => get('shop'));
--EXPECT--
start: false
Warning: session_start(): STORE/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400 is not a regular file of user UID
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
