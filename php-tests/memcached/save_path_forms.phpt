--TEST--
A pool has the same sessions however its save path is written
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_memcached();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$sockets = array_map(fn (Node $node) => $node->socket, nodes());
[$a, $b, $c] = $sockets;
foreach ([
    "memcached+unix://$a memcached+unix://$b?weight=1,  memcached+unix://$c",
    "memcached+unix://$c,memcached+unix://$a,memcached+unix://$b",
    "$a:0,$b:0,$c:0",                                        // as php-memcached takes it
    "$b:0, $c:0, $a:0",
] as $path) {
    session_save_path($path);
    var_dump(get('shop') === ['n' => 1]);
}
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
