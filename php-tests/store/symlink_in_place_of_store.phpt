--TEST--
A symbolic link in place of the user's directory is refused
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
mkdir(store() . '/elsewhere', 0700);
symlink(store() . '/elsewhere', store() . '/u' . posix_geteuid());
show('start', fn () => get('shop'));
var_dump(count(scandir(store() . '/elsewhere')) === 2);
--EXPECT--
start: false
Warning: session_start(): STORE/uUID is not a directory
Warning: session_start(): Failed to initialize storage module: sessclust (path: PATH)
bool(true)
