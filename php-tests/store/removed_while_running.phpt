--TEST--
A store that was removed while PHP was running is made again
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
remove_tree(dirname(session_file(), 2));
show('start', fn () => get('shop'));
show('write', fn () => put('shop', ['n' => 2]));
show('start', fn () => get('shop'));
--EXPECT--
start: []
write: null
start: {"n":2}
