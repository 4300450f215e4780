--TEST--
session_gc removes expired files that hold no session, and nothing else
--INI--
session.gc_maxlifetime=1440
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$file = session_file();
file_put_contents($file, 'damaged');
age($file, 2000);
// Not made by sessclust.
foreach ([dirname($file) . '/README', dirname($file, 2) . '/README', dirname($file, 2) . '/.gitignore'] as $name) {
    file_put_contents($name, '');
    age($name, 2000);
}
session_id('own');
session_start();
var_dump(session_gc());
session_abort();
clearstatcache();
var_dump(file_exists($file), file_exists(dirname($file) . '/README'), file_exists(dirname($file, 2) . '/README'));
--EXPECT--
int(1)
bool(false)
bool(true)
bool(true)
