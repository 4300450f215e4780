--TEST--
sessclust.auto_gc is a switch
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
$name = 'sessclust.auto_gc';
foreach ([
    'on', 'On', '1', 'yes', 'true', true, 'off', '0',
    'no', 'false', false, '',
] as $value) {
    show("'$value'", fn () => [ini_set($name, $value) !== false, ini_get($name)]);
}
echo "-- refused\n";
ini_restore($name);
foreach ([
    'maybe', '2', 'onn', '-1', "on\0",
] as $value) {
    show(json($value), fn () => ini_set($name, $value));
}
var_dump(ini_get($name));
--EXPECT--
'on': [true,"on"]
'On': [true,"On"]
'1': [true,"1"]
'yes': [true,"yes"]
'true': [true,"true"]
'1': [true,"1"]
'off': [true,"off"]
'0': [true,"0"]
'no': [true,"no"]
'false': [true,"false"]
'': [true,""]
'': [true,""]
-- refused
"maybe": false
Warning: ini_set(): sessclust.auto_gc: "maybe" is not a value of it (on or off, such as on)
"2": false
Warning: ini_set(): sessclust.auto_gc: "2" is not a value of it (on or off, such as on)
"onn": false
Warning: ini_set(): sessclust.auto_gc: "onn" is not a value of it (on or off, such as on)
"-1": false
Warning: ini_set(): sessclust.auto_gc: "-1" is not a value of it (on or off, such as on)
"on\u0000": false
Warning: ini_set(): sessclust.auto_gc: "on\x00" is not a value of it (on or off, such as on)
string(2) "on"
