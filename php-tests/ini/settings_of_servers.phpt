--TEST--
The settings for servers take their values and refuse others
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// The longest node that can be named, and one byte more.
$host = str_repeat('a', 255);
foreach ([
    'lock' => [['off', '1'], ['maybe']],
    'lock_lease' => [['3s', '60s'], ['2999ms', '61s', '0', '5']],
    'max_waiters' => [['0', '63'], ['64', '-1', '1K', '']],
    'write' => [['delayed', 'Through'], ['off', '', 'through ', "through\0"]],
    'placement' => [['local', 'ring'], ['node']],
    'local_node' => [
        ['', '10.0.0.1:11211', 'memcached://cache', '[::1]:1', '/run/m.sock', "$host:1"],
        ['cache', 'a:1,b:1', '/var/lib', 'cache:0', "a$host:1"],
    ],
    'ring' => [['ketama', 'ketama_weighted'], ['md5', '%n%s']],
    'replicas' => [['1', '5'], ['0', '6', '2x']],
    'on_outage' => [['local', 'fail'], ['files']],
    'connect_timeout' => [['1ms', '1m'], ['0', '61s']],
    'request_timeout' => [['10ms', '1m'], ['9ms', '1h']],
    'probe_interval' => [['100ms', '60s'], ['99ms', '61s']],
    'credentials' => [['/etc/redis', 'env:REDIS', ''], ['* hunter2', 'redis', 'env:', "/a\0"]],
    'redis_wait' => [['0', '10'], ['11', 'all']],
    'tls_ca' => [['/etc/ca.pem', ''], ['ca.pem', "/$host\0"]],
    'tls_certificate' => [['/etc/client.pem'], ['env:CERTIFICATE']],
    'tls_key' => [['/etc/client.key'], ['~/client.key']],
] as $name => [$right, $wrong]) {
    foreach ($right as $value) {
        if (ini_set("sessclust.$name", $value) === false) {
            echo "!! $name takes no $value\n";
        }
    }
    ini_restore("sessclust.$name");
    $before = ini_get("sessclust.$name");
    foreach ($wrong as $value) {
        show("$name = " . json($value), fn () => ini_set("sessclust.$name", $value));
    }
    if (ini_get("sessclust.$name") !== $before) {
        echo "!! $name has changed\n";
    }
}
--EXPECT--
lock = "maybe": false
Warning: ini_set(): sessclust.lock: "maybe" is not a value of it (on or off, such as on)
lock_lease = "2999ms": false
Warning: ini_set(): sessclust.lock_lease: "2999ms" is not a value of it (3s to 1m, such as 5s)
lock_lease = "61s": false
Warning: ini_set(): sessclust.lock_lease: "61s" is not a value of it (3s to 1m, such as 5s)
lock_lease = "0": false
Warning: ini_set(): sessclust.lock_lease: "0" is not a value of it (3s to 1m, such as 5s)
lock_lease = "5": false
Warning: ini_set(): sessclust.lock_lease: "5" is not a value of it (3s to 1m, such as 5s)
max_waiters = "64": false
Warning: ini_set(): sessclust.max_waiters: "64" is not a value of it (0 to 63, such as 32)
max_waiters = "-1": false
Warning: ini_set(): sessclust.max_waiters: "-1" is not a value of it (0 to 63, such as 32)
max_waiters = "1K": false
Warning: ini_set(): sessclust.max_waiters: "1K" is not a value of it (0 to 63, such as 32)
max_waiters = "": false
Warning: ini_set(): sessclust.max_waiters: "" is not a value of it (0 to 63, such as 32)
write = "off": false
Warning: ini_set(): sessclust.write: "off" is not a value of it (through or delayed, such as through)
write = "": false
Warning: ini_set(): sessclust.write: "" is not a value of it (through or delayed, such as through)
write = "through ": false
Warning: ini_set(): sessclust.write: "through " is not a value of it (through or delayed, such as through)
write = "through\u0000": false
Warning: ini_set(): sessclust.write: "through\x00" is not a value of it (through or delayed, such as through)
placement = "node": false
Warning: ini_set(): sessclust.placement: "node" is not a value of it (ring or local, such as ring)
local_node = "cache": false
Warning: ini_set(): sessclust.local_node: "cache" is not a value of it (a node such as 10.0.0.1:11211, or empty)
local_node = "a:1,b:1": false
Warning: ini_set(): sessclust.local_node: "a:1,b:1" is not a value of it (a node such as 10.0.0.1:11211, or empty)
local_node = "/var/lib": false
Warning: ini_set(): sessclust.local_node: "/var/lib" is not a value of it (a node such as 10.0.0.1:11211, or empty)
local_node = "cache:0": false
Warning: ini_set(): sessclust.local_node: "cache:0" is not a value of it (a node such as 10.0.0.1:11211, or empty)
local_node = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1": false
Warning: ini_set(): sessclust.local_node: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..." is not a value of it (a node such as 10.0.0.1:11211, or empty)
ring = "md5": false
Warning: ini_set(): sessclust.ring: "md5" is not a value of it (ketama_weighted or ketama, such as ketama_weighted)
ring = "%n%s": false
Warning: ini_set(): sessclust.ring: "%n%s" is not a value of it (ketama_weighted or ketama, such as ketama_weighted)
replicas = "0": false
Warning: ini_set(): sessclust.replicas: "0" is not a value of it (1 to 5, such as 2)
replicas = "6": false
Warning: ini_set(): sessclust.replicas: "6" is not a value of it (1 to 5, such as 2)
replicas = "2x": false
Warning: ini_set(): sessclust.replicas: "2x" is not a value of it (1 to 5, such as 2)
on_outage = "files": false
Warning: ini_set(): sessclust.on_outage: "files" is not a value of it (fail or local, such as fail)
connect_timeout = "0": false
Warning: ini_set(): sessclust.connect_timeout: "0" is not a value of it (1ms to 1m, such as 200ms)
connect_timeout = "61s": false
Warning: ini_set(): sessclust.connect_timeout: "61s" is not a value of it (1ms to 1m, such as 200ms)
request_timeout = "9ms": false
Warning: ini_set(): sessclust.request_timeout: "9ms" is not a value of it (10ms to 1m, such as 500ms)
request_timeout = "1h": false
Warning: ini_set(): sessclust.request_timeout: "1h" is not a value of it (10ms to 1m, such as 500ms)
probe_interval = "99ms": false
Warning: ini_set(): sessclust.probe_interval: "99ms" is not a value of it (100ms to 1m, such as 1s)
probe_interval = "61s": false
Warning: ini_set(): sessclust.probe_interval: "61s" is not a value of it (100ms to 1m, such as 1s)
credentials = "* hunter2": false
Warning: ini_set(): sessclust.credentials: "..." is not a value of it (the path of a file, env:NAME, or empty)
credentials = "redis": false
Warning: ini_set(): sessclust.credentials: "..." is not a value of it (the path of a file, env:NAME, or empty)
credentials = "env:": false
Warning: ini_set(): sessclust.credentials: "..." is not a value of it (the path of a file, env:NAME, or empty)
credentials = "/a\u0000": false
Warning: ini_set(): sessclust.credentials: "..." is not a value of it (the path of a file, env:NAME, or empty)
redis_wait = "11": false
Warning: ini_set(): sessclust.redis_wait: "11" is not a value of it (0 to 10, such as 0)
redis_wait = "all": false
Warning: ini_set(): sessclust.redis_wait: "all" is not a value of it (0 to 10, such as 0)
tls_ca = "ca.pem": false
Warning: ini_set(): sessclust.tls_ca: "ca.pem" is not a value of it (the path of a file, or empty)
tls_ca = "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u0000": false
Warning: ini_set(): sessclust.tls_ca: "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..." is not a value of it (the path of a file, or empty)
tls_certificate = "env:CERTIFICATE": false
Warning: ini_set(): sessclust.tls_certificate: "env:CERTIFICATE" is not a value of it (the path of a file, or empty)
tls_key = "~/client.key": false
Warning: ini_set(): sessclust.tls_key: "~/client.key" is not a value of it (the path of a file, or empty)
