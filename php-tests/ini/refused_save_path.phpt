--TEST--
A save path that PHP refused leaves the server's in use
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
echo run('
    var_dump(@ini_set("session.save_path", "/outside"));
    session_id("shop");
    var_dump(session_start());
    $_SESSION["n"] = 1;
', ['open_basedir' => dirname(__DIR__)]);
var_dump(get('shop'));
--EXPECT--
bool(false)
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
