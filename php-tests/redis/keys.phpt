--TEST--
All keys of a session are in one slot of a Redis Cluster, end by themselves, and tell nothing
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
$digest = digest('shop');
$keys = $node->call('KEYS', '*');
sort($keys);
var_dump($keys === ['sc:l:{' . $digest . '}', 'sc:r:{' . $digest . '}']);
foreach ($keys as $key) {
    echo substr($key, 0, 5), ' ', $node->call('TTL', $key), "\n";
}
session_write_close();
var_dump($node->keys('sc:l:'));
session_id('shop');
session_start();
session_destroy();
var_dump($node->sessions());
--EXPECTF--
bool(true)
sc:l: 5
sc:r: 1440
array(0) {
}
array(0) {
}
