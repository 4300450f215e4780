--TEST--
Data that the serializer cannot decode destroys the session, as PHP documents
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
ini_set('session.serialize_handler', 'php_serialize');
session_id('shop');
// The stored text "n|i:1;" is the php serializer's and nothing that unserialize() understands.
session_start();
var_dump($_SESSION, sessions());
--EXPECTF--
Warning: session_start(): Failed to decode session object. Session has been destroyed in %s on line %d
array(0) {
}
array(0) {
}
