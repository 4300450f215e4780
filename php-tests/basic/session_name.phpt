--TEST--
Two session names in one store do not separate sessions with the same id
--FILE--
<?php
require __DIR__ . '/../config.inc';
// The files handler ignores session.name, and applications rely on reading each other's session.
store();
put('shop', ['n' => 1]);
session_name('OTHER');
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
