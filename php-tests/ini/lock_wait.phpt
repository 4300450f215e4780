--TEST--
sessclust.lock_wait is a time with a unit, up to an hour
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
$name = 'sessclust.lock_wait';
foreach ([
    '0', '0s', '1ms', '250ms', '10s', '2m', '1h', '3600s',
    '3600000ms', '10 s',
] as $value) {
    show("'$value'", fn () => [ini_set($name, $value) !== false, ini_get($name)]);
}
echo "-- refused\n";
ini_restore($name);
foreach ([
    '', '-1s', '30', '1.5s', '61m', '3600001ms', '2h', '10 parsecs',
    'soon', '10S', 's', '99999999999999999999s', "10s\0", "%n%s", "\xff",
] as $value) {
    show(json($value), fn () => ini_set($name, $value));
}
var_dump(ini_get($name));
--EXPECT--
'0': [true,"0"]
'0s': [true,"0s"]
'1ms': [true,"1ms"]
'250ms': [true,"250ms"]
'10s': [true,"10s"]
'2m': [true,"2m"]
'1h': [true,"1h"]
'3600s': [true,"3600s"]
'3600000ms': [true,"3600000ms"]
'10 s': [true,"10 s"]
-- refused
"": false
Warning: ini_set(): sessclust.lock_wait: "" is not a value of it (0 to 1h, such as 30s)
"-1s": false
Warning: ini_set(): sessclust.lock_wait: "-1s" is not a value of it (0 to 1h, such as 30s)
"30": false
Warning: ini_set(): sessclust.lock_wait: "30" is not a value of it (0 to 1h, such as 30s)
"1.5s": false
Warning: ini_set(): sessclust.lock_wait: "1.5s" is not a value of it (0 to 1h, such as 30s)
"61m": false
Warning: ini_set(): sessclust.lock_wait: "61m" is not a value of it (0 to 1h, such as 30s)
"3600001ms": false
Warning: ini_set(): sessclust.lock_wait: "3600001ms" is not a value of it (0 to 1h, such as 30s)
"2h": false
Warning: ini_set(): sessclust.lock_wait: "2h" is not a value of it (0 to 1h, such as 30s)
"10 parsecs": false
Warning: ini_set(): sessclust.lock_wait: "10 parsecs" is not a value of it (0 to 1h, such as 30s)
"soon": false
Warning: ini_set(): sessclust.lock_wait: "soon" is not a value of it (0 to 1h, such as 30s)
"10S": false
Warning: ini_set(): sessclust.lock_wait: "10S" is not a value of it (0 to 1h, such as 30s)
"s": false
Warning: ini_set(): sessclust.lock_wait: "s" is not a value of it (0 to 1h, such as 30s)
"99999999999999999999s": false
Warning: ini_set(): sessclust.lock_wait: "99999999999999999999s" is not a value of it (0 to 1h, such as 30s)
"10s\u0000": false
Warning: ini_set(): sessclust.lock_wait: "10s\x00" is not a value of it (0 to 1h, such as 30s)
"%n%s": false
Warning: ini_set(): sessclust.lock_wait: "%n%s" is not a value of it (0 to 1h, such as 30s)
"\ufffd": false
Warning: ini_set(): sessclust.lock_wait: "\xff" is not a value of it (0 to 1h, such as 30s)
string(3) "30s"
