--TEST--
session_gc removes expired files that hold no session, and nothing else
--INI--
session.gc_maxlifetime=1440
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
file_put_contents($file, 'damaged');
age($file, 2000);
// Not made by sessclust.
$foreign = [dirname($file) . '/README', dirname($file, 2) . '/README'];
foreach ($foreign as $name) {
    file_put_contents($name, '');
    age($name, 2000);
}
session_id('own');
session_start();
var_dump(session_gc());
session_abort();
clearstatcache();
echo json(array_map('file_exists', [$file, ...$foreign])), "\n";
--EXPECT--
int(1)
[false,true,true]
