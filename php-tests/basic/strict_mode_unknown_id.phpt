--TEST--
Strict mode replaces an id that the store does not know
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('session.use_strict_mode', '1');
session_id('chosen-by-the-attacker');
var_dump(session_start());
var_dump(session_id() === 'chosen-by-the-attacker');
var_dump(strlen(session_id()) === (int) ini_get('session.sid_length'));
$_SESSION['n'] = 1;
$id = session_id();
session_write_close();

// Asking for the unknown id has not created a session under it either.
session_id('chosen-by-the-attacker');
session_start();
var_dump(session_id() === 'chosen-by-the-attacker');
session_abort();
var_dump(get($id));
--EXPECT--
bool(true)
bool(false)
bool(true)
bool(false)
array(1) {
  ["n"]=>
  int(1)
}
