--TEST--
A SessionHandler can write its session twice, and another one in between
--INI--
session.serialize_handler=php
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
class Twice extends SessionHandler
{
    public function write(string $id, string $data): bool
    {
        $results = [parent::write($id, 'first|b:1;'), parent::write('audit', 'at|i:1;')];
        echo json([...$results, parent::write($id, $data)]), "\n";
        return true;
    }
}
session_set_save_handler(new Twice, true);
put('shop', ['n' => 1]);
put('shop', ['n' => 2]);
var_dump(get('shop') === ['n' => 2], get('audit') === ['at' => 1], locked());
--EXPECT--
[true,true,true]
[true,true,true]
bool(true)
bool(true)
NULL
