--TEST--
The wait for a session ends in time when the script has blocked all signals
--EXTENSIONS--
pcntl
posix
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
pcntl_sigprocmask(SIG_BLOCK, array_diff(range(1, 64), [SIGKILL, SIGSTOP, 32, 33]));
ini_set('sessclust.lock_wait', '20ms');
session_id('shop');
var_dump(@session_start());
$holder->finish();
ini_set('sessclust.lock_wait', '30s');
var_dump(get('shop'));
--EXPECT--
bool(false)
array(1) {
  ["n"]=>
  int(1)
}
