--TEST--
A session name with % is printed as it is and does no harm
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_name('%n%s');
put('a', ['n' => 1]);
var_dump(get('a'));
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
