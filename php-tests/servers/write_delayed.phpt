--TEST--
A delayed write is seen by the next request of this and of other processes
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('sessclust.write', 'delayed');
for ($i = 1; $i <= 20; $i++) {
    session_id('shop');
    session_start();
    $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
    session_write_close();
    echo run('
        session_id("shop");
        session_start();
        $_SESSION["n"]++;
    ', ['sessclust.write' => 'delayed']);
}
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(40)
}
