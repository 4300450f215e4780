--TEST--
session_gc does not remove a session that is in use
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$holder = hold('shop', '$_SESSION["n"] = 1;');
age(session_file(), 100000);
session_id('own');
session_start();
var_dump(session_gc());
session_abort();
echo $holder->finish();
var_dump(get('shop'));
--EXPECT--
int(0)
array(1) {
  ["n"]=>
  int(1)
}
