--TEST--
A plain directory and its local:// URL name the same store
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
$url = 'local://' . store();
foreach ([store(), store() . '/', "$url/", str_replace('-', '%2d', $url)] as $path) {
    ini_set('session.save_path', $path);
    var_dump(get('shop') === ['n' => 1]);
}
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
