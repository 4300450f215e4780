--TEST--
Lifetimes of 0, below 0 and beyond all clocks lose no session of the next request
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
foreach (['0', '-1', '9223372036854775807'] as $lifetime) {
    ini_set('session.gc_maxlifetime', $lifetime);
    put('shop', ['lifetime' => $lifetime]);
    var_dump(get('shop')['lifetime']);
}
--EXPECT--
string(1) "0"
string(2) "-1"
string(19) "9223372036854775807"
