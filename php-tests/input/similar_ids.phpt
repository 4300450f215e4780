--TEST--
Ids that look alike are different sessions
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$ids = ['a', 'A', 'aa', 'a-', '-a', 'a,', ',a', 'a-a', 'a,a', '0', '00', '-', ',', str_repeat('a', 255),
    str_repeat('a', 256), str_repeat('A', 256), str_repeat('a', 255) . 'b', 'b' . str_repeat('a', 255)];
foreach ($ids as $id) {
    put($id, ['id' => $id]);
}
foreach ($ids as $id) {
    if (get($id) !== ['id' => $id]) {
        echo "$id has other data\n";
    }
}
var_dump(count(session_files()) === count($ids));
--EXPECT--
bool(true)
