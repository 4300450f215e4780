--TEST--
A session whose holder is killed with -9 is free at once, as it was last written
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$holder = hold('shop', '$_SESSION["n"] = 2;');
$holder->kill();
ini_set('sessclust.lock_wait', '0');
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
