--TEST--
Record and lock of a session are named by the digest of its id, on the same node
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
nodes(3);
store();
put('shop', ['n' => 1]);
session_start();
$lock = 'sc:l:' . digest('shop');
$node = node_with($lock);
var_dump(locked() === $lock);
session_write_close();
var_dump(locked(), $node->sessions() === ['sc:r:' . digest('shop')]);
foreach (nodes() as $node) {
    echo preg_match('/shop/', implode(' ', $node->keys(''))), "\n";
}
--EXPECT--
bool(true)
NULL
bool(true)
0
0
0
