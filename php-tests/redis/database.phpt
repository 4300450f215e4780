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
