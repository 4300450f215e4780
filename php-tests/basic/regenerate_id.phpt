--TEST--
session_regenerate_id moves on to a new id and leaves the old session
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('old');
session_start();
$_SESSION['n'] = 1;
var_dump(session_regenerate_id());
$new = session_id();
var_dump($new === 'old', $_SESSION);
$_SESSION['n'] = 2;
session_write_close();
var_dump(get('old'), get($new));
--EXPECT--
bool(true)
bool(false)
array(1) {
  ["n"]=>
  int(1)
}
array(1) {
  ["n"]=>
  int(1)
}
array(1) {
  ["n"]=>
  int(2)
}
