--TEST--
The warning about a locked session does not show the arguments of the holder
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
// A command line may hold passwords, and a PHP warning may be shown to visitors.
store();
// The settings come from a file, to keep the holder's command line short: a long one is cut.
preg_match_all('/-d "((?:extension|session)[^"]*)"/', getenv('TEST_PHP_EXTRA_ARGS'), $settings);
$settings[1][] = 'session.save_path = ' . ini_get('session.save_path');
$settings[1][] = 'session.use_cookies = 0';
file_put_contents(store() . '/php.ini', implode("\n", $settings[1]));
$job = 'session_id("shop"); session_start(); echo "locked\n"; fgets(STDIN);';
file_put_contents(store() . '/job', "<?php $job");
chdir(store());
$php = getenv('TEST_PHP_EXECUTABLE');
$holder = new Process(
    "exec $php -c php.ini job --password=hunter2",
    ['PHP_INI_SCAN_DIR' => '/nowhere']
);
echo $holder->line(), "\n";
ini_set('sessclust.lock_wait', '0');
session_id('shop');
ob_start();
var_dump(session_start());
var_dump(str_contains(ob_get_flush(), 'hunter2'));
$holder->kill();
--EXPECTF--
locked

Warning: session_start(): session %x is in use by process %d%S and was not released within %s (sessclust.lock_wait) in %s on line %d

Warning: session_start(): Failed to read session data: sessclust (path: %s) in %s on line %d
bool(false)
bool(false)
