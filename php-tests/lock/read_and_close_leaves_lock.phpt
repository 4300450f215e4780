--TEST--
After read_and_close another process gets the session
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start(['read_and_close' => true]);
echo run('session_id("shop"); var_dump(session_start());', ['sessclust.lock_wait' => '0']);
--EXPECT--
bool(true)
