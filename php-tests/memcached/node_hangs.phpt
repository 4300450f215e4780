--TEST--
A node that does not answer is waited for as long as the settings say
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_memcached();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
put('shop', ['n' => 1]);
ini_set('sessclust.request_timeout', '100ms');
ini_set('sessclust.connect_timeout', '50ms');
$node->hang();
show('open', fn () => get('shop'));
show('connect', fn () => get('shop'));
$node->resume();
// A busy machine may take its time, now that an answer has to come.
ini_set('sessclust.request_timeout', '1s');
ini_set('sessclust.connect_timeout', '10s');
session_id('shop');
session_start();
$_SESSION['n'] = 2;
session_write_close();
session_start();
$_SESSION['n'] = 3;
$node->hang();
show('close', fn () => session_write_close());
$node->resume();
--EXPECTF--
open: false
Warning: session_start(): session %x cannot be opened: node STORE/m1: no answer within 100ms (sessclust.request_timeout)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
connect: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: no answer within 50ms (sessclust.connect_timeout)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
close: true
Warning: session_write_close(): session %x may or may not have been saved: node STORE/m1: no answer within 1s (sessclust.request_timeout)
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (PATH)
