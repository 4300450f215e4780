--TEST--
A session that is not closed by the script is written at its end
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
echo run('session_id("shop"); session_start(); $_SESSION["n"] = 1;');
echo run('session_id("shop"); session_start(); $_SESSION["n"]++; exit("exit\n");');
// A fatal error ends the script, not the session: PHP writes it all the same.
run('session_id("shop"); session_start(); $_SESSION["n"]++; undefined();');
var_dump(get('shop'));
--EXPECT--
exit
array(1) {
  ["n"]=>
  int(3)
}
