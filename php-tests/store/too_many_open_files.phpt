--TEST--
A session that cannot be opened for want of descriptors is one warning
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
echo start('
    $files = [];
    while ($file = @fopen("/dev/null", "r")) {
        $files[] = $file;
    }
    session_id("shop");
    var_dump(session_start());
    $files = [];
    session_id("shop");
    var_dump(session_start(), $_SESSION);
', [], 'ulimit -n 64; exec')->finish();
--EXPECTF--
Warning: session_start(): cannot open %s: Too many open files (os error 24) in %s on line %d

Warning: session_start(): Failed to read session data: sessclust (path: local://%s) in %s on line %d
bool(false)
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
