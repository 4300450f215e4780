--TEST--
A server that has as many clients as it may have says so
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_redis();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
// That of this test.
$node->call('CONFIG', 'SET', 'maxclients', '1');
session_id('shop');
show('open', fn () => session_start());
--EXPECTF--
open: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: ERR max number of clients reached (raise its maxclients, or let PHP have fewer workers)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
