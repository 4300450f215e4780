--TEST--
An application cannot leave open_basedir by its save path
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
mkdir(store() . '/inside');
mkdir(store() . '/outside');
$limit = [
    'open_basedir' => dirname(__DIR__) . ':' . store() . '/inside',
    'session.save_path' => save_path(store() . '/inside'),
];
foreach (['/outside', '/inside/../outside', '/inside/%2e%2e/outside'] as $directory) {
    foreach (['', 'local://'] as $scheme) {
        run("
            // Where all is allowed, PHP may take local://... for a relative path.
            chdir('" . store() . "/inside');
            @ini_set('session.save_path', '$scheme" . store() . "$directory');
            session_id('shop');
            @session_start();
        ", $limit);
    }
}
echo implode(' ', array_diff(scandir(store() . '/outside'), ['.', '..'])), "\n";

echo run("
    var_dump(ini_set('session.save_path', '" . store() . "/inside') !== false);
    session_id('shop');
    var_dump(session_start());
", $limit);
--EXPECT--
bool(true)
bool(true)
