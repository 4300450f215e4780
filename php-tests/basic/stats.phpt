--TEST--
sessclust_stats counts what this request cost and what all have done
--INI--
session.serialize_handler=php
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$before = sessclust_stats();
echo implode(' ', array_keys($before)), "\n", implode(' ', array_keys($before['request'])), "\n";
var_dump(array_sum($before['request']));

put('shop', ['n' => 1]);                                    // n|i:1; has 6 bytes
put('shop', ['n' => 12]);
get('shop');
session_id('shop');
session_start();
session_write_close();
session_start();
session_destroy();
echo run('put("child", ["n" => 1]);');

$after = sessclust_stats();
echo "read {$after['request']['read_bytes']}, written {$after['request']['written_bytes']} bytes\n";
foreach ($after['counters'] as $name => $value) {
    if ($value !== $before['counters'][$name] && !str_ends_with($name, '_us')) {
        echo "$name ", $value - $before['counters'][$name], "\n";
    }
}
--EXPECT--
request counters
lock_wait_us read_us write_us read_bytes written_bytes round_trips
int(0)
read 27, written 13 bytes
opens 5
hits 4
commits 2
touches 1
destroys 1
read_bytes 27
written_bytes 13
