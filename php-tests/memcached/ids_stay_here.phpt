--TEST--
Ids with characters that PHP does not allow are never sent to a node
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_memcached();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
$handler = new SessionHandler;
session_set_save_handler($handler, true);
put('own', ['n' => 1]);
session_id('own');
session_start();
$names = ['cmd_get', 'cmd_set', 'cmd_touch', 'curr_items'];
$figures = fn () => array_map($node->statistic(...), $names);
$before = $figures();
foreach (require __DIR__ . '/../input/ids.inc' as $id) {
    @$handler->read($id);
    @$handler->write($id, 'x|i:1;');
    @$handler->destroy($id);
}
var_dump($figures() === $before);
--EXPECT--
bool(true)
