--TEST--
A session that the serializer cannot encode is written as empty
--INI--
session.serialize_handler=php
--FILE--
<?php
require __DIR__ . '/../config.inc';
// The php serializer has no way to write a | in a name. PHP asks the handler to write "" then.
store();
put('shop', ['n' => 1]);
session_start();
$_SESSION['a|b'] = 1;
session_write_close();
var_dump(get('shop'));
--EXPECT--
array(0) {
}
