--TEST--
A script that ran out of memory can still destroy its session
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
run('
    register_shutdown_function(fn () => session_destroy());
    session_id("shop");
    session_start();
    str_repeat("x", 1 << 30);
');
var_dump(get('shop'));
--EXPECT--
array(0) {
}
