--TEST--
A symbolic link or a directory in place of the file gc does no harm
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// The automatic removal is nobody's business, so it fails without a warning, and is counted.
store();
put('shop', ['n' => 1]);
$gc = dirname(session_file(), 2) . '/gc';
file_put_contents(store() . '/target', 'untouched');
@unlink($gc);
symlink(store() . '/target', $gc);
$request = 'put("shop", ["n" => 2]);
    echo json(get("shop")), " ";
    echo sessclust_stats()["counters"]["sweep_errors"] > 0 ? "counted\n" : "not counted\n";';
echo run($request), file_get_contents(store() . '/target'), "\n";
unlink($gc);
mkdir($gc);
echo run($request);
--EXPECT--
{"n":2} counted
untouched
{"n":2} counted
