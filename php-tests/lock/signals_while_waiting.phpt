--TEST--
Signals that PHP handles do not end the wait for a session
--EXTENSIONS--
pcntl
posix
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('shop');
session_start();
$waiting = start('
    pcntl_async_signals(true);
    pcntl_signal(SIGUSR1, function () { $GLOBALS["signals"] = true; });
    session_id("shop");
    echo "waiting\n";
    var_dump(session_start(), $_SESSION, $signals);
');
$waiting->line();
wait_for_waiter();
for ($i = 0; $i < 20; $i++) {
    posix_kill($waiting->pid, SIGUSR1);
}
$_SESSION['n'] = 1;
session_write_close();
echo $waiting->finish();
--EXPECT--
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
bool(true)
