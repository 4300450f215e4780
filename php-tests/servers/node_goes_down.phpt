--TEST--
A node that goes down while a session is open is one warning when it is closed
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--INI--
sessclust.replicas=1
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
put('shop', ['n' => 1]);
foreach (['changed' => 2, 'unchanged' => 1] as $name => $n) {
    put('shop', ['n' => 1]);
    session_start();
    $_SESSION['n'] = $n;
    $node->kill();
    show($name, fn () => session_write_close());
    $node->start();
}
--EXPECTF--
changed: true
Warning: session_write_close(): session %x is not saved: cannot connect to STORE/m1: No such file or directory (os error 2)
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (PATH)
unchanged: true
Warning: session_write_close(): session %x is not marked as used: cannot connect to STORE/m1: No such file or directory (os error 2)
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (PATH)
