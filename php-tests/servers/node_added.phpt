--TEST--
A node that is added logs nobody out
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--INI--
sessclust.replicas=1
--FILE--
<?php
require __DIR__ . '/../config.inc';
$nodes = nodes(3);
store();
$paths = array_map(fn (Node $node) => $node->url(), $nodes);
ini_set('session.save_path', "$paths[0],$paths[1]");
for ($i = 0; $i < 40; $i++) {
    put("visitor-$i", ['i' => $i]);
}
ini_set('session.save_path', implode(',', $paths));
ini_set('session.use_strict_mode', '1');
$lost = 0;
for ($i = 0; $i < 40; $i++) {
    session_id("visitor-$i");
    session_start();
    $lost += ($_SESSION['i'] ?? null) === $i ? 0 : 1;
    $_SESSION['seen'] = true;
    session_write_close();
}
// Those that belong to the new node have moved there.
var_dump($lost, count($nodes[2]->sessions()) > 0, count(sessions()));
--EXPECT--
int(0)
bool(true)
int(40)
