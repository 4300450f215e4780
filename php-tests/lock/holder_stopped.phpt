--TEST--
A holder that was stopped and goes on writes its session
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
// A lease would have ended meanwhile; flock has no end.
store();
put('shop', ['n' => 1]);
$holder = hold('shop', '$_SESSION["n"]++;');
posix_kill($holder->pid, SIGSTOP);
ini_set('sessclust.lock_wait', '20ms');
session_id('shop');
var_dump(@session_start());
posix_kill($holder->pid, SIGCONT);
echo $holder->finish();
var_dump(get('shop'));
--EXPECT--
bool(false)
array(1) {
  ["n"]=>
  int(2)
}
