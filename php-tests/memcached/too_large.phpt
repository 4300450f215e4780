--TEST--
A session larger than the server's limit is not saved, and what was there stays
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_memcached();
--FILE--
<?php
require __DIR__ . '/../config.inc';
nodes(1, '-I 1m');
store();
put('shop', ['n' => 1]);
session_start();
$_SESSION['x'] = str_repeat('x', 1 << 20);
show('write', fn () => session_write_close());
var_dump(get('shop'));
show('fits', fn () => put('shop', ['x' => str_repeat('x', 1_048_000)]));
var_dump(strlen(get('shop')['x']));
--EXPECTF--
write: true
Warning: session_write_close(): session %x has 1048597 bytes, more than fit into an item of 1048576 bytes, the limit of node STORE/m1 (memcached -I), not saved
Warning: session_write_close(): Failed to write session data (sessclust). Please verify that the current setting of session.save_path is correct (PATH)
array(1) {
  ["n"]=>
  int(1)
}
fits: null
int(1048000)
