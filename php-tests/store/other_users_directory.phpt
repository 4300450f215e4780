--TEST--
A store of another user is refused
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
store();
mkdir(store() . '/u0', 0700);
chown(store() . '/u0', 33);
show('start', fn () => session_start());
--EXPECT--
start: false
Warning: session_start(): STORE/uUID belongs to user 33, not to user UID
Warning: session_start(): Failed to initialize storage module: sessclust (path: PATH)
