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
