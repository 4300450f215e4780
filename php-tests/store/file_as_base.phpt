--TEST--
A save path that names a file is one warning
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
touch(store() . '/file');
ini_set('session.save_path', save_path(store() . '/file'));
show('start', fn () => session_start());
--EXPECT--
start: false
Warning: session_start(): cannot make the directory STORE/file/uUID as user UID: Not a directory (os error 20)
Warning: session_start(): Failed to initialize storage module: sessclust (path: PATH/file)
