--TEST--
read_and_close reads what was last written while another process holds the session
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$holder = hold('shop', '$_SESSION["n"] = 2;');
ini_set('sessclust.lock_wait', '0');
session_id('shop');
var_dump(session_start(['read_and_close' => true]), $_SESSION);
$holder->finish();
session_id('shop');
var_dump(session_start(['read_and_close' => true]), $_SESSION);
--EXPECT--
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
bool(true)
array(1) {
  ["n"]=>
  int(2)
}
