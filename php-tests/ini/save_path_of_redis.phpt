--TEST--
A list of Redis nodes: how phpinfo shows it, and what is one warning with the position
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
$paths = [
    'redis://10.0.0.1',
    'redis://10.0.0.1:6380/2?weight=3, rediss://10.0.0.2?database=2',
    'redis+unix:///run/redis.sock?database=1&weight=2',
    'redis+sentinel://10.0.0.1/orders,redis+sentinel://10.0.0.2:1/orders redis+sentinel://a/two/1',
    'redis+cluster://10.0.0.1:7000, redis+cluster://[::1]',
    'tcp://10.0.0.1:6379?weight=1&database=2',
    'tls://10.0.0.1:6379 unix:///run/redis.sock',
    'redis://a/b',
    'redis:///run/redis.sock',
    'redis://a/2147483648',
    'redis://a/1?database=1',
    'redis://a?database=1&database=2',
    'redis://a?Weight=1',
    'redis://a:0',
    'redis://::1',
    'redis+unix://run/redis.sock',
    'redis+sentinel://a',
    'redis+sentinel://a/',
    'redis+sentinel://a/b!',
    'redis+sentinel://a/one,redis+sentinel://b/one?weight=2',
    'redis+sentinel://a/one,redis+sentinel://a/one',
    'redis+cluster://a/1',
    'redis+cluster://a,redis://b',
    'redis+cluster://a,b:6379',
    'redis://a,tcp://A:6379?database=1',
    implode(' ', array_map(fn ($port) => "redis+sentinel://a:$port/one", range(1, 101))),
];
foreach ($paths as $path) {
    ini_set('session.save_path', $path);
    ob_start();
    phpinfo(INFO_MODULES);
    preg_match('/^Stores => .*\n(.*)$/m', ob_get_clean(), $lines);
    echo substr($path, 0, 70), "\n  $lines[1]\n";
    if (!str_starts_with($lines[1], 'Nodes')) {
        set_error_handler(function (int $level, string $message) use (&$ours) {
            $ours ??= $message;                             // PHP's own comes second
            return true;
        });
        $ours = null;
        $started = session_start();
        restore_error_handler();
        if ($started || $ours !== 'session_start(): ' . substr($lines[1], strlen('session.save_path => '))) {
            echo "!! session_start(): ", json($started), " $ours\n";
        }
    }
}
--EXPECT--
redis://10.0.0.1
  Nodes => 10.0.0.1:6379
redis://10.0.0.1:6380/2?weight=3, rediss://10.0.0.2?database=2
  Nodes => 10.0.0.1:6380, 10.0.0.2:6379
redis+unix:///run/redis.sock?database=1&weight=2
  Nodes => /run/redis.sock
redis+sentinel://10.0.0.1/orders,redis+sentinel://10.0.0.2:1/orders re
  Nodes => orders@10.0.0.1:26379,10.0.0.2:1, two@a:26379
redis+cluster://10.0.0.1:7000, redis+cluster://[::1]
  Nodes => 10.0.0.1:7000,[::1]:6379
tcp://10.0.0.1:6379?weight=1&database=2
  Nodes => 10.0.0.1:6379
tls://10.0.0.1:6379 unix:///run/redis.sock
  Nodes => 10.0.0.1:6379, /run/redis.sock
redis://a/b
  session.save_path => session.save_path, position 10: the database has to be a number from 0 to 2147483647
redis:///run/redis.sock
  session.save_path => session.save_path, position 8: the host is missing; a socket is written redis+unix:///socket
redis://a/2147483648
  session.save_path => session.save_path, position 10: the database has to be a number from 0 to 2147483647
redis://a/1?database=1
  session.save_path => session.save_path, position 9: the database is given twice
redis://a?database=1&database=2
  session.save_path => session.save_path, position 21: this parameter is given twice
redis://a?Weight=1
  session.save_path => session.save_path, position 10: unknown parameter: a node takes ?weight=N&database=N and no other
redis://a:0
  session.save_path => session.save_path, position 9: behind the host comes a colon and a port from 1 to 65535
redis://::1
  session.save_path => session.save_path, position 8: an IPv6 address is written in brackets, such as [::1]
redis+unix://run/redis.sock
  session.save_path => session.save_path, position 13: the path has to be absolute: there are three slashes before it
redis+sentinel://a
  session.save_path => session.save_path, position 18: the name that the sentinels know is missing: write each of them as redis+sentinel://host:port/name
redis+sentinel://a/
  session.save_path => session.save_path, position 19: the name has to have 1 to 255 characters
redis+sentinel://a/b!
  session.save_path => session.save_path, position 20: a name has letters, digits, ., - and _ only
redis+sentinel://a/one,redis+sentinel://b/one?weight=2
  session.save_path => session.save_path, position 23: entries of one Sentinel name, or of one cluster, have to agree in all but the address
redis+sentinel://a/one,redis+sentinel://a/one
  session.save_path => session.save_path, position 23: this node is in the list twice
redis+cluster://a/1
  session.save_path => session.save_path, position 17: a cluster has one database, and is the only node of its pool: leave out what is behind the port
redis+cluster://a,redis://b
  session.save_path => session.save_path, position 18: a Redis Cluster is a pool by itself: all entries are redis+cluster://, or none
redis+cluster://a,b:6379
  session.save_path => session.save_path, position 18: the nodes of a pool are all memcached, or all Redis: write memcached:// or redis:// before each
redis://a,tcp://A:6379?database=1
  session.save_path => session.save_path, position 10: this node is in the list twice
redis+sentinel://a:1/one redis+sentinel://a:2/one redis+sentinel://a:3
  session.save_path => session.save_path, position 2592: a list has at most 100 entries
