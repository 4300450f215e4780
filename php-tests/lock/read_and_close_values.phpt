--TEST--
read_and_close waits for nobody exactly when PHP takes its value for true
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// In doubt it locks, which is always right: the session is closed at once all the same.
store();
put('shop', ['n' => 1]);
$holder = hold('shop');
ini_set('sessclust.lock_wait', '0');
foreach ([true, 1, '1', '001', 2, false, 0, '0', '', 'x'] as $value) {
    session_id('shop');
    echo json_encode($value), ': ', json_encode(@session_start(['read_and_close' => $value])), "\n";
    session_abort();
}
--EXPECT--
true: true
1: true
"1": true
"001": true
2: true
false: false
0: false
"0": false
"": false
"x": false
