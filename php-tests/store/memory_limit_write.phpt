--TEST--
A session that memory_limit kept from being read is not overwritten at the end of the script
--INI--
memory_limit=256M
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['x' => str_repeat('x', 20_000_000)]);
echo run('
    session_set_save_handler(new SessionHandler, true);
    register_shutdown_function(function () {
        $_SESSION = ["lost" => true];
        session_write_close();
    });
    session_id("shop");
    session_start();
    echo "not reached";
', ['memory_limit' => '16M']);
var_dump(strlen(get('shop')['x'] ?? ''));
--EXPECTF--
Fatal error: Allowed memory size of %d bytes exhausted%S(tried to allocate %d bytes) in %s on line %d
%Aint(20000000)
