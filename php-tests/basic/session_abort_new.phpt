--TEST--
session_abort of a new session leaves nothing that strict mode would know
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// PHP's files handler leaves an empty file here, which strict mode then takes for a session.
store();
session_id('new');
session_start();
$_SESSION['n'] = 1;
session_abort();
session_id('new');
session_start(['use_strict_mode' => '1']);
var_dump(session_id() === 'new', $_SESSION);
--EXPECT--
bool(false)
array(0) {
}
