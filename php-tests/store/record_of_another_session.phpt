--TEST--
A copy of another session's file is never handed out
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('victim', ['secret' => 1]);
$victim = session_file();
put('thief', ['n' => 1]);
[$thief] = array_values(array_diff(session_files(), [$victim]));
copy($victim, $thief);
show('copied', fn () => get('thief'));
// After the warning the session is a new one and works.
show('rewritten', fn () => put('thief', ['n' => 2]));
show('next', fn () => get('thief'));
show('victim', fn () => get('victim'));
--EXPECT--
copied: []
Warning: session_start(): data of session eab385c3 is damaged (belongs to another session), starting anew
rewritten: null
Warning: session_start(): data of session eab385c3 is damaged (belongs to another session), starting anew
next: {"n":2}
victim: {"secret":1}
