--TEST--
sessclust.lock_wait=0 does not wait
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$holder = hold('shop');
session_id('shop');
ini_set('sessclust.lock_wait', '0');
var_dump(@session_start());
echo $holder->finish();
session_id('shop');
var_dump(session_start());
--EXPECT--
bool(false)
bool(true)
