--TEST--
A user with no more rights than the README says has sessions
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_redis();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
$readme = file_get_contents(dirname(__DIR__, 2) . '/README.md');
preg_match_all('/^ACL SETUSER (shop .*)$/m', $readme, $commands);
foreach ($commands[1] as $rules) {
    $node->call('ACL', 'SETUSER', ...explode(' ', str_replace('PASSWORD', 'hunter2', $rules)));
}
$node->call('ACL', 'SETUSER', 'default', 'off');
$node->call('ACL', 'LOG', 'RESET');
$file = store() . '/credentials';
file_put_contents($file, "$node->socket shop hunter2\n");
chmod($file, 0600);
ini_set('sessclust.credentials', $file);
put('shop', ['n' => 1]);
session_start();
$waiting = start('
    session_id("shop");
    session_start();
    $_SESSION["n"]++;
', ['sessclust.credentials' => $file]);
wait_for_waiter();
$_SESSION['n']++;
session_write_close();
echo $waiting->finish();
show('read', fn () => get('shop'));
session_id('shop');
session_start();
session_write_close();
session_start();
show('regenerate', fn () => session_regenerate_id(true));
show('destroy', fn () => session_destroy());
show('read', fn () => get('shop'));
// What the server has refused.
var_dump($node->call('ACL', 'LOG'));
--EXPECTF--
read: {"n":3}
regenerate: true
destroy: true
read: []
array(0) {
}
