--TEST--
A file with both versions damaged is one warning and an empty session
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
put('shop', ['n' => 2]);
$whole = file_get_contents(session_file());
$whole[100] = '!';
$whole[2048 + 100] = '!';
file_put_contents(session_file(), $whole);
show('damaged', fn () => get('shop'));
show('again', fn () => get('shop'));
show('rewritten', fn () => put('shop', ['n' => 3]));
show('written', fn () => get('shop'));
--EXPECT--
damaged: []
Warning: session_start(): data of session a3956e79 is damaged (wrong data checksum), starting anew
again: []
Warning: session_start(): data of session a3956e79 is damaged (wrong data checksum), starting anew
rewritten: null
Warning: session_start(): data of session a3956e79 is damaged (wrong data checksum), starting anew
written: {"n":3}
