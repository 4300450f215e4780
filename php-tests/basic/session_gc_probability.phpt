--TEST--
session.gc_probability removes expired sessions at the start of a request
--INI--
session.gc_maxlifetime=1440
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('old', ['n' => 1]);
age(only(sessions()), 2000);
session_id('new');
session_start(['gc_probability' => '1', 'gc_divisor' => '1']);
$_SESSION['n'] = 1;
session_write_close();
var_dump(count(sessions()), get('new'));
--EXPECT--
int(1)
array(1) {
  ["n"]=>
  int(1)
}
