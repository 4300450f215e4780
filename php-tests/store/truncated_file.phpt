--TEST--
A file that was cut gives the version before or, with one warning, an empty session
--INI--
session.serialize_handler=php
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1, 'x' => str_repeat('x', 1000)]);
put('shop', ['n' => 2, 'x' => str_repeat('y', 9000)]);
$file = session_file();
$whole = file_get_contents($file);
$sizes = [...range(0, 4200, 7), ...range(4200, strlen($whole), 97), strlen($whole)];
$before = null;
foreach ($sizes as $size) {
    file_put_contents($file, substr($whole, 0, $size));
    $warnings = 0;
    set_error_handler(function () use (&$warnings) {
        $warnings++;
        return true;
    });
    $data = get('shop');
    restore_error_handler();
    $version = match ($data) {
        [] => 'empty',
        ['n' => 1, 'x' => str_repeat('x', 1000)] => 'first version',
        ['n' => 2, 'x' => str_repeat('y', 9000)] => 'second version',
        default => 'torn',
    };
    $now = "$version, $warnings warnings";
    if ($now !== $before) {
        echo $before = $now, "\n";
    }
}
--EXPECT--
empty, 0 warnings
empty, 1 warnings
first version, 0 warnings
second version, 0 warnings
