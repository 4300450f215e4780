--TEST--
A server that refuses is one warning that says what can be done, and the session there stays as it was
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
session_id('shop');
/** What three requests see of the server as it is now: to open, to commit, to read. */
function see(callable $do, callable $undo): void
{
    session_id('shop');
    $do();
    show('open', fn () => session_start());
    session_abort();
    $undo();
    session_start();
    $_SESSION['n']++;
    $do();
    show('commit', fn () => session_write_close());
    show('read', fn () => session_start(['read_and_close' => true]) ? $_SESSION : false);
    $undo();
    show('afterwards', fn () => get('shop'));
}
$config = fn (string $name, string $value) => fn () => $node->call('CONFIG', 'SET', $name, $value);
$acl = fn (string ...$rules) => fn () => $node->call('ACL', 'SETUSER', 'default', ...$rules);
echo "-- full\n";
see($config('maxmemory', '1'), $config('maxmemory', '0'));
echo "-- a replica\n";
see(fn () => $node->call('REPLICAOF', '127.0.0.1', '1'), fn () => $node->call('REPLICAOF', 'NO', 'ONE'));
echo "-- too few replicas\n";
see($config('min-replicas-to-write', '1'), $config('min-replicas-to-write', '0'));
echo "-- no scripts for this user\n";
see($acl('-evalsha', '-eval'), $acl('+@all'));
echo "-- other keys for this user\n";
see($acl('resetkeys', '~shop:*'), $acl('allkeys'));
--EXPECTF--
