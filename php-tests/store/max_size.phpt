--TEST--
A session of sessclust.max_size is stored, one byte more is a warning with both sizes
--INI--
sessclust.max_size=2K
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$handler = new SessionHandler;
session_set_save_handler($handler, true);
session_id('own');
session_start();
foreach ([2047, 2048, 2049] as $size) {
    show("$size", fn () => $handler->write('a', str_repeat('x', $size)));
    echo strlen($handler->read('a')), " bytes stored\n";
}
--EXPECT--
2047: true
2047 bytes stored
2048: true
2048 bytes stored
2049: false
Warning: SessionHandler::write(): session 8439c39c has 2049 bytes, more than the 2048 that sessclust.max_size allows, not saved
2048 bytes stored
