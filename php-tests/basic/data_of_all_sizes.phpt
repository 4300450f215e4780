--TEST--
Data that grows and shrinks is read back byte for byte
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();

// Around the powers of two, where a file format changes from one page or block to the next.
$sizes = [0, 1, 2];
for ($power = 6; $power <= 20; $power++) {
    foreach ([-200, -129, -128, -127, -40, -33, -32, -31, -1, 0, 1] as $difference) {
        $sizes[] = max(0, 2 ** $power + $difference);
    }
}
$wrong = 0;
foreach ([$sizes, array_reverse($sizes)] as $list) {
    foreach ($list as $i => $size) {
        $bytes = str_repeat(hash('sha256', "$i-$size", true), intdiv($size, 32) + 1);
        $data = ['x' => substr($bytes, 0, $size)];
        put('shop', $data);
        $wrong += get('shop') === $data ? 0 : 1;
    }
}
var_dump($wrong);
--EXPECT--
int(0)
