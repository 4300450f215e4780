--TEST--
A session that stays locked gives one warning with the time waited and the holder, and no session
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$holder = hold('shop');
ini_set('sessclust.lock_wait', '50ms');
session_id('shop');
$begin = hrtime(true);
ob_start();
var_dump(session_start());
echo preg_replace("/\b$holder->pid\b/", 'HOLDER', ob_get_clean());
var_dump(hrtime(true) - $begin >= 50_000_000, session_status() === PHP_SESSION_NONE, $_SESSION);
$holder->finish();
--EXPECTF--
Warning: session_start(): session %x is in use by process HOLDER%S and was not released within 50ms (sessclust.lock_wait) in %s on line %d

Warning: session_start(): Failed to read session data: sessclust (path: %s) in %s on line %d
bool(false)
bool(true)
bool(true)
array(0) {
}
