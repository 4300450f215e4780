--TEST--
A session expires by the session.gc_maxlifetime of its writer
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('session.gc_maxlifetime', '10000');
put('shop', ['n' => 1]);
age(session_file(), 2000);
ini_set('session.gc_maxlifetime', '1440');
var_dump(get('shop'));
// From here on it is this application's.
session_start();
session_write_close();
age(session_file(), 2000);
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
array(0) {
}
