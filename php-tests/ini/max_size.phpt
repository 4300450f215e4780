--TEST--
sessclust.max_size is a size from 1K to 1G
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
$name = 'sessclust.max_size';
foreach ([
    '1K', '1k', '1024', '64M', '1024M', '1G', '1073741824',
] as $value) {
    show("'$value'", fn () => [ini_set($name, $value) !== false, ini_get($name)]);
}
echo "-- refused\n";
ini_restore($name);
foreach ([
    '', '0', '-1', '1023', '1025M', '2G', '1T', '64MB',
    '64 megabytes', 'M', '99999999999999999999G', "64M\0", "%n%s",
] as $value) {
    show(json($value), fn () => ini_set($name, $value));
}
var_dump(ini_get($name));
--EXPECT--
'1K': [true,"1K"]
'1k': [true,"1k"]
'1024': [true,"1024"]
'64M': [true,"64M"]
'1024M': [true,"1024M"]
'1G': [true,"1G"]
'1073741824': [true,"1073741824"]
-- refused
"": false
Warning: ini_set(): sessclust.max_size: "" is not a value of it (1K to 1G, such as 64M)
"0": false
Warning: ini_set(): sessclust.max_size: "0" is not a value of it (1K to 1G, such as 64M)
"-1": false
Warning: ini_set(): sessclust.max_size: "-1" is not a value of it (1K to 1G, such as 64M)
"1023": false
Warning: ini_set(): sessclust.max_size: "1023" is not a value of it (1K to 1G, such as 64M)
"1025M": false
Warning: ini_set(): sessclust.max_size: "1025M" is not a value of it (1K to 1G, such as 64M)
"2G": false
Warning: ini_set(): sessclust.max_size: "2G" is not a value of it (1K to 1G, such as 64M)
"1T": false
Warning: ini_set(): sessclust.max_size: "1T" is not a value of it (1K to 1G, such as 64M)
"64MB": false
Warning: ini_set(): sessclust.max_size: "64MB" is not a value of it (1K to 1G, such as 64M)
"64 megabytes": false
Warning: ini_set(): sessclust.max_size: "64 megabytes" is not a value of it (1K to 1G, such as 64M)
"M": false
Warning: ini_set(): sessclust.max_size: "M" is not a value of it (1K to 1G, such as 64M)
"99999999999999999999G": false
Warning: ini_set(): sessclust.max_size: "99999999999999999999G" is not a value of it (1K to 1G, such as 64M)
"64M\u0000": false
Warning: ini_set(): sessclust.max_size: "64M\x00" is not a value of it (1K to 1G, such as 64M)
"%n%s": false
Warning: ini_set(): sessclust.max_size: "%n%s" is not a value of it (1K to 1G, such as 64M)
string(3) "64M"
