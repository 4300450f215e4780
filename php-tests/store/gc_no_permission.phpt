--TEST--
session_gc returns false with one warning when it cannot look at the sessions
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
chmod(store('/var/tmp'), 0777);
echo in_child(function () {
    posix_setgid(33);
    posix_setuid(33);
    put('shop', ['n' => 1]);
    chmod($shard = dirname(session_file()), 0000);
    session_id('own');
    session_start();
    show('gc', fn () => session_gc());
    session_abort();
    chmod($shard, 0700);
});
--EXPECT--
gc: false
Warning: session_gc(): cannot list STORE/uUID/a3: Permission denied (os error 13)
