--TEST--
A write that the system refuses is one warning and leaves the version before
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// A limit on the size of files, 8 blocks of 512 bytes, stands for a full disk.
store();
put('shop', ['n' => 1]);
echo start('
    session_id("shop");
    session_start();
    $_SESSION["n"] = 2;
    $_SESSION["x"] = str_repeat("x", 100000);
    var_dump(session_write_close());
', [], 'trap "" XFSZ; ulimit -f 8; exec')->finish();
var_dump(get('shop'));
--EXPECTF--
Warning: session_write_close(): cannot write %s: File too large (os error 27) in %s on line %d

Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (local://%s) in %s on line %d
bool(true)
array(1) {
  ["n"]=>
  int(1)
}
