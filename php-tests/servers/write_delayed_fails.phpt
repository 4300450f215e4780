--TEST--
A delayed write that failed is told once, to the next request
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
ini_set('sessclust.write', 'delayed');
session_id('shop');
session_start();
$_SESSION['n'] = 2;
// As if somebody had written over it, in spite of the lock.
$other = stored(only(sessions()));
replace(only(sessions()), $other);
show('close', fn () => session_write_close());
show('next', fn () => get('shop'));
show('then', fn () => get('shop'));
var_dump(sessclust_stats()['counters']['delayed_failures']);
--EXPECTF--
close: true
next: {"n":1}
Warning: session_start(): session %x, written with sessclust.write = delayed, is not saved: another request has changed it meanwhile
then: {"n":1}
int(1)
