--TEST--
In strict mode a known session is read once, as without
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
if (!is_readable('/proc/self/io')) die('skip /proc does not say how often a process reads');
--FILE--
<?php
require __DIR__ . '/../config.inc';
// PHP asks validate_sid first and read afterwards. What the first one has read serves the second.
store();
put('known', ['n' => 1]);
function reads(callable $do): int
{
    // The system calls of this process that read.
    $count = function (): int {
        preg_match('/syscr: (\d+)/', file_get_contents('/proc/self/io'), $match);
        return (int) $match[1];
    };
    $before = $count();
    $do();
    return $count() - $before;
}
function open(): void
{
    session_id('known');
    session_start();
    session_abort();
}
open();
$usual = reads('open');
ini_set('session.use_strict_mode', '1');
var_dump(reads('open') - $usual);
--EXPECT--
int(0)
