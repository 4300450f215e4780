--TEST--
session_start() takes no sessclust setting as an option
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// Options are session.* settings; an unknown one is PHP's warning, and the session starts.
store();
var_dump(session_start(['sessclust.lock_wait' => '1s']));
--EXPECTF--
Warning: session_start(): Setting option "sessclust.lock_wait" failed in %s on line %d
bool(true)
