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
    session_id('shop');
    session_start();
    $_SESSION['n']++;
    $do();
    show('commit', fn () => session_write_close());
    session_id('shop');
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
echo "-- other keys for this user\n";
see($acl('resetkeys', '~shop:*'), $acl('allkeys'));
--EXPECTF--
-- full
open: false
Warning: session_start(): session %x cannot be locked: node STORE/m1 says: OOM command not allowed when used memory > 'maxmemory'. (raise its maxmemory, or let it evict (maxmemory-policy))
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
commit: true
Warning: session_write_close(): session %x is not saved: node STORE/m1 says: OOM command not allowed when used memory > 'maxmemory'. (raise its maxmemory, or let it evict (maxmemory-policy))
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (PATH)
read: {"n":1}
afterwards: {"n":1}
-- a replica
open: false
Warning: session_start(): session %x cannot be opened: node STORE/m1: READONLY You can't write against a read only replica. (it is a replica; name the primary in session.save_path, or its sentinels (redis+sentinel://))
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
commit: true
Warning: session_write_close(): session %x is not saved: node STORE/m1: READONLY You can't write against a read only replica. (it is a replica; name the primary in session.save_path, or its sentinels (redis+sentinel://))
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (PATH)
read: {"n":1}
afterwards: {"n":1}
-- too few replicas
open: false
Warning: session_start(): session %x cannot be locked: node STORE/m1 says: NOREPLICAS Not enough good replicas to write. (it has fewer replicas than its min-replicas-to-write)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
commit: true
Warning: session_write_close(): session %x is not saved: node STORE/m1 says: NOREPLICAS Not enough good replicas to write. (it has fewer replicas than its min-replicas-to-write)
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (PATH)
read: {"n":1}
afterwards: {"n":1}
-- other keys for this user
open: false
Warning: session_start(): session %x cannot be opened: node STORE/m1: NOPERM %s (its user may not do that; he needs the commands of sessions on the keys sc:*, see the README)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
commit: true
Warning: session_write_close(): session %x is not saved: node STORE/m1: NOPERM %s (its user may not do that; he needs the commands of sessions on the keys sc:*, see the README)
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (PATH)
read: false
Warning: session_start(): session %x cannot be opened: node STORE/m1: NOPERM %s (its user may not do that; he needs the commands of sessions on the keys sc:*, see the README)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
afterwards: {"n":1}
