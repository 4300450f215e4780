--TEST--
Directories of the store have mode 0700 and files 0600, whatever the umask
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// Bits that the umask takes away from the owner as well are none of the store's business.
store();
foreach ([0, 022, 077] as $umask) {
    umask($umask);
    put("umask-$umask", ['n' => 1]);
    $file = session_file();
    foreach ([dirname($file, 2), dirname($file), $file] as $path) {
        echo decoct(fileperms($path) & 07777), $path === $file ? "\n" : ' ';
    }
    remove_tree(dirname($file, 2));
}
--EXPECT--
700 700 600
700 700 600
700 700 600
