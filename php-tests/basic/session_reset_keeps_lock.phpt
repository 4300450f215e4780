--TEST--
session_reset does not let another process in between
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
session_reset();
echo run('session_id("shop"); var_dump(@session_start());', ['sessclust.lock_wait' => '0']);
--EXPECT--
bool(false)
