--TEST--
sessclust_nodes and phpinfo name the nodes and what is known of them
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_memcached();
--FILE--
<?php
require __DIR__ . '/../config.inc';
nodes(2);
store();
ini_set('session.save_path', str_replace('m1,', 'm1?weight=3,', ini_get('session.save_path')));
session_id('shop');
session_start(['read_and_close' => true]);
foreach (sessclust_nodes() as $node) {
    echo masked(json($node)), "\n";
}
ob_start();
phpinfo(INFO_MODULES);
preg_match('/^Stores => .*\n.*$/m', ob_get_clean(), $lines);
echo masked($lines[0]), "\n";
--EXPECTF--
{"type":"memcached","state":"up","drained":false,"failures":0,"since":null,"reason":"","latency_us":null,"address":"STORE/m1","weight":"3","server":"1.6.%d, meta protocol"}
{"type":"memcached","state":"up","drained":false,"failures":0,"since":null,"reason":"","latency_us":null,"address":"STORE/m2","weight":"1","server":"1.6.%d, meta protocol"}
Stores => embedded (local://), memcached (memcached://, memcached+unix://), Redis and Valkey (redis://, rediss://, redis+unix://, redis+sentinel://, redis+cluster://)
Nodes => STORE/m1, STORE/m2
