--TEST--
After session_regenerate_id another process gets the old session
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('old');
session_start();
$_SESSION['n'] = 1;
session_regenerate_id();
echo run('session_id("old"); var_dump(session_start(), $_SESSION);');
--EXPECT--
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
