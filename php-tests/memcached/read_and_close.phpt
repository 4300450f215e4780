--TEST--
read_and_close asks one node for one record, and takes no lock
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_memcached();
--INI--
sessclust.replicas=1
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$node = node_with(only(sessions()));
$figures = fn () => [$node->statistic('cmd_get'), $node->statistic('cmd_set')];
[$gets, $sets] = $figures();
$round_trips = sessclust_stats()['request']['round_trips'];
session_start(['read_and_close' => true]);
var_dump($_SESSION, sessclust_stats()['request']['round_trips'] - $round_trips);
[$more_gets, $more_sets] = $figures();
var_dump($more_gets - $gets, $more_sets - $sets);
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
int(1)
int(1)
int(0)
