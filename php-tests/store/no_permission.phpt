--TEST--
Directories and files without permission are one warning each
--EXTENSIONS--
pcntl
posix
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
needs_root();
--FILE--
<?php
require __DIR__ . '/../config.inc';
chmod(store('/var/tmp'), 0711);
mkdir(store() . '/base');
ini_set('session.save_path', save_path(store() . '/base'));
$as_user = fn (callable $do) => print in_child(function () use ($do) {
    posix_setgid(33);
    posix_setuid(33);
    $do();
});

chmod(store() . '/base', 0755);
$as_user(fn () => show('base not writable', fn () => get('shop')));
chmod(store() . '/base', 0777);

$as_user(fn () => put('shop', ['n' => 1]));
$file = session_file();

chmod(dirname($file, 2), 0500);
$as_user(fn () => show('store not writable, session there', fn () => get('shop')));
$as_user(fn () => show('store not writable, new session', fn () => get('shop-2')));
chmod(dirname($file, 2), 0700);

chmod(dirname($file), 0000);
$as_user(fn () => show('no access to the directory', fn () => get('shop')));
chmod(dirname($file), 0700);

foreach ([0000, 0400] as $mode) {
    chmod($file, $mode);
    $as_user(fn () => show('file ' . decoct($mode), fn () => get('shop')));
}
chmod($file, 0600);
$as_user(fn () => show('permitted', fn () => get('shop')));
--EXPECT--
base not writable: false
Warning: session_start(): cannot make the directory STORE/base/uUID as user UID: Permission denied (os error 13)
Warning: session_start(): Failed to initialize storage module: sessclust (path: PATH/base)
store not writable, session there: {"n":1}
store not writable, new session: false
Warning: session_start(): cannot make STORE/base/uUID/b6: Permission denied (os error 13)
Warning: session_start(): Failed to read session data: sessclust (path: PATH/base)
no access to the directory: false
Warning: session_start(): cannot open STORE/base/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400: Permission denied (os error 13)
Warning: session_start(): Failed to read session data: sessclust (path: PATH/base)
file 0: false
Warning: session_start(): cannot open STORE/base/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400: Permission denied (os error 13)
Warning: session_start(): Failed to read session data: sessclust (path: PATH/base)
file 400: false
Warning: session_start(): cannot open STORE/base/uUID/a3/956e79f374fb847ba6e21af5dd056930dcf37ecff6ce34bf8753bede373400: Permission denied (os error 13)
Warning: session_start(): Failed to read session data: sessclust (path: PATH/base)
permitted: {"n":1}
