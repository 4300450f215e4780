--TEST--
Parent and child both work with a session that the parent used and closed before
--EXTENSIONS--
pcntl
posix
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 0]);
$count = function () {
    for ($i = 0; $i < 100; $i++) {
        session_id('shop');
        session_start();
        $_SESSION['n']++;
        session_write_close();
    }
};
$child = pcntl_fork();
$count();
if ($child === 0) {
    ob_clean();
    exit;
}
pcntl_waitpid($child, $status);
var_dump($status, get('shop'));
--EXPECT--
int(0)
array(1) {
  ["n"]=>
  int(200)
}
