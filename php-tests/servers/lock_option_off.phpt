--TEST--
session_start(['sessclust_lock' => 'off']) waits for nobody, and the last writer wins
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$holder = hold('shop', '$_SESSION["n"] = 3;');
ini_set('sessclust.lock_wait', '0');
session_id('shop');
var_dump(session_start(['sessclust_lock' => 'off']), $_SESSION['n']);
$_SESSION['n'] = 2;
var_dump(session_write_close());
var_dump(get('shop'));
// The holder has not seen what it would write over.
echo $holder->finish();
var_dump(get('shop')['n']);
--EXPECTF--
bool(true)
int(1)
bool(true)
array(1) {
  ["n"]=>
  int(2)
}

Warning: PHP Request Shutdown: session %x was changed by another request, after this one lost its lock, not saved in Unknown on line 0

Warning: PHP Request Shutdown: Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (%s) in Unknown on line 0
int(2)
