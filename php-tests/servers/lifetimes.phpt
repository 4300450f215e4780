--TEST--
A node keeps a session for its lifetime, also beyond the 30 days that it can count
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
$left = function (string $lifetime): int {
    ini_set('session.gc_maxlifetime', $lifetime);
    put('shop', ['lifetime' => $lifetime]);
    $session = only(sessions());
    return node_with($session)->left($session);
};
foreach (['100', '2592000', '2592001', '100000000'] as $lifetime) {
    $kept = $left($lifetime);
    var_dump($kept <= $lifetime && $kept > $lifetime - 20, get('shop')['lifetime'] === $lifetime);
}
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
