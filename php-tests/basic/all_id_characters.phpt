--TEST--
An id may consist of every character that PHP allows
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$id = implode('', array_merge(range('a', 'z'), range('A', 'Z'), range('0', '9'), [',', '-']));
put($id, ['n' => 1]);
var_dump(get($id));
put('-', ['n' => 2]);
put(',', ['n' => 3]);
var_dump(get('-')['n'], get(',')['n']);
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
int(2)
int(3)
