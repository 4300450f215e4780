--TEST--
The counters are those of all processes that the server forked
--EXTENSIONS--
pcntl
posix
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$before = sessclust_stats();
in_child(fn () => put('shop', ['n' => 1]));
$after = sessclust_stats();
var_dump($after['counters']['commits'] - $before['counters']['commits']);
var_dump($after['request']['written_bytes']);
--EXPECT--
int(1)
int(0)
