--TEST--
In strict mode a locked session is waited for once, and its id is kept
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// validate_sid meets the lock first. It must not answer "unknown": that would log the visitor out.
store();
put('shop', ['n' => 1]);
$holder = hold('shop');
session_id('shop');
ini_set('sessclust.lock_wait', '50ms');
var_dump(session_start(['use_strict_mode' => '1']));
$holder->finish();
var_dump(get('shop'));
--EXPECTF--
Warning: session_start(): session %x is in use by process %d%S and was not released within 50ms (sessclust.lock_wait) in %s on line %d

Warning: session_start(): Failed to read session data: sessclust (path: %s) in %s on line %d
bool(false)
array(1) {
  ["n"]=>
  int(1)
}
