--TEST--
A child that leaves its parent's session can use one of its own
--EXTENSIONS--
pcntl
posix
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
echo in_child(function () {
    session_abort();
    session_id('own');
    var_dump(session_start(), $_SESSION);
    $_SESSION['of'] = 'child';
});
$_SESSION['of'] = 'parent';
session_write_close();
var_dump(get('own'), get('shop'));
--EXPECT--
bool(true)
array(0) {
}
array(1) {
  ["of"]=>
  string(5) "child"
}
array(2) {
  ["n"]=>
  int(1)
  ["of"]=>
  string(6) "parent"
}
