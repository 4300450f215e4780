--TEST--
A request that did not get the session does not write it
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$holder = hold('shop');
run(
    'session_id("shop"); session_start(); $_SESSION["n"] = 2; session_write_close();',
    ['sessclust.lock_wait' => '0']
);
$holder->finish();
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
