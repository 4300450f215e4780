--TEST--
session_gc keeps sessions of an application with a longer lifetime
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// PHP's files handler removes them by the lifetime of the caller.
store();
ini_set('session.gc_maxlifetime', '10000');
put('long', ['n' => 1]);
age(session_file(), 2000);
ini_set('session.gc_maxlifetime', '100');
session_id('own');
session_start();
var_dump(session_gc());
session_abort();
var_dump(get('long'));
--EXPECT--
int(0)
array(1) {
  ["n"]=>
  int(1)
}
