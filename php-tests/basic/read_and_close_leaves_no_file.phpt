--TEST--
read_and_close of a session that does not exist leaves no file behind
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('nobody');
session_start(['read_and_close' => true]);
var_dump(sessions());
--EXPECT--
array(0) {
}
