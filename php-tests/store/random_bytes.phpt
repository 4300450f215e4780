--TEST--
A file of random bytes is one warning and an empty session, which works from then on
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$file = session_file();
mt_srand(1);
$odd = 0;
foreach ([1, 79, 80, 95, 96, 97, 2047, 2048, 2049, 4095, 4096, 4097, 10000, 200000] as $size) {
    $bytes = '';
    while (strlen($bytes) < $size) {
        $bytes .= pack('V', mt_rand());
    }
    // Once random from the start, once behind the first bytes of a real record.
    foreach (['', "SCLR\x01\0\0\0"] as $begin) {
        file_put_contents($file, substr($begin . $bytes, 0, $size));
        $warnings = [];
        set_error_handler(function (int $level, string $message) use (&$warnings) {
            if (error_reporting() & $level) {               // not below an @
                $warnings[] = $message;
            }
            return true;
        });
        $damaged = get('shop');
        @put('shop', ['n' => $size]);
        $good = get('shop');
        restore_error_handler();
        if ($damaged !== [] || $good !== ['n' => $size] || count($warnings) !== 1) {
            $odd++;
            echo "$size bytes: ", json_encode([$damaged, $good, $warnings]), "\n";
        }
    }
}
var_dump($odd);
echo preg_replace('/ [0-9a-f]{8} /', ' 01234567 ', $warnings[0]), "\n";
--EXPECT--
int(0)
session_start(): data of session 01234567 is damaged (not a record), starting anew
