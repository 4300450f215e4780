--TEST--
With sessclust.lock=off no lock is ever on a node
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('sessclust.lock', 'off');
put('shop', ['n' => 1]);
session_start();
$_SESSION['n']++;
var_dump(locked());
session_write_close();
var_dump(locked(), get('shop')['n']);
session_id('shop');
session_start();
session_destroy();
var_dump(get('shop'));
--EXPECT--
NULL
NULL
int(2)
array(0) {
}
