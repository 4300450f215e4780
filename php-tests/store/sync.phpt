--TEST--
With sessclust.sync=on sessions are stored and read as without
--INI--
sessclust.sync=on
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
put('shop', ['x' => str_repeat('x', 10000)]);
put('shop', ['n' => 2]);
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(2)
}
