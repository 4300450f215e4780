--TEST--
A symbolic link as the directory of the save path is followed
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
mkdir(store() . '/disk', 0700);
symlink(store() . '/disk', store() . '/link');
ini_set('session.save_path', save_path(store() . '/link'));
put('shop', ['n' => 1]);
var_dump(get('shop'), count(session_files(store() . '/disk')));
--EXPECT--
array(1) {
  ["n"]=>
  int(1)
}
int(1)
