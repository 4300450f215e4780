--TEST--
The store of a user is u<uid> in the directory of the save path
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
$file = substr(session_file(), strlen(store()));
var_dump(preg_match('~^/u' . posix_geteuid() . '/[0-9a-f]{2}/[0-9a-f]{62}$~D', $file));
--EXPECT--
int(1)
