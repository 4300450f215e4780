--TEST--
read_and_close never sees half of a session that is being rewritten
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$size = fn (int $i) => 1000 + $i * 7919 % 60000;
$writer = start('
    for ($i = 0; $i < 200; $i++) {
        put("shop", ["i" => $i, "x" => str_repeat(chr(65 + $i % 26), 1000 + $i * 7919 % 60000)]);
    }
');
$seen = $wrong = 0;
$last = -1;
$deadline = microtime(true) + 60;
while ($last < 199 && microtime(true) < $deadline) {
    session_id('shop');
    session_start(['read_and_close' => true]);
    if ($_SESSION === []) {
        $wrong += $last >= 0 ? 1 : 0;                       // gone again
        continue;
    }
    ['i' => $i, 'x' => $x] = $_SESSION;
    $wrong += $i < $last || $x !== str_repeat(chr(65 + $i % 26), $size($i)) ? 1 : 0;
    $last = $i;
}
echo $writer->finish();
var_dump($last, $wrong);
--EXPECT--
int(199)
int(0)
