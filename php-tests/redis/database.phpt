--TEST--
Each database of a server has sessions of its own
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
ini_set('session.save_path', $node->url() . '?database=3');
var_dump(get('shop'));
put('shop', ['n' => 3]);
ini_set('session.save_path', $node->url());
var_dump(get('shop')['n']);
ini_set('session.save_path', $node->url() . '?database=99');
show('not there', fn () => session_start());
--EXPECTF--
array(0) {
}
int(1)
not there: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: ERR DB index is out of range
Warning: session_start(): Failed to read session data: sessclust (path: PATH?database=99)
