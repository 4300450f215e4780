--TEST--
A child that opens its parent's session for itself has to wait for the parent
--EXTENSIONS--
pcntl
posix
--INI--
sessclust.lock_wait=0
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
echo in_child(function () {
    session_abort();
    session_id('shop');
    var_dump(@session_start());
});
session_write_close();
--EXPECT--
bool(false)
