--TEST--
A session that is too large for memory_limit is not lost
--INI--
memory_limit=256M
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['x' => str_repeat('x', 20_000_000)]);
// The read ends the script with a fatal error, and then PHP still closes the session.
echo run('session_id("shop"); session_start(); echo "not reached";', ['memory_limit' => '16M']);
// The same with a handler that would go on and write.
echo run('
    session_set_save_handler(new SessionHandler, true);
    register_shutdown_function(function () { $_SESSION = ["lost" => true]; session_write_close(); });
    session_id("shop");
    session_start();
    echo "not reached";
', ['memory_limit' => '16M']);
var_dump(strlen(get('shop')['x']));
--EXPECTF--
%AFatal error: Allowed memory size of 16777216 bytes exhausted%A
int(20000000)
