--TEST--
A session whose holder was killed is taken over at once
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--INI--
sessclust.replicas=1
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
hold('shop', '$_SESSION["n"] = 2;')->kill();
// Nobody has given the lock back.
var_dump(locked() !== null);
ini_set('sessclust.lock_wait', '0');
var_dump(get('shop')['n'], sessclust_stats()['counters']['takeovers']);
--EXPECT--
bool(true)
int(1)
int(1)
