--TEST--
A save path longer than a path can be is one warning
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
ini_set('session.save_path', '/' . str_repeat('x', 5000));
var_dump(session_start());
--EXPECTF--
Warning: session_start(): session.save_path, position 0: the directory is longer than 4015 bytes in %s on line %d

Warning: session_start(): Failed to initialize storage module: sessclust (path: /xxx%s
bool(false)
