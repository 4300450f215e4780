--TEST--
A script that handles all signals after a wait sees none of ours, and waits no longer
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
ini_set('sessclust.lock_wait', '20ms');
session_id('shop');
@session_start();
pcntl_async_signals(true);
foreach (array_diff(range(1, 64), [SIGKILL, SIGSTOP, SIGCHLD, 32, 33]) as $signal) {
    pcntl_signal($signal, function (int $signal) {
        echo "signal $signal\n";
    });
}
session_id('shop');
var_dump(@session_start());
$holder->finish();
var_dump(get('shop'));
--EXPECT--
bool(false)
array(1) {
  ["n"]=>
  int(1)
}
