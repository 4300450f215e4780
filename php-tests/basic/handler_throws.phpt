--TEST--
An exception out of a SessionHandler subclass keeps the session locked no longer than the request
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
echo run('
    class Throws extends SessionHandler
    {
        public function read(string $id): string|false
        {
            parent::read($id);
            throw new RuntimeException("from read");
        }
    }
    session_set_save_handler(new Throws, true);
    session_id("shop");
    try {
        session_start();
    } catch (RuntimeException $e) {
        echo $e->getMessage(), "\n";
    }
');
var_dump(get('shop'));
--EXPECT--
from read
array(1) {
  ["n"]=>
  int(1)
}
