--TEST--
Destroying another session through a SessionHandler keeps the own one
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('victim', ['n' => 1]);
$handler = new SessionHandler;
session_set_save_handler($handler, true);
session_id('admin');
session_start();
$_SESSION['n'] = 2;
var_dump($handler->destroy('victim'), $handler->destroy('nobody'));
session_write_close();
var_dump(get('victim'), get('admin'));
--EXPECT--
bool(true)
bool(true)
array(0) {
}
array(1) {
  ["n"]=>
  int(2)
}
