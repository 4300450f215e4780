--TEST--
A symbolic link to a directory within the store is followed: only its owner can put one there
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
$shard = dirname(session_file());
rename($shard, store() . '/disk');
symlink(store() . '/disk', $shard);
show('read', fn () => get('shop'));
show('write', fn () => put('shop', ['n' => 2]));
show('read', fn () => get('shop'));
--EXPECT--
read: {"n":1}
write: null
read: {"n":2}
