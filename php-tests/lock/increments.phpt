--TEST--
Processes that increment one counter at the same time lose nothing
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$code = 'for ($i = 0; $i < 100; $i++) {
    session_id("shop");
    session_start();
    $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;
    session_write_close();
}';
$processes = array_map(fn () => start($code), range(1, 4));
foreach ($processes as $process) {
    echo $process->finish();
}
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(400)
}
