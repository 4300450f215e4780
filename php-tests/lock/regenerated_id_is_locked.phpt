--TEST--
After session_regenerate_id the new session is locked
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('old');
session_start();
session_regenerate_id(true);
$id = session_id();
echo run("session_id('$id'); var_dump(@session_start());", ['sessclust.lock_wait' => '0']);
$_SESSION['n'] = 1;
session_write_close();
var_dump(get($id));
--EXPECT--
bool(false)
array(1) {
  ["n"]=>
  int(1)
}
