--TEST--
sessclust_nodes() and phpinfo() show the servers
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_redis();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[, $second] = nodes(2);
store();
put('shop', ['n' => 1]);
put('other', ['n' => 1]);
$second->kill();
foreach (range(1, 9) as $i) {
    @put("more$i", ['n' => 1]);
}
foreach (sessclust_nodes() as $node) {
    unset($node['since']);
    echo masked(json($node)), "\n";
}
--EXPECTF--
{"type":"redis","state":"up","drained":false,"failures":0,"reason":"","latency_us":null,"address":"STORE/m1","weight":"1","server":"%r(Redis|Valkey)%r %d.%d.%d"}
{"type":"redis","state":"down","drained":false,"failures":1,"reason":"cannot connect to STORE/m2: No such file or directory (os error 2)","latency_us":null,"address":"STORE/m2","weight":"1","server":""}
