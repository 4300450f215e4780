--TEST--
session_abort of a new session keeps its id known and its data out
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// The browser may have the id by now, so strict mode has to accept it when it comes back.
store();
session_start();
$id = session_id();
$_SESSION['n'] = 1;
session_abort();
session_id($id);
session_start(['use_strict_mode' => '1']);
var_dump(session_id() === $id, $_SESSION);
--EXPECT--
bool(true)
array(0) {
}
