--TEST--
Two users with one save path have separate sessions
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
chmod(store('/var/tmp'), 01777);
put('shop', ['of' => 'root']);
echo in_child(function () {
    posix_setgid(33);
    posix_setuid(33);
    var_dump(get('shop'));
    put('shop', ['of' => 'www-data']);
    var_dump(get('shop'));
});
var_dump(get('shop'));
--EXPECT--
array(0) {
}
array(1) {
  ["of"]=>
  string(8) "www-data"
}
array(1) {
  ["of"]=>
  string(4) "root"
}
