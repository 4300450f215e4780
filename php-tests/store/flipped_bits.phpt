--TEST--
A file with one bit flipped gives a version that was stored or, with one warning, an empty session
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
put('shop', ['n' => 2]);
$file = session_file();
$whole = file_get_contents($file);
$seen = [];
for ($at = 0; $at < strlen($whole); $at++) {
    $flipped = $whole;
    $flipped[$at] = chr(ord($whole[$at]) ^ 1 << $at % 8);
    file_put_contents($file, $flipped);
    $warnings = 0;
    set_error_handler(function () use (&$warnings) {
        $warnings++;
        return true;
    });
    $data = get('shop');
    restore_error_handler();
    $seen[json_encode($data) . ", $warnings warnings"] = true;
}
ksort($seen);
echo implode("\n", array_keys($seen)), "\n";
--EXPECT--
{"n":1}, 0 warnings
{"n":2}, 0 warnings
