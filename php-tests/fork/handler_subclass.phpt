--TEST--
A SessionHandler that was opened before the fork works in the child
--EXTENSIONS--
pcntl
posix
--INI--
session.serialize_handler=php
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$handler = new SessionHandler;
session_set_save_handler($handler, true);
session_id('admin');
session_start();
echo in_child(function () use ($handler) {
    var_dump($handler->read('shop'), $handler->write('other', 'n|i:2;'), $handler->destroy('shop'));
    session_abort();
});
session_write_close();
var_dump(get('shop'), get('other'));
--EXPECT--
string(6) "n|i:1;"
bool(true)
bool(true)
array(0) {
}
array(1) {
  ["n"]=>
  int(2)
}
