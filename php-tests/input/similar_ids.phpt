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
$long = str_repeat('a', 255);
$ids = [
    ...['a', 'A', 'aa', 'a-', '-a', 'a,', ',a', 'a-a', 'a,a', '0', '00', '-', ','],
    ...[$long, strtoupper($long), $long . 'a', $long . 'b', 'b' . $long],
];
foreach ($ids as $id) {
    put($id, ['id' => $id]);
}
foreach ($ids as $id) {
    if (get($id) !== ['id' => $id]) {
        echo "$id has other data\n";
    }
}
var_dump(count(sessions()) === count($ids));
--EXPECT--
bool(true)
