--TEST--
A SessionHandler subclass that calls its parent sees every callback
--INI--
session.name=PHPSESSID
session.serialize_handler=php
session.gc_maxlifetime=1440
session.gc_probability=0
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();

class Spy extends SessionHandler
{
    public function open(string $path, string $name): bool
    {
        echo "open ", $path === ini_get('session.save_path') ? 'save_path' : $path, " $name\n";
        return parent::open($path, $name);
    }
    public function close(): bool
    {
        echo "close\n";
        return parent::close();
    }
    public function read(string $id): string|false
    {
        $data = parent::read($id);
        echo "read $id: $data\n";
        return $data;
    }
    public function write(string $id, string $data): bool
    {
        echo "write $id: $data\n";
        return parent::write($id, $data);
    }
    public function destroy(string $id): bool
    {
        echo "destroy $id\n";
        return parent::destroy($id);
    }
    public function gc(int $lifetime): int|false
    {
        $count = parent::gc($lifetime);
        echo "gc $lifetime: $count\n";
        return $count;
    }
    public function create_sid(): string
    {
        $id = parent::create_sid();
        echo "create_sid: ", preg_match('/^[A-Za-z0-9,-]{22,}$/D', $id) ? 'an id' : $id, "\n";
        return $id;
    }
}

var_dump(session_set_save_handler(new Spy, true));
session_id('shop');
var_dump(session_start());
$_SESSION['n'] = 1;
session_write_close();

echo "-- again\n";
session_start();
var_dump(session_gc());
session_destroy();

echo "-- a new id\n";
session_start();
session_abort();
--EXPECTF--
bool(true)
open save_path PHPSESSID
read shop: 
bool(true)
write shop: n|i:1;
close
-- again
open save_path PHPSESSID
read shop: n|i:1;
gc 1440: 0
int(0)
destroy shop
close
-- a new id
open save_path PHPSESSID
create_sid: an id
read %s: 
close
