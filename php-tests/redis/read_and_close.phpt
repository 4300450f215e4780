--TEST--
read_and_close is one GET, and nothing else
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_redis();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
[$node] = nodes();
$node->call('CONFIG', 'RESETSTAT');
$round_trips = sessclust_stats()['request']['round_trips'];
session_id('shop');
session_start(['read_and_close' => true]);
var_dump($_SESSION, sessclust_stats()['request']['round_trips'] - $round_trips);
preg_match_all('/^cmdstat_(\w+):calls=(\d+)/m', $node->call('INFO', 'commandstats'), $calls);
echo json(array_diff_key(array_combine($calls[1], $calls[2]), ['config' => 1, 'info' => 1])), "\n";
--EXPECTF--
array(1) {
  ["n"]=>
  int(1)
}
int(1)
{"get":"1"}
