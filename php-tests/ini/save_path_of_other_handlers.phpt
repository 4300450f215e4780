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
    'php-memcached' => '10.0.0.1:11211,10.0.0.2:11211',
    'php-memcached, options' => '--SERVER=10.0.0.1:11211 --SERVER=10.0.0.2',
    'memcached' => 'memcached://10.0.0.1:11211',
    'pecl-memcache' => 'tcp://10.0.0.1:11211?persistent=1&weight=2',
    'phpredis' => 'tcp://10.0.0.1:6379?auth=hunter2',
    'phpredis, user' => 'tcp://10.0.0.1:6379?auth[]=shop&auth[]=hunter2',
    'phpredis, socket' => 'unix:///run/redis.sock?auth=hunter2',
    'redis' => 'redis://shop:hunter2@10.0.0.1:6379/0',
    'redis cluster' => 'seed[]=10.0.0.1:7000&auth=hunter2',
    'rediss' => 'rediss://10.0.0.1',
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
php-memcached: false
session_start(): session.save_path, position 0: a list of servers (host:port) is not supported by this version, which has the embedded store only: leave it empty or write local:///directory
php-memcached, options: false
session_start(): session.save_path, position 0: a list of servers (host:port) is not supported by this version, which has the embedded store only: leave it empty or write local:///directory
memcached: false
session_start(): session.save_path, position 0: servers (memcached://) are not supported by this version, which has the embedded store only: leave it empty or write local:///directory
pecl-memcache: false
session_start(): session.save_path, position 0: servers (tcp://) are not supported by this version, which has the embedded store only: leave it empty or write local:///directory
phpredis: false
session_start(): session.save_path, position 0: servers (tcp://) are not supported by this version, which has the embedded store only: leave it empty or write local:///directory
phpredis, user: false
session_start(): session.save_path, position 0: servers (tcp://) are not supported by this version, which has the embedded store only: leave it empty or write local:///directory
phpredis, socket: false
session_start(): session.save_path, position 0: servers (unix://) are not supported by this version, which has the embedded store only: leave it empty or write local:///directory
redis: false
session_start(): session.save_path, position 0: servers (redis://) are not supported by this version, which has the embedded store only: leave it empty or write local:///directory
redis cluster: false
session_start(): session.save_path, position 0: a list of servers (host:port) is not supported by this version, which has the embedded store only: leave it empty or write local:///directory
rediss: false
session_start(): session.save_path, position 0: servers (rediss://) are not supported by this version, which has the embedded store only: leave it empty or write local:///directory
host: false
session_start(): session.save_path, position 0: a relative directory would depend on where PHP was started: write local:///directory with an absolute one
