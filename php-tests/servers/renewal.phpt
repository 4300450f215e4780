--TEST--
A script that runs for longer than the lease keeps its session, and its sleep its length
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// The one test that takes seconds: the shortest lease is 3 s.
store();
put('shop', ['n' => 1]);
$lease = ['sessclust.lock_lease' => '3s', 'sessclust.request_timeout' => '900ms'];
$holder = start('
    session_id("shop");
    session_start();
    echo "locked\n";
    $begin = hrtime(true);
    var_dump(sleep(4), hrtime(true) - $begin >= 4_000_000_000);
    $_SESSION["n"]++;
', $lease);
$holder->line();
session_id('shop');
session_start();
var_dump($_SESSION['n']);
echo $holder->finish();
--EXPECT--
int(2)
int(0)
bool(true)
