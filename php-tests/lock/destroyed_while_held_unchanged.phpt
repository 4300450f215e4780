--TEST--
A session that somebody else destroyed is not revived by a touch
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
session_start();
run('
    $handler = new SessionHandler;
    session_set_save_handler($handler, true);
    session_id("admin");
    session_start();
    $handler->destroy("shop");
');
session_write_close();
session_id('shop');
session_start(['use_strict_mode' => '1']);
var_dump(session_id() === 'shop', $_SESSION);
--EXPECT--
bool(false)
array(0) {
}
