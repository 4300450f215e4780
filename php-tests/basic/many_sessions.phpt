--TEST--
Sessions opened in turn in one process keep their own data
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
for ($round = 1; $round <= 3; $round++) {
    for ($i = 0; $i < 100; $i++) {
        session_id("visitor-$i");
        session_start();
        $_SESSION['i'] = $i;
        $_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
        session_write_close();
    }
}
$wrong = 0;
for ($i = 0; $i < 100; $i++) {
    $wrong += get("visitor-$i") === ['i' => $i, 'visits' => 3] ? 0 : 1;
}
var_dump($wrong);
--EXPECT--
int(0)
