--TEST--
The methods of SessionHandler outside of a session throw
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$handler = new SessionHandler;
session_set_save_handler($handler, true);
$calls = [
    'open' => ['', 'x'],
    'read' => ['a'],
    'write' => ['a', 'b'],
    'destroy' => ['a'],
    'gc' => [1],
    'create_sid' => [],
    'close' => [],
];
foreach ($calls as $name => $arguments) {
    try {
        var_dump($handler->$name(...$arguments));
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
