--TEST--
session_gc has nothing to do, and sessions end by themselves
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--INI--
sessclust.replicas=1
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('old', ['n' => 1]);
age(only(sessions()), 2000);
session_id('new');
session_start();
var_dump(session_gc());
session_write_close();
var_dump(get('old'), count(sessions()));
--EXPECT--
int(0)
array(0) {
}
int(1)
