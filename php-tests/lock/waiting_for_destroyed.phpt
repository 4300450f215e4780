--TEST--
A process that waited for a session that its holder destroys gets an empty one and keeps it
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// Whoever waited has the removed file open. What is written there would be lost without a word.
store();
put('shop', ['n' => 1]);
session_start();
$waiting = start('
    session_id("shop");
    echo "waiting\n";
    session_start();
    var_dump($_SESSION);
    $_SESSION["new"] = true;
');
$waiting->line();
wait_for_waiter();
session_destroy();
echo $waiting->finish();
var_dump(get('shop'));
--EXPECT--
array(0) {
}
array(1) {
  ["new"]=>
  bool(true)
}
