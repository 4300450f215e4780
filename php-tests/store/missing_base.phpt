--TEST--
A save path whose directory does not exist is one warning
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('session.save_path', save_path(store() . '/missing'));
show('start', fn () => session_start());
var_dump(file_exists(store() . '/missing'));
--EXPECT--
start: false
Warning: session_start(): STORE/missing/uUID cannot be made: the directory above it does not exist
Warning: session_start(): Failed to initialize storage module: sessclust (path: PATH/missing)
bool(false)
