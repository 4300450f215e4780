--TEST--
A SessionHandler subclass can wrap the stored data
--INI--
session.serialize_handler=php
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();

/** What the PHP manual suggests for encryption, with a cipher short enough for a test. */
class Encrypting extends SessionHandler
{
    public function read(string $id): string|false
    {
        return strrev(base64_decode(parent::read($id)));
    }
    public function write(string $id, string $data): bool
    {
        return parent::write($id, base64_encode(strrev($data)));
    }
}

session_set_save_handler(new Encrypting, true);
put('shop', ['secret' => 'word']);
var_dump(get('shop'));
$stored = stored(only(sessions()));
var_dump(str_contains($stored, 'secret'));
var_dump(str_contains($stored, base64_encode(strrev('secret|s:4:"word";'))));
--EXPECT--
array(1) {
  ["secret"]=>
  string(4) "word"
}
bool(false)
bool(true)
