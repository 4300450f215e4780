--TEST--
A session of 100 KB does not have the heap given back to the system and faulted in again each time
--SKIPIF--
<?php
if (!preg_match('/GLIBC|GNU libc/', shell_exec('ldd --version 2>&1') ?? '')) {
    die('skip another C library may do so');
}
?>
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();

/** Page faults of some cycles. */
function faults(int $cycles): int
{
    $before = getrusage()['ru_minflt'];
    for ($i = 0; $i < $cycles; $i++) {
        put('shop', ['x' => str_repeat(chr(97 + $i % 26), 100_000 + $i)]);
        get('shop');
    }
    return getrusage()['ru_minflt'] - $before;
}

faults(20);
$faults = faults(100);
echo $faults < 1_000 ? "few\n" : "$faults page faults in 100 cycles\n";
--EXPECT--
few
