--TEST--
A process that waits gets the session when the holder is killed with -9
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$holder = start('session_id("shop"); session_start(); echo "locked\n"; wait(); session_write_close();');
$holder->line();
$waiting = start('session_id("shop"); echo "waiting\n"; var_dump(session_start());');
$waiting->line();
$holder->kill();
echo $waiting->finish();
--EXPECT--
bool(true)
