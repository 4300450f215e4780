--TEST--
A SessionHandler can read and write other sessions while one is open
--INI--
session.serialize_handler=php
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('other', ['n' => 1]);
$handler = new SessionHandler;
session_set_save_handler($handler, true);
put('shop', ['n' => 2]);

session_id('shop');
session_start();
var_dump($handler->read('other'), $handler->write('third', 'n|i:3;'), $handler->read('third'));
var_dump($handler->read('nobody'));
$_SESSION['n'] = 22;
session_write_close();

var_dump(get('other')['n'], get('shop')['n'], get('third')['n']);
--EXPECT--
string(6) "n|i:1;"
bool(true)
string(6) "n|i:3;"
string(0) ""
int(1)
int(22)
int(3)
