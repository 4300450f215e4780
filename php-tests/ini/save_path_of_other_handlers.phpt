--TEST--
Save paths of other handlers say how to write it, and show no password
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
$paths = [
    'files' => '2;/tmp',
    'files with mode' => '2;0600;/tmp',
    'php-memcached, prefix' => 'PERSISTENT=shop 10.0.0.1:11211,10.0.0.2:11211',
    'php-memcached, options' => '--SERVER=10.0.0.1:11211 --SERVER=10.0.0.2',
    'password' => 'memcached://shop:hunter2@10.0.0.1',
    'password in a list' => '10.0.0.1:11211 shop:hunter2@10.0.0.2:11211',
    'password in place of a port' => '10.0.0.1:hunter2',
    'password as a parameter' => 'memcached://10.0.0.1?auth=hunter2',
    'password in place of one' => 'memcached://10.0.0.1?hunter2',
    'redis in a list' => 'memcached://10.0.0.1,redis://10.0.0.2',
    'pecl-memcache' => 'tcp://10.0.0.1:11211?persistent=1&weight=2',
    'phpredis' => 'tcp://10.0.0.1:6379?weight=1&auth=hunter2',
    'phpredis, user' => 'tcp://10.0.0.1:6379?auth[]=shop&auth[]=hunter2',
    'phpredis, names' => 'tcp://10.0.0.1:6379?auth[user]=shop&auth[pass]=hunter2',
    'phpredis, socket' => 'unix:///run/redis.sock?auth=hunter2',
    'phpredis, time-out' => 'tcp://10.0.0.1:6379?weight=1&timeout=2.5',
    'phpredis, answer' => 'tcp://10.0.0.1:6379?read_timeout=2.5',
    'phpredis, interval' => 'tcp://10.0.0.1:6379?retry_interval=100',
    'phpredis, persistent' => 'tcp://10.0.0.1:6379?persistent=1',
    'phpredis, prefix' => 'tcp://10.0.0.1:6379?prefix=SESSION:',
    'phpredis, TLS' => 'tls://10.0.0.1:6379?stream[verify_peer]=0',
    'phpredis, cluster' => 'seed[]=10.0.0.1:7000&auth=hunter2',
    'redis' => 'redis://shop:hunter2@10.0.0.1:6379/0',
    'redis, password only' => 'rediss://:hunter2@10.0.0.1',
    'sentinel' => 'redis+sentinel://:hunter2@10.0.0.1/orders',
    'sentinel as others write it' => 'redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/orders',
    'predis' => 'tcp://10.0.0.1:6379?password=hunter2',
    'capitals' => 'REDIS://10.0.0.1',
    'host' => 'localhost',
];
foreach ($paths as $handler => $path) {
    ini_set('session.save_path', $path);
    // PHP's own warning shows the whole save path, whatever the handler; ours comes first.
    set_error_handler(function (int $level, string $message) use (&$ours) {
        $ours ??= $message;
        return true;
    });
    $ours = null;
    $started = session_start();
    restore_error_handler();
    echo "$handler: ", json_encode($started), "\n$ours\n";
    if (str_contains($ours, 'hunter2')) {
        echo "!! shows the password\n";
    }
}
--EXPECT--
files: false
session_start(): session.save_path, position 0: the depth and mode of the files handler ("N;MODE;/directory") are not used: write local:///directory
files with mode: false
session_start(): session.save_path, position 0: the depth and mode of the files handler ("N;MODE;/directory") are not used: write local:///directory
php-memcached, prefix: false
session_start(): session.save_path, position 0: PERSISTENT= of php-memcached is not used, for connections are always kept: leave it out
php-memcached, options: false
session_start(): session.save_path, position 0: options of libmemcached (--SERVER=) are not used: write memcached://host:port
password: false
session_start(): session.save_path, position 12: user and password are not supported for memcached; nor do they belong here, for PHP shows the save path in its warnings
password in a list: false
session_start(): session.save_path, position 15: user and password are not supported for memcached; nor do they belong here, for PHP shows the save path in its warnings
password in place of a port: false
session_start(): session.save_path, position 8: behind the host comes a colon and a port from 1 to 65535
password as a parameter: false
session_start(): session.save_path, position 21: user and password are not supported for memcached; nor do they belong here, for PHP shows the save path in its warnings
password in place of one: false
session_start(): session.save_path, position 21: unknown parameter: a node takes ?weight=N and no other
redis in a list: false
session_start(): session.save_path, position 21: the nodes of a pool are all memcached, or all Redis: write memcached:// or redis:// before each
pecl-memcache: false
session_start(): session.save_path, position 6: this is the port of a memcached, which is written memcached://host:port
phpredis: false
session_start(): session.save_path, position 29: user and password do not belong here, for PHP shows the save path in its warnings: put them into the file that sessclust.credentials names
phpredis, user: false
session_start(): session.save_path, position 20: user and password do not belong here, for PHP shows the save path in its warnings: put them into the file that sessclust.credentials names
phpredis, names: false
session_start(): session.save_path, position 20: user and password do not belong here, for PHP shows the save path in its warnings: put them into the file that sessclust.credentials names
phpredis, socket: false
session_start(): session.save_path, position 23: user and password do not belong here, for PHP shows the save path in its warnings: put them into the file that sessclust.credentials names
phpredis, time-out: false
session_start(): session.save_path, position 29: timeout is no parameter here, for how long connecting may take is set by sessclust.connect_timeout: leave it out
phpredis, answer: false
session_start(): session.save_path, position 20: read_timeout is no parameter here, for how long an answer may take is set by sessclust.request_timeout: leave it out
phpredis, interval: false
session_start(): session.save_path, position 20: retry_interval is no parameter here, for the time between two tries is set by sessclust.probe_interval: leave it out
phpredis, persistent: false
session_start(): session.save_path, position 20: persistent is no parameter here, for connections are always kept: leave it out
phpredis, prefix: false
session_start(): session.save_path, position 20: prefix is no parameter here, for keys have a prefix of their own: leave it out
phpredis, TLS: false
session_start(): session.save_path, position 20: stream is no parameter here, for certificates are set by sessclust.tls_ca, tls_certificate and tls_key: leave it out
phpredis, cluster: false
session_start(): session.save_path, position 0: the list of phpredis for a cluster (seed[]=) is not used: write redis+cluster://host:port, redis+cluster://host:port
redis: false
session_start(): session.save_path, position 8: user and password do not belong here, for PHP shows the save path in its warnings: put them into the file that sessclust.credentials names
redis, password only: false
session_start(): session.save_path, position 9: user and password do not belong here, for PHP shows the save path in its warnings: put them into the file that sessclust.credentials names
sentinel: false
session_start(): session.save_path, position 17: user and password do not belong here, for PHP shows the save path in its warnings: put them into the file that sessclust.credentials names
sentinel as others write it: false
session_start(): session.save_path, position 31: the name that the sentinels know is missing: write each of them as redis+sentinel://host:port/name
predis: false
session_start(): session.save_path, position 20: user and password do not belong here, for PHP shows the save path in its warnings: put them into the file that sessclust.credentials names
capitals: false
session_start(): session.save_path, position 0: unknown scheme: write memcached://host:port, redis://host:port or local:///directory, or leave it empty
host: false
session_start(): session.save_path, position 0: this is no node and no directory: write host:port, memcached://host or local:///directory
