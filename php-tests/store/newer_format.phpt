--TEST--
A file of a later version of sessclust is neither read nor overwritten
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$bytes = file_get_contents(session_file());
// The format's number and the header's sum, see src/engine/session/record.rs.
$bytes[4] = "\2";
$bytes = substr_replace($bytes, strrev(hash('xxh3', substr($bytes, 0, 72), true)), 72, 8);
file_put_contents(session_file(), $bytes);
show('read', fn () => get('shop'));
show('read_and_close', function () {
    session_id('shop');
    return session_start(['read_and_close' => true]);
});
$handler = new SessionHandler;
session_set_save_handler($handler, true);
session_id('own');
session_start();
show('write', fn () => $handler->write('shop', 'n|i:2;'));
session_abort();
foreach (session_files() as $file) {
    var_dump(strlen(file_get_contents($file)) === 0 || file_get_contents($file) === $bytes);
}
--EXPECT--
read: false
Warning: session_start(): STORE/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400 is in format 2 of a later version
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
read_and_close: false
Warning: session_start(): STORE/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400 is in format 2 of a later version
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
write: false
Warning: SessionHandler::write(): STORE/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400 is in format 2 of a later version
bool(true)
bool(true)
