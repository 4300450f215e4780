--TEST--
A stored session larger than sessclust.max_size can still be read and made smaller
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// As when an administrator lowers the limit.
store();
put('shop', ['x' => str_repeat('x', 5000)]);
ini_set('sessclust.max_size', '1K');
var_dump(strlen(get('shop')['x']));
show('unchanged', function () {
    session_id('shop');
    session_start();
    return session_write_close();
});
show('smaller', fn () => put('shop', ['n' => 1]));
var_dump(get('shop'));
--EXPECT--
int(5000)
unchanged: true
smaller: null
array(1) {
  ["n"]=>
  int(1)
}
