--TEST--
A server that asks for a password is a warning that names sessclust.credentials
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_redis();
--FILE--
<?php
require __DIR__ . '/../config.inc';
nodes(1, '--requirepass hunter2');
store();
session_id('shop');
show('open', fn () => session_start());
--EXPECTF--
