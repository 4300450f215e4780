--TEST--
An error handler that throws out of a warning of ours leaves nothing locked
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
set_error_handler(fn ($level, $message) => throw new ErrorException($message));
try {
    session_id('shop');
    session_start();
} catch (ErrorException $e) {
    echo $e->getMessage(), "\n";
}
session_abort();
echo run('session_id("shop"); var_dump(@session_start());', ['sessclust.lock_wait' => '0']);

// The session extension goes on, with this session and with others.
restore_error_handler();
put('shop', ['n' => 2]);
put('other', ['n' => 3]);
var_dump(get('shop')['n'], get('other')['n']);
--EXPECTF--
session_start(): data of session %x is damaged (cut off), starting anew
bool(true)
int(2)
int(3)
