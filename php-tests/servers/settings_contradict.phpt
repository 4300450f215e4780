--TEST--
Settings that contradict each other or the save path are one warning
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
function started(array $settings): void
{
    show(json($settings), function () use ($settings) {
        foreach ($settings as $name => $value) {
            ini_set("sessclust.$name", $value);
        }
        return session_start();
    });
    foreach (['lock_lease', 'request_timeout', 'placement', 'local_node'] as $name) {
        ini_restore("sessclust.$name");
    }
}
started(['lock_lease' => '3s', 'request_timeout' => '1s']);
started(['lock_lease' => '3s', 'request_timeout' => '1001ms']);
started(['placement' => 'local', 'local_node' => 'cache:1']);
started(['local_node' => 'cache:1']);
--EXPECT--
{"lock_lease":"3s","request_timeout":"1s"}: false
Warning: session_start(): sessclust.lock_lease = 3s is too short for sessclust.request_timeout = 1s: it has to be longer than 1s + 2 x 1s = 3s
Warning: session_start(): Failed to initialize storage module: sessclust (path: PATH)
{"lock_lease":"3s","request_timeout":"1001ms"}: false
Warning: session_start(): sessclust.lock_lease = 3s is too short for sessclust.request_timeout = 1001ms: it has to be longer than 1s + 2 x 1001ms = 3002ms
Warning: session_start(): Failed to initialize storage module: sessclust (path: PATH)
{"placement":"local","local_node":"cache:1"}: false
Warning: session_start(): sessclust.local_node: cache:1 is no node of session.save_path
Warning: session_start(): Failed to initialize storage module: sessclust (path: PATH)
{"local_node":"cache:1"}: true
