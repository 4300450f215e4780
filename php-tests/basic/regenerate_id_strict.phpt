--TEST--
session_regenerate_id works in strict mode
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('session.use_strict_mode', '1');
session_start();
$_SESSION['n'] = 1;
$ids = [session_id()];
foreach ([false, true, false] as $delete) {
    var_dump(session_regenerate_id($delete));
    $ids[] = session_id();
}
session_write_close();
var_dump(count(array_unique($ids)));
foreach ($ids as $id) {
    session_id($id);
    session_start();
    var_dump(session_id() === $id);
    session_abort();
}
--EXPECT--
bool(true)
bool(true)
bool(true)
int(4)
bool(true)
bool(false)
bool(true)
bool(true)
