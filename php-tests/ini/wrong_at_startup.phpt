--TEST--
A wrong value in php.ini is one warning that names it, and the default stays
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
$wrong = [
    'lock_wait' => '10 parsecs', 'max_size' => '1T', 'sync' => 'maybe', 'auto_gc' => '2',
    'lock_lease' => '2s', 'max_waiters' => '64', 'write' => 'back', 'local_node' => 'cache',
    'replicas' => '6', 'on_outage' => 'ignore', 'probe_interval' => '1', 'redis_wait' => '11',
    'credentials' => 'shop hunter2', 'tls_ca' => 'ca.pem',
];
foreach ($wrong as $name => $value) {
    echo run("var_dump(ini_get('sessclust.$name'));", ["sessclust.$name" => $value]);
}
--EXPECTF--
Warning: PHP Startup: sessclust.lock_wait: "10 parsecs" is not a value of it (0 to 1h, such as 30s) in %s on line %d
string(3) "30s"

Warning: PHP Startup: sessclust.max_size: "1T" is not a value of it (1K to 1G, such as 64M) in %s on line %d
string(3) "64M"

Warning: PHP Startup: sessclust.sync: "maybe" is not a value of it (on or off, such as off) in %s on line %d
string(3) "off"

Warning: PHP Startup: sessclust.auto_gc: "2" is not a value of it (on or off, such as on) in %s on line %d
string(2) "on"

Warning: PHP Startup: sessclust.lock_lease: "2s" is not a value of it (3s to 1m, such as 5s) in %s on line %d
string(2) "5s"

Warning: PHP Startup: sessclust.max_waiters: "64" is not a value of it (0 to 63, such as 32) in %s on line %d
string(2) "32"

Warning: PHP Startup: sessclust.write: "back" is not a value of it (through or delayed, such as through) in %s on line %d
string(7) "through"

Warning: PHP Startup: sessclust.local_node: "cache" is not a value of it (a node such as 10.0.0.1:11211, or empty) in %s on line %d
string(0) ""

Warning: PHP Startup: sessclust.replicas: "6" is not a value of it (1 to 5, such as 2) in %s on line %d
string(1) "2"

Warning: PHP Startup: sessclust.on_outage: "ignore" is not a value of it (fail or local, such as fail) in %s on line %d
string(4) "fail"

Warning: PHP Startup: sessclust.probe_interval: "1" is not a value of it (100ms to 1m, such as 1s) in %s on line %d
string(2) "1s"

Warning: PHP Startup: sessclust.redis_wait: "11" is not a value of it (0 to 10, such as 0) in %s on line %d
string(1) "0"

Warning: PHP Startup: sessclust.credentials: "..." is not a value of it (the path of a file, env:NAME, or empty) in %s on line %d
string(0) ""

Warning: PHP Startup: sessclust.tls_ca: "ca.pem" is not a value of it (the path of a file, or empty) in %s on line %d
string(0) ""
