--TEST--
A process that waits gets the session when the holder is killed with -9
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$holder = hold('shop');
$waiting = start('session_id("shop"); echo "waiting\n"; var_dump(session_start());');
$waiting->line();
wait_for_waiter();
$holder->kill();
echo $waiting->finish();
--EXPECT--
bool(true)
