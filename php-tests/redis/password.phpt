--TEST--
A server that asks for a password is a warning that names sessclust.credentials, and shows none
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_redis();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1, '--requirepass hunter2');
store();
session_id('shop');
show('no file', fn () => session_start());
$lines = ['', '* wrong-one', '* nobody hunter2', '/other hunter2', "$node->socket hunter2"];
foreach ($lines as $number => $line) {
    $file = store() . "/credentials$number";
    file_put_contents($file, "# who, user and password\n$line\n");
    chmod($file, 0600);
    ini_set('sessclust.credentials', $file);
    session_id('shop');
    show(masked($line), fn () => session_start());
    session_abort();
}
ob_start();
phpinfo();
var_dump(strpos(ob_get_clean(), 'hunter2'));
--EXPECTF--
no file: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: NOAUTH %s (it asks for a password: sessclust.credentials)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: NOAUTH %s (it asks for a password: sessclust.credentials)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
* wrong-one: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: WRONGPASS %s (it does not know this user and password: sessclust.credentials)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
* nobody hunter2: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: WRONGPASS %s (it does not know this user and password: sessclust.credentials)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
/other hunter2: false
Warning: session_start(): session %x cannot be opened: cannot connect to STORE/m1: NOAUTH %s (it asks for a password: sessclust.credentials)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
STORE/m1 hunter2: true
bool(false)
