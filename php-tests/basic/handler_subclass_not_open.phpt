--TEST--
A SessionHandler subclass that does not open its parent gets warnings and no crash
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();

class NeverOpens extends SessionHandler
{
    public function open(string $path, string $name): bool
    {
        return true;
    }
}

session_set_save_handler(new NeverOpens, true);
session_id('shop');
var_dump(session_start());
--EXPECTF--
Warning: SessionHandler::read(): Parent session handler is not open in %s on line %d

Warning: SessionHandler::close(): Parent session handler is not open in %s on line %d

Warning: session_start(): Failed to read session data: user (path: %s) in %s on line %d
bool(false)
