--TEST--
session_gc removes expired sessions and returns their number
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('session.gc_maxlifetime', '1000');
foreach (['a', 'b', 'c'] as $id) {
    put($id, ['id' => $id]);
}
foreach (session_files() as $file) {
    age($file, 2000);
}
put('d', ['id' => 'd']);

session_id('e');
session_start();
var_dump(session_gc());
var_dump(session_gc());
session_write_close();
var_dump(count(session_files()), get('d'));
--EXPECT--
int(3)
int(0)
int(2)
array(1) {
  ["id"]=>
  string(1) "d"
}
