--TEST--
An id that is the name of a file in the store opens nothing but itself
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('a', ['secret' => 1]);
$file = session_file();
$digest = basename(dirname($file)) . basename($file);
var_dump(get($digest), get(basename($file)), get('gc'), get('u0'));
--EXPECT--
array(0) {
}
array(0) {
}
array(0) {
}
array(0) {
}
