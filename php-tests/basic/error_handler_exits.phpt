--TEST--
An error handler that exits out of a warning of ours leaves nothing locked
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
replace(only(sessions()), 'damaged');
echo run('
    set_error_handler(function ($level, $message) {
        exit("exit: $message\n");
    });
    session_id("shop");
    session_start();
    echo "not reached";
');
ini_set('sessclust.lock_wait', '0');
session_id('shop');
var_dump(session_start());
--EXPECTF--
exit: session_start(): data of session %x is damaged (cut off), starting anew
bool(true)
