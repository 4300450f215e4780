--TEST--
Without lazy write an unchanged session is written again
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$session = only(sessions());
$before = stored($session);

session_start(['lazy_write' => '0']);
session_write_close();
// Every version has a number of its own.
var_dump(stored($session) === $before);
var_dump(get('shop'));
--EXPECT--
bool(false)
array(1) {
  ["n"]=>
  int(1)
}
