--TEST--
A server that is busy with a script of somebody else says so
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_redis();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
put('shop', ['n' => 1]);
$node->call('CONFIG', 'SET', 'lua-time-limit', '1');
$other = stream_socket_client("unix://$node->socket");
fwrite($other, "EVAL 'while true do end' 0\r\n");
while (!str_starts_with($node->call('PING'), 'BUSY'));
session_id('shop');
show('open', fn () => session_start());
$node->call('SCRIPT', 'KILL');
while ($node->call('PING') !== 'PONG');
show('afterwards', fn () => get('shop'));
--EXPECTF--
open: false
Warning: session_start(): session %x cannot be opened: node STORE/m1: BUSY %s (somebody's script keeps it busy (SCRIPT KILL ends it))
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
afterwards: {"n":1}
