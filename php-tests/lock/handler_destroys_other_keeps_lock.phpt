--TEST--
Destroying another session through a SessionHandler does not give up the own lock
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// PHP's files handler closes the session's file here, and its lock goes with it.
store();
$handler = new SessionHandler;
session_set_save_handler($handler, true);
session_id('admin');
session_start();
$handler->destroy('victim');
echo run('session_id("admin"); var_dump(@session_start());', ['sessclust.lock_wait' => '0']);
--EXPECT--
bool(false)
