--TEST--
Requests that one process answers one after the other find no leftovers
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_php_cgi();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$end = [
    'the session is closed' => 'session_write_close();',
    'the session is left open' => '',
    'the script exits' => 'exit;',
    'a fatal error' => 'undefined();',
    'an exception' => 'throw new Exception;',
    'memory is used up' => 'str_repeat("x", 1 << 30);',
];
foreach ($end as $name => $code) {
    file_put_contents(store() . '/request.php', '<?php
        session_id("visitor");
        session_start();
        echo "n=", $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1, "\n";
        ' . $code);
    $output = implode("\n", requests_in_one_process(store() . '/request.php', 4));
    preg_match_all('/^n=\d+$/m', $output, $answers);
    echo "$name: ", implode(' ', $answers[0]), "\n";
}
--EXPECT--
the session is closed: n=1 n=2 n=3 n=4
the session is left open: n=5 n=6 n=7 n=8
the script exits: n=9 n=10 n=11 n=12
a fatal error: n=13 n=14 n=15 n=16
an exception: n=17 n=18 n=19 n=20
memory is used up: n=21 n=22 n=23 n=24
