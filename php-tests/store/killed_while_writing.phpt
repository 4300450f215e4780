--TEST--
A process killed with -9 while it rewrites a session leaves the last acknowledged version whole
--INI--
memory_limit=256M
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
mt_srand(1);
$bad = 0;
for ($round = 0; $round < 20; $round++) {
    $writer = start('
        mt_srand(' . $round . ');
        for ($i = 1; ; $i++) {
            put("shop", ["i" => $i, "x" => str_repeat(chr(65 + $i % 26), mt_rand(1, 250) * 1024)]);
            echo "$i\n";
        }
    ');
    $acknowledged = 0;
    for ($n = mt_rand(1, 30); $n > 0; $n--) {
        $acknowledged = (int) $writer->line();
    }
    // What it printed since was acknowledged too.
    $lines = explode("\n", rtrim($writer->kill()));
    $acknowledged = max($acknowledged, (int) end($lines));
    $data = get('shop');
    ['i' => $i, 'x' => $x] = $data + ['i' => -1, 'x' => ''];
    if ($i < $acknowledged || $x !== str_repeat(chr(65 + $i % 26), strlen($x))) {
        $bad++;
    }
}
var_dump($bad);
--EXPECT--
int(0)
