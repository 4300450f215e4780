--TEST--
A store that other users could write is refused
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
mkdir($directory = store() . '/u' . posix_geteuid());
foreach ([0770, 0702, 0755] as $mode) {
    chmod($directory, $mode);
    show(decoct($mode), fn () => get('shop'));
}
--EXPECT--
770: false
Warning: session_start(): STORE/uUID can be written by other users; make it mode 0700
Warning: session_start(): Failed to initialize storage module: sessclust (path: PATH)
702: false
Warning: session_start(): STORE/uUID can be written by other users; make it mode 0700
Warning: session_start(): Failed to initialize storage module: sessclust (path: PATH)
755: []
