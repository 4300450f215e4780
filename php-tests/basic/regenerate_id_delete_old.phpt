--TEST--
session_regenerate_id(true) removes the old session
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('old', ['n' => 1]);
session_start();
var_dump(session_regenerate_id(true));
$new = session_id();
session_write_close();
var_dump(count(sessions()));
var_dump(get($new), get('old'));
--EXPECT--
bool(true)
int(1)
array(1) {
  ["n"]=>
  int(1)
}
array(0) {
}
