--TEST--
sessclust.sync is a switch
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
$name = 'sessclust.sync';
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
Warning: ini_set(): sessclust.sync: "maybe" is not a value of it (on or off, such as off)
"2": false
Warning: ini_set(): sessclust.sync: "2" is not a value of it (on or off, such as off)
"onn": false
Warning: ini_set(): sessclust.sync: "onn" is not a value of it (on or off, such as off)
"-1": false
Warning: ini_set(): sessclust.sync: "-1" is not a value of it (on or off, such as off)
"on\u0000": false
Warning: ini_set(): sessclust.sync: "on\x00" is not a value of it (on or off, such as off)
string(3) "off"
