--TEST--
An empty save path means the store /var/tmp/sessclust-u<uid>
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
$directory = '/var/tmp/sessclust-u' . posix_geteuid();
ini_set('session.save_path', '');
session_start();
$_SESSION['n'] = 1;
session_write_close();
clearstatcache();
echo decoct(fileperms($directory) & 07777), "\n";
session_start();
var_dump($_SESSION, session_destroy());
--EXPECT--
700
array(1) {
  ["n"]=>
  int(1)
}
bool(true)
