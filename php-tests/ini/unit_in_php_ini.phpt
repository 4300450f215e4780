--TEST--
Values with units are taken from php.ini as they stand there
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
$ini = [
    'sessclust.lock_wait' => '250ms',
    'sessclust.max_size' => '2M',
    'sessclust.sync' => 'On',
    'sessclust.auto_gc' => 'Off',
];
echo run('
    ob_start();
    phpinfo(INFO_MODULES);
    preg_match_all("/^(sessclust\.\w+) => ([^=]+) =>/m", ob_get_clean(), $lines, PREG_SET_ORDER);
    foreach (array_slice($lines, 0, 4) as [, $name, $value]) {
        echo "$name: $value\n";
    }
', $ini);
--EXPECT--
sessclust.lock_wait: 250ms
sessclust.max_size: 2097152 bytes
sessclust.sync: on
sessclust.auto_gc: off
