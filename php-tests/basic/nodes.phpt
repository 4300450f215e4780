--TEST--
sessclust_nodes names the store once it has been opened
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
echo json_encode(sessclust_nodes()), "\n";
put('shop', ['n' => 1]);
$nodes = sessclust_nodes();
echo masked(json_encode($nodes, JSON_UNESCAPED_SLASHES)), "\n";
var_dump(is_dir($nodes[0]['directory']));
--EXPECT--
[]
[{"type":"local","state":"up","directory":"STORE/uUID"}]
bool(true)
