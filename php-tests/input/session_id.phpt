--TEST--
Ids with characters that PHP does not allow open no session, set with session_id()
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// PHP itself drops ids with white space, quotes, < and >, and makes a new one. All other ids reach
// the handler, which refuses them. PHP's files handler reads "a\0b" as "a".
store();
put('a', ['secret' => 1]);
function open(string $id): string
{
    session_id($id);
    $opened = session_start() ? (session_id() === $id ? 'opened' : 'new id') : 'refused';
    if ($_SESSION !== []) {
        $opened .= ' with data of another session';
    }
    session_abort();
    return $opened;
}
foreach (require __DIR__ . '/ids.inc' as $name => $id) {
    show($name, fn () => open($id));
}
--EXPECT--
CR: "new id"
LF: "new id"
NUL: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
NUL at the end: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
space: "new id"
parent: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
slash: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
backslash: "new id"
dot: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
quote: "new id"
format: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
underscore: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
UTF-8: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
not UTF-8: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
DEL: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
257 bytes: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
10 KB: "refused"
Warning: session_start(): Session ID is too long or contains illegal characters. Only the A-Z, a-z, 0-9, "-", and "," characters are allowed
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
