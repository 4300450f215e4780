--TEST--
A program that the holder started does not keep the session locked
--EXTENSIONS--
pcntl
posix
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$holder = start('
    session_id("shop");
    session_start();
    $null = ["file", "/dev/null", "r+"];
    $program = proc_open("exec sleep 600", [$null, $null, $null], $pipes);
    echo proc_get_status($program)["pid"], "\n";
    wait();
');
$program = (int) $holder->line();
$holder->kill();
ini_set('sessclust.lock_wait', '0');
var_dump(get('shop'), posix_kill($program, SIGKILL));
--EXPECT--
array(0) {
}
bool(true)
