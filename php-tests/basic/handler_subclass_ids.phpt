--TEST--
A SessionHandler subclass can make, check and refresh ids itself
--INI--
session.serialize_handler=php
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();

class OwnIds extends SessionHandler implements SessionUpdateTimestampHandlerInterface
{
    public function create_sid(): string
    {
        return 'own-' . parent::create_sid();
    }
    public function validateId(string $id): bool
    {
        echo "validateId $id\n";
        return str_starts_with($id, 'own-');
    }
    public function updateTimestamp(string $id, string $data): bool
    {
        echo "updateTimestamp $id: $data\n";
        return true;
    }
}

session_set_save_handler(new OwnIds, true);
ini_set('session.use_strict_mode', '1');

session_id('own-1');
session_start();
var_dump(session_id());
$_SESSION['n'] = 1;
session_write_close();
session_start();
session_write_close();

session_id('foreign');
session_start();
var_dump(str_starts_with(session_id(), 'own-'));
session_abort();
--EXPECT--
validateId own-1
string(5) "own-1"
validateId own-1
updateTimestamp own-1: n|i:1;
validateId foreign
bool(true)
