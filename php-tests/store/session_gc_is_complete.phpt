--TEST--
session_gc() removes all expired sessions, session.gc_probability a bounded number
--INI--
sessclust.auto_gc=off
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
for ($i = 0; $i < 150; $i++) {
    put("expired$i", ['n' => $i]);
}
foreach (session_files() as $file) {
    age($file, 2000);
}
session_id('new');
session_start(['gc_probability' => '1', 'gc_divisor' => '1']);
var_dump(count(session_files()) - 1, session_gc(), count(session_files()));
--EXPECT--
int(50)
int(50)
int(1)
