--TEST--
Strict mode replaces an invalid id without a warning
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('session.use_strict_mode', '1');
foreach (['../etc/passwd', 'a b', 'a_b', str_repeat('a', 257)] as $id) {
    session_id($id);
    var_dump(session_start(), session_id() === $id);
    session_abort();
}
--EXPECT--
bool(true)
bool(false)
bool(true)
bool(false)
bool(true)
bool(false)
bool(true)
bool(false)
