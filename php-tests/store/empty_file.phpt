--TEST--
A file of no bytes is a session that was never written: no warning
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
file_put_contents(session_file(), '');
show('empty', fn () => get('shop'));
put('shop', ['n' => 2]);
show('written', fn () => get('shop'));
--EXPECT--
empty: []
written: {"n":2}
