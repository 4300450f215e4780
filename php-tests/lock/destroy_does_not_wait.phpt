--TEST--
A SessionHandler destroys another session without waiting for its holder
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
ini_set('sessclust.lock_wait', '0');
$handler = new SessionHandler;
session_set_save_handler($handler, true);
session_id('admin');
session_start();
var_dump($handler->destroy('shop'));
session_write_close();
echo $holder->finish();
--EXPECT--
bool(true)
