--TEST--
A session whose holder is killed is free although a child of the holder lives on
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
// As with a script that forks a worker for the rest of its work and is then killed: the child
// shares the open file, and with it the lock.
store();
$holder = start('
    session_id("shop");
    session_start();
    if (pcntl_fork() === 0) {
        echo getmypid(), "\n";
        fclose(STDIN);
        fclose(STDOUT);
        fclose(STDERR);
        sleep(600);
    }
    wait();
');
$child = (int) $holder->line();
$holder->kill();
ini_set('sessclust.lock_wait', '0');
session_id('shop');
var_dump(session_start(), posix_kill($child, SIGKILL));
--EXPECT--
bool(true)
bool(true)
