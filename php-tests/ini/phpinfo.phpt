--TEST--
phpinfo shows version, store, settings in effect and counters
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('sessclust.lock_wait', '2m');
@ini_set('sessclust.lock_wait', 'wrong');
put('shop', ['n' => 1]);
ob_start();
phpinfo(INFO_MODULES);
preg_match('/^sessclust\n\n(.*?)\n\n(?=\w[\w .]*\n\n)/ms', ob_get_clean(), $section);
echo masked($section[1]), "\n";
--EXPECTF--
sessclust support => enabled
Version => 0.1.0
Stores => embedded (local://), memcached (memcached://, memcached+unix://), Redis and Valkey (redis://, rediss://, redis+unix://, redis+sentinel://, redis+cluster://)
Directory of this user's sessions => STORE/uUID

Setting => In effect => Range
sessclust.lock_wait => 120s => 0 to 1h
sessclust.max_size => 67108864 bytes => 1K to 1G
sessclust.sync => off => on or off
sessclust.auto_gc => on => on or off
sessclust.lock => on => on or off
sessclust.lock_lease => 5s => 3s to 1m
sessclust.max_waiters => 32 => 0 to 63
sessclust.write => through => through or delayed
sessclust.placement => ring => ring or local
sessclust.local_node => none => a node such as 10.0.0.1:11211, or empty
sessclust.ring => ketama_weighted => ketama_weighted or ketama
sessclust.replicas => 2 => 1 to 5
sessclust.on_outage => fail => fail or local
sessclust.connect_timeout => 200ms => 1ms to 1m
sessclust.request_timeout => 500ms => 10ms to 1m
sessclust.probe_interval => 1s => 100ms to 1m
sessclust.credentials => none => the path of a file, env:NAME, or empty
sessclust.redis_wait => 0 => 0 to 10
sessclust.tls_ca => none => the path of a file, or empty
sessclust.tls_certificate => none => the path of a file, or empty
sessclust.tls_key => none => the path of a file, or empty

Counter => Value => Counts, for all processes of this server
opens => 1 => sessions read
hits => 0 => of these, sessions that had data
waits => 0 => sessions that another request held first
wait_us => 0 => microseconds spent waiting for them
lock_failures => 0 => sessions not obtained within sessclust.lock_wait
commits => 1 => sessions written
touches => 0 => sessions unchanged, marked as used
destroys => 0 => sessions destroyed
read_bytes => 0 => bytes of session data read
written_bytes => 6 => bytes of session data written
recovered => 0 => sessions read from the version before, the newest being torn
damaged => 0 => sessions lost because their record failed its checks
swept => 0 => ended sessions removed
sweep_errors => 0 => automatic removals that failed
connect_failures => 0 => nodes that could not be connected to
reconnects => 0 => connections that a node had closed while they were idle
timeouts => 0 => answers that did not come within sessclust.request_timeout
broken_connections => 0 => connections that were cut, or closed after nonsense
nodes_down => 0 => times that a node was found not to answer, for all of this machine
failovers => 0 => nodes replaced by the next one while a request went on
repairs => 0 => copies brought up to date
server_errors => 0 => sessions that a node could not store
renewals => 0 => locks renewed while a request went on
takeovers => 0 => locks taken from processes of this machine that had died
delayed_failures => 0 => delayed writes that were not saved, or nobody knows
outages => 0 => times that no node answered and sessions were kept on this machine
local_sessions => 0 => sessions read on this machine, as no node answered
local_moved => 0 => sessions of an outage moved to nodes that were back
local_dropped => 0 => sessions of an outage given up for what the nodes had
warnings => 1 => warnings raised
panics => 0 => internal errors caught, each worth a bug report

Directive => Local Value => Master Value
sessclust.auto_gc => on => on
sessclust.connect_timeout => 200ms => 200ms
sessclust.credentials => no value => no value
sessclust.local_node => no value => no value
sessclust.lock => on => on
sessclust.lock_lease => 5s => 5s
sessclust.lock_wait => 2m => 30s
sessclust.max_size => 64M => 64M
sessclust.max_waiters => 32 => 32
sessclust.on_outage => fail => fail
sessclust.placement => ring => ring
sessclust.probe_interval => 1s => 1s
sessclust.redis_wait => 0 => 0
sessclust.replicas => 2 => 2
sessclust.request_timeout => 500ms => 500ms
sessclust.ring => ketama_weighted => ketama_weighted
sessclust.sync => off => off
sessclust.tls_ca => no value => no value
sessclust.tls_certificate => no value => no value
sessclust.tls_key => no value => no value
sessclust.write => through => through
session.sessclust_lock => no value => no value
