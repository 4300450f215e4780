--TEST--
session.serialize_handler=php_binary
--INI--
session.serialize_handler=php_binary
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$data = [
    'list' => [1, 2.5, null, true],
    'bytes' => "\0|\xff",
    'object' => new ArrayObject(['a' => 1]),
];
put('shop', $data);
var_dump(get('shop') == $data);
session_id('shop');
session_start();
unset($_SESSION['list'], $_SESSION['bytes']);
session_write_close();
echo run('session_id("shop"); session_start(); var_dump($_SESSION);');
--EXPECT--
bool(true)
array(1) {
  ["object"]=>
  object(ArrayObject)#1 (1) {
    ["storage":"ArrayObject":private]=>
    array(1) {
      ["a"]=>
      int(1)
    }
  }
}
