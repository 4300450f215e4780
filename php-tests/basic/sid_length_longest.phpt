--TEST--
The longest id that PHP makes works
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
if (ini_get('session.save_handler') === 'files') die('skip a file name has 255 characters at most');
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
@ini_set('session.sid_length', '256');                      // deprecated from PHP 8.4 on
session_start();
$id = session_id();
$_SESSION['n'] = 1;
session_write_close();
var_dump(strlen($id), get($id));
--EXPECT--
int(256)
array(1) {
  ["n"]=>
  int(1)
}
