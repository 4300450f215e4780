--TEST--
A session that is too large for memory_limit to be read is not lost
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
// PHP ends the script with a fatal error, and from 8.2.35 on destroys the session before that, as it
// does with data that it cannot decode. The files handler loses it then.
store();
put('shop', ['x' => str_repeat('x', 20_000_000)]);
echo run('session_id("shop"); session_start(); echo "not reached";', ['memory_limit' => '16M']);
var_dump(strlen(get('shop')['x'] ?? ''));
--EXPECTF--
Fatal error: Allowed memory size of %d bytes exhausted%S(tried to allocate %d bytes) in %s on line %d
int(20000000)
