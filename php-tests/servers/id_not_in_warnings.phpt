--TEST--
No warning about a node's session shows its id
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(1);
store();
$id = 'Very-Secret,Session-Id-0123456789';
$messages = '';
set_error_handler(function (int $level, string $message) use (&$messages) {
    $messages .= "$message\n";
    return true;
});

// Locked, damaged, lost by its node, a node that is down while it is open and afterwards.
put($id, ['n' => 1]);
$holder = hold($id);
ini_set('sessclust.lock_wait', '0');
get($id);
$holder->finish();
replace(only(sessions()), random_bytes(5000));
get($id);
foreach ([true, false] as $comes_back) {
    session_id($id);
    session_start();
    $_SESSION['n'] = 1;
    session_write_close();
    session_start();
    $_SESSION['n'] = 2;
    $node->kill();
    $comes_back && $node->start();
    session_write_close();
}
get($id);

echo preg_match_all('/^session_\w+\(\): (?!Failed)/m', $messages), "\n";
// Not a part either from which the rest could be guessed.
var_dump(preg_match('/Very-|Session-Id-/', $messages));
--EXPECT--
6
int(0)
