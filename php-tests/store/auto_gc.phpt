--TEST--
Expired sessions go although session.gc_probability is 0, unless sessclust.auto_gc is off
--INI--
session.gc_maxlifetime=1440
session.gc_probability=0
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('sessclust.auto_gc', 'off');
foreach (['a', 'b', 'c'] as $id) {
    put($id, ['n' => 1]);
}
foreach (session_files() as $file) {
    age($file, 2000);
}
$request = 'session_id("new"); session_start(); $_SESSION["n"] = 1;';
echo run($request, ['sessclust.auto_gc' => 'off']), count(session_files()), "\n";
echo run($request, ['sessclust.auto_gc' => 'on']), count(session_files()), "\n";
--EXPECT--
4
1
