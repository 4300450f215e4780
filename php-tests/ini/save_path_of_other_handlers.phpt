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
php-memcached, prefix: false
session_start(): session.save_path, position 0: PERSISTENT= of php-memcached is not used, for connections are always kept: leave it out
php-memcached, options: false
session_start(): session.save_path, position 0: options of libmemcached (--SERVER=) are not used: write memcached://host:port
password: false
session_start(): session.save_path, position 12: user and password are not supported by this version; nor do they belong here, for PHP shows the save path in its warnings
password in a list: false
session_start(): session.save_path, position 15: user and password are not supported by this version; nor do they belong here, for PHP shows the save path in its warnings
password in place of a port: false
session_start(): session.save_path, position 8: behind the host comes a colon and a port from 1 to 65535
password as a parameter: false
session_start(): session.save_path, position 21: unknown parameter auth: a node takes ?weight=N and no other
password in place of one: false
session_start(): session.save_path, position 21: unknown parameter: a node takes ?weight=N and no other
redis in a list: false
session_start(): session.save_path, position 21: servers (redis://) are not supported by this version: write memcached://host:port, memcached+unix:///socket or local:///directory, or leave it empty
pecl-memcache: false
session_start(): session.save_path, position 0: servers (tcp://) are not supported by this version: write memcached://host:port, memcached+unix:///socket or local:///directory, or leave it empty
phpredis: false
session_start(): session.save_path, position 0: servers (tcp://) are not supported by this version: write memcached://host:port, memcached+unix:///socket or local:///directory, or leave it empty
phpredis, user: false
session_start(): session.save_path, position 0: servers (tcp://) are not supported by this version: write memcached://host:port, memcached+unix:///socket or local:///directory, or leave it empty
phpredis, socket: false
session_start(): session.save_path, position 0: servers (unix://) are not supported by this version: write memcached://host:port, memcached+unix:///socket or local:///directory, or leave it empty
redis: false
session_start(): session.save_path, position 0: servers (redis://) are not supported by this version: write memcached://host:port, memcached+unix:///socket or local:///directory, or leave it empty
redis cluster: false
session_start(): session.save_path, position 4: a host has letters, digits, ., - and _ only: write memcached://host:port
rediss: false
session_start(): session.save_path, position 0: servers (rediss://) are not supported by this version: write memcached://host:port, memcached+unix:///socket or local:///directory, or leave it empty
host: false
session_start(): session.save_path, position 0: this is no node and no directory: write host:port, memcached://host or local:///directory
