--TEST--
Ids with characters that PHP does not allow are refused when a SessionHandler passes them raw
--INI--
session.serialize_handler=php
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('a', ['secret' => 1]);
$handler = new SessionHandler;
session_set_save_handler($handler, true);
session_id('own');
session_start();
foreach (['empty' => ''] + require __DIR__ . '/ids.inc' as $name => $id) {
    $warnings = [];
    set_error_handler(function (int $level, string $message) use (&$warnings) {
        $warnings[] = $message;
        return true;
    });
    $results = [$handler->read($id), $handler->write($id, 'x|i:1;'), $handler->destroy($id)];
    restore_error_handler();
    $about_id = preg_grep('/: Session ID is too long or contains illegal/', $warnings);
    echo $name, ': ', json($results), ', ', count($warnings), ' warnings, ',
        count($about_id), " about the id\n";
}
$_SESSION['n'] = 1;
session_write_close();
// The own session was neither lost nor exchanged, and nothing was written outside of the store.
var_dump(get('own'), get('a'), count(sessions()), file_exists(dirname(store()) . '/a'));
--EXPECT--
empty: [false,false,false], 3 warnings, 3 about the id
CR: [false,false,false], 3 warnings, 3 about the id
LF: [false,false,false], 3 warnings, 3 about the id
NUL: [false,false,false], 3 warnings, 3 about the id
NUL at the end: [false,false,false], 3 warnings, 3 about the id
space: [false,false,false], 3 warnings, 3 about the id
parent: [false,false,false], 3 warnings, 3 about the id
slash: [false,false,false], 3 warnings, 3 about the id
backslash: [false,false,false], 3 warnings, 3 about the id
dot: [false,false,false], 3 warnings, 3 about the id
quote: [false,false,false], 3 warnings, 3 about the id
format: [false,false,false], 3 warnings, 3 about the id
underscore: [false,false,false], 3 warnings, 3 about the id
UTF-8: [false,false,false], 3 warnings, 3 about the id
not UTF-8: [false,false,false], 3 warnings, 3 about the id
DEL: [false,false,false], 3 warnings, 3 about the id
257 bytes: [false,false,false], 3 warnings, 3 about the id
10 KB: [false,false,false], 3 warnings, 3 about the id
array(1) {
  ["n"]=>
  int(1)
}
array(1) {
  ["secret"]=>
  int(1)
}
int(2)
bool(false)
