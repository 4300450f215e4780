--TEST--
A new id takes the data along, and the old one stays destroyed
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_redis();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
put('shop', ['n' => 1]);
session_start();
session_regenerate_id(true);
$new = session_id();
$_SESSION['n']++;
session_write_close();
var_dump(get('shop'), get($new)['n'], count($node->sessions()));
// Whoever comes late with what he has read of the old one changes nothing.
ini_set('session.use_strict_mode', '1');
session_id('shop');
session_start();
var_dump(session_id() !== 'shop', $_SESSION);
--EXPECTF--
array(0) {
}
int(2)
int(1)
bool(true)
array(0) {
}
