--TEST--
An error handler that a warning of ours calls can ask for nodes, figures and phpinfo
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
replace(only(sessions()), 'damaged');
set_error_handler(function ($level, $message) {
    echo $message, "\n";
    ob_start();
    phpinfo(INFO_MODULES);
    ob_end_clean();
    ['warnings' => $warnings] = sessclust_stats()['counters'];
    echo count(sessclust_nodes()), " nodes, $warnings warnings\n";
    ini_set('sessclust.lock_wait', '1s');
    return true;
});
ini_set('sessclust.max_size', '1K');
session_id('shop');
session_start();
$_SESSION['x'] = str_repeat('x', 2000);
session_write_close();
--EXPECTF--
session_start(): data of session %x is damaged (cut off), starting anew
%d nodes, 1 warnings
session_write_close(): session %x has 2012 bytes, more than the 1024 that sessclust.max_size allows, not saved
%d nodes, 2 warnings
session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (%s)
%d nodes, 2 warnings
