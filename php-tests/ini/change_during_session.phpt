--TEST--
A session in use keeps the values it was started with
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
session_id('shop');
session_start();
ini_set('sessclust.max_size', '1K');
$_SESSION['x'] = str_repeat('x', 2000);
show('this session', fn () => session_write_close());
show('the next', function () {
    session_start();
    $_SESSION['x'] .= 'y';
    return session_write_close();
});
var_dump(strlen(get('shop')['x']));
--EXPECT--
this session: true
the next: true
Warning: session_write_close(): session a3956e79 has 2013 bytes, more than the 1024 that sessclust.max_size allows, not saved
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (PATH)
int(2000)
