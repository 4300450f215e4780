--TEST--
A session that has not changed is given its life again, and not written
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
$key = 'sc:r:{' . digest('shop') . '}';
$before = $node->call('GET', $key);
$node->call('EXPIRE', $key, '100');
session_id('shop');
session_start();
session_write_close();
var_dump($node->call('GET', $key) === $before, $node->call('TTL', $key) > 1000);
--EXPECT--
bool(true)
bool(true)
