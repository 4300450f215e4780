--TEST--
session_module_name and phpinfo name the handler
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
var_dump(session_module_name());
ob_start();
phpinfo(INFO_MODULES);
var_dump(preg_match('/^Registered save handlers => .*\bsessclust\b/m', ob_get_clean()));
--EXPECT--
string(9) "sessclust"
int(1)
