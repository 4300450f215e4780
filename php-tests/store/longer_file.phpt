--TEST--
Bytes behind a session do no harm, and are given back
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
file_put_contents(session_file(), random_bytes(300000), FILE_APPEND);
show('longer', fn () => get('shop'));
put('shop', ['n' => 2]);
show('written', fn () => get('shop'));
var_dump(filesize(session_file()) < 100000);
--EXPECT--
longer: {"n":1}
written: {"n":2}
bool(true)
