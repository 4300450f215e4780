--TEST--
An expired session reads as empty, though it was not removed yet
--INI--
session.gc_maxlifetime=1440
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// PHP's files handler hands it out until somebody removes it.
store();
put('shop', ['n' => 1]);
age(session_file(), 2000);
var_dump(get('shop'));
--EXPECT--
array(0) {
}
