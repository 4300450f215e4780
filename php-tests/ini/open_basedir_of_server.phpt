--TEST--
A save path that the server configures need not lie in open_basedir
--FILE--
<?php
require __DIR__ . '/../config.inc';
// As with PHP's files handler: the administrator sets both.
store();
$limit = ['open_basedir' => dirname(__DIR__)];
echo run('session_id("shop"); var_dump(session_start()); $_SESSION["n"] = 1;', $limit);
var_dump(get('shop'));
--EXPECT--
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
