--TEST--
A SessionHandler subclass may open its parent twice
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();

class OpensTwice extends SessionHandler
{
    public function open(string $path, string $name): bool
    {
        return parent::open($path, $name) && parent::open($path, $name);
    }
}

session_set_save_handler(new OpensTwice, true);
put('shop', ['n' => 1]);
var_dump(get('shop'));
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
