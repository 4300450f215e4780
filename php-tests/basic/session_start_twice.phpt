--TEST--
A second session_start keeps the running session
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
$_SESSION['n'] = 2;
var_dump(session_start());
session_write_close();
var_dump(get('shop'));
--EXPECTF--
Notice: session_start(): Ignoring session_start() because a session is already active%S in %s on line %d
bool(true)
array(1) {
  ["n"]=>
  int(2)
}
