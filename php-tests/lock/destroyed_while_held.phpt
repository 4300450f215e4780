--TEST--
A session that somebody else destroyed is not revived by a late write
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// A SessionHandler can destroy a session without opening it, as "log out everywhere" does. PHP's
// files handler then lets the holder write into the removed file without a word.
store();
put('shop', ['n' => 1]);
session_start();
echo run('
    $handler = new SessionHandler;
    session_set_save_handler($handler, true);
    session_id("admin");
    session_start();
    var_dump($handler->destroy("shop"));
');
$_SESSION['n'] = 2;
var_dump(session_write_close());
var_dump(get('shop'));
--EXPECTF--
bool(true)

Warning: session_write_close(): session %x was destroyed by another request, not saved in %s on line %d

Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (%s) in %s on line %d
bool(true)
array(0) {
}
