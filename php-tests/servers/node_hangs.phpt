--TEST--
A node that does not answer is waited for as long as the settings say, and once
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--INI--
sessclust.replicas=1
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$asked, $connected, $told] = nodes(3);
store();
/** A pool of this node alone. */
$use = fn (Node $node) => ini_set('session.save_path', $node->url());

$use($asked);
put('shop', ['n' => 1]);
ini_set('sessclust.request_timeout', '100ms');
ini_set('sessclust.connect_timeout', '50ms');
$asked->hang();
show('open', fn () => get('shop'));
// Another process: it was not the one that waited.
echo masked(run('show("again", fn () => get("shop"));'));
$use($connected);
$connected->hang();
show('connect', fn () => get('shop'));
$use($told);
// A busy machine may take its time, now that an answer has to come.
ini_set('sessclust.request_timeout', '1s');
ini_set('sessclust.connect_timeout', '10s');
session_id('shop');
session_start();
$_SESSION['n'] = 2;
session_write_close();
session_start();
$_SESSION['n'] = 3;
$told->hang();
show('close', fn () => session_write_close());
--EXPECTF--
open: false
Warning: session_start(): session %x cannot be opened: node STORE/m1: no answer within 100ms (sessclust.request_timeout)
Warning: session_start(): Failed to read session data: sessclust (path: %sunix://STORE/m1)
again: false
Warning: session_start(): session %x cannot be opened: no answer from STORE/m1
Warning: session_start(): Failed to read session data: sessclust (path: %sunix://STORE/m1)
connect: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m2: no answer within 50ms (sessclust.connect_timeout)
Warning: session_start(): Failed to read session data: sessclust (path: %sunix://STORE/m2)
close: %s
Warning: session_write_close(): session %x may or may not have been saved: node STORE/m3: no answer within 1s (sessclust.request_timeout)
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (%sunix://STORE/m3)
