--TEST--
The methods of SessionHandler outside of a session throw
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$handler = new SessionHandler;
session_set_save_handler($handler, true);
foreach ([['open', '', 'x'], ['read', 'a'], ['write', 'a', 'b'], ['destroy', 'a'], ['gc', 1], ['create_sid'], ['close']] as $call) {
    try {
        var_dump($handler->{array_shift($call)}(...$call));
    } catch (Error $e) {
        echo $e->getMessage(), "\n";
    }
}
--EXPECT--
Session is not active
Session is not active
Session is not active
Session is not active
Session is not active
Session is not active
Session is not active
