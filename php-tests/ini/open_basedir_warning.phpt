--TEST--
A save path outside of open_basedir is the warning that PHP has for it
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
mkdir(store() . '/inside');
echo run('
    chdir("' . store() . '/inside");
    ini_set("session.save_path", "local:///outside");
    var_dump(session_start());
', ['open_basedir' => dirname(__DIR__) . ':' . store() . '/inside']);
--EXPECTF--
Warning: session_start(): open_basedir restriction in effect. File(/outside) is not within the allowed path(s): (%s) in %s on line %d

Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///outside) in %s on line %d
bool(false)
