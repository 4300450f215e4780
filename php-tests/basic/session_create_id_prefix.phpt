--TEST--
session_create_id with a prefix makes an id that can be used
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_start();
$id = session_create_id('user-1,');
var_dump(session_create_id('not/valid'));
session_write_close();
var_dump(str_starts_with($id, 'user-1,'), strlen($id) === 7 + (int) ini_get('session.sid_length'));
put($id, ['n' => 1]);
var_dump(get($id));
--EXPECTF--
Warning: session_create_id(): Prefix cannot contain special characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed in %s on line %d
bool(false)
bool(true)
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
