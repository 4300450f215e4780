--TEST--
With sessclust.placement=local new sessions are on the node of this machine
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--INI--
sessclust.replicas=1
--FILE--
<?php
require __DIR__ . '/../config.inc';
[, $near] = nodes(3);
store();
ini_set('sessclust.placement', 'local');
ini_set('sessclust.local_node', $near->url());
$ids = [];
for ($i = 0; $i < 20; $i++) {
    session_id('');
    session_start();
    $ids[] = session_id();
    $_SESSION['i'] = $i;
    session_write_close();
}
session_start();
session_regenerate_id(true);
$ids[] = session_id();
session_write_close();
$ids[] = session_create_id('user-');
echo implode(' ', array_map(fn (Node $node) => count($node->sessions()), nodes())), "\n";
echo implode(' ', array_unique(array_map(strlen(...), $ids))), ', ', count(array_unique($ids)),
    " ids\n";
// Any web server finds them, wherever it is.
ini_restore('sessclust.placement');
var_dump(get($ids[3]));
--EXPECT--
0 20 0
36 37, 22 ids
array(1) {
  ["i"]=>
  int(3)
}
