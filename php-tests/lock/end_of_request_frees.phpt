--TEST--
A session that a script leaves open is free when the script has ended
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
echo run('session_id("shop"); session_start(); $_SESSION["n"] = 1;');
ini_set('sessclust.lock_wait', '0');
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
