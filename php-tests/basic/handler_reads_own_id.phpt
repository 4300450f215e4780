--TEST--
A SessionHandler that reads the open session again does not wait for itself
--INI--
session.serialize_handler=php
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$handler = new SessionHandler;
session_set_save_handler($handler, true);
session_id('shop');
session_start();
ini_set('sessclust.lock_wait', '0');
var_dump($handler->read('shop'), $handler->write('shop', 'n|i:2;'), $handler->read('shop'));
session_abort();
var_dump(get('shop'));
--EXPECT--
string(6) "n|i:1;"
bool(true)
string(6) "n|i:2;"
array(1) {
  ["n"]=>
  int(2)
}
