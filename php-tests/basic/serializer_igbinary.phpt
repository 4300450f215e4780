--TEST--
A serializer of another extension: session.serialize_handler=igbinary
--EXTENSIONS--
igbinary
--INI--
session.serialize_handler=igbinary
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$data = ['list' => [1, 2.5, null, true], 'bytes' => "\0|\xff"];
put('shop', $data);
var_dump(get('shop') === $data);
--EXPECT--
bool(true)
