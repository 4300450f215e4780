--TEST--
Names, defaults and change mode of the settings
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
foreach (ini_get_all('sessclust') as $name => ['global_value' => $value, 'access' => $access]) {
    echo "$name = $value", $access === INI_ALL ? '' : ' (not everywhere)', "\n";
}
--EXPECT--
sessclust.auto_gc = on
sessclust.connect_timeout = 200ms
sessclust.credentials = 
sessclust.local_node = 
sessclust.lock = on
sessclust.lock_lease = 5s
sessclust.lock_wait = 30s
sessclust.max_size = 64M
sessclust.max_waiters = 32
sessclust.on_outage = fail
sessclust.placement = ring
sessclust.probe_interval = 1s
sessclust.redis_wait = 0
sessclust.replicas = 2
sessclust.request_timeout = 500ms
sessclust.ring = ketama_weighted
sessclust.sync = off
sessclust.tls_ca = 
sessclust.tls_certificate = 
sessclust.tls_key = 
sessclust.write = through
session.sessclust_lock = 
