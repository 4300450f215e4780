--TEST--
A node that comes back empty while a session is open
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
$restart = function () use ($node) {
    $node->kill();
    $node->start();
};
echo "-- a new session is saved all the same\n";
session_id('new');
session_start();
$_SESSION['n'] = 1;
$restart();
show('close', fn () => session_write_close());
show('read', fn () => get('new'));
echo "-- the node has lost what was read, so it is not known who changed what\n";
session_id('new');
session_start();
$_SESSION['n'] = 2;
$restart();
show('close', fn () => session_write_close());
echo "-- unchanged, it is stored again\n";
put('shop', ['n' => 1]);
session_start();
$restart();
show('close', fn () => session_write_close());
show('read', fn () => get('shop'));
echo "-- between two requests nobody notices\n";
$restart();
show('read', fn () => get('shop'));
--EXPECTF--
-- a new session is saved all the same
close: true
read: {"n":1}
-- the node has lost what was read, so it is not known who changed what
close: true
Warning: session_write_close(): session %x was lost by its node meanwhile, not saved
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (PATH)
-- unchanged, it is stored again
close: true
read: {"n":1}
-- between two requests nobody notices
read: []
