--TEST--
A destroyed session is not brought back by what its node or a browser still has
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
put('shop', ['n' => 1]);
session_start();
session_destroy();
// What says so outlives the session.
var_dump(count($node->keys('sc:r:')), $node->sessions(), get('shop'));
session_id('shop');
session_start(['use_strict_mode' => '1']);
var_dump(session_id() === 'shop');
--EXPECT--
int(1)
array(0) {
}
array(0) {
}
bool(false)
