--TEST--
Directories with spaces, commas, % and bytes beyond ASCII can be named
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$names = [
    'a b' => 'a%20b',
    'a,b' => 'a%2Cb',
    'a%41b' => 'a%2541b',
    "\u{e4}\u{ff5e}" => "\u{e4}\u{ff5e}",
    "\xff" => '%ff',
];
foreach ($names as $name => $escaped) {
    mkdir(store() . "/$name");
    ini_set('session.save_path', 'local://' . store() . "/$escaped");
    put('shop', ['name' => bin2hex($name)]);
    ini_set('session.save_path', store() . "/$name");
    var_dump(get('shop') === ['name' => bin2hex($name)]);
}
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
