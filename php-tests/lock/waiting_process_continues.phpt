--TEST--
A process that waits for a session gets it, as written, when the holder closes it
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('shop');
session_start();
$waiting = start('session_id("shop"); echo "waiting\n"; session_start(); var_dump($_SESSION);');
$waiting->line();
wait_for_waiter();
$_SESSION['n'] = 1;
session_write_close();
echo $waiting->finish();
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
