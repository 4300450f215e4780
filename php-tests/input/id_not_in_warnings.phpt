--TEST--
No warning shows a session id in full
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
needs_files();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$id = 'Very-Secret,Session-Id-0123456789';
$messages = '';
set_error_handler(function (int $level, string $message) use (&$messages) {
    $messages .= "$message\n";
    return true;
});

put($id, ['n' => 1]);
$file = session_file();

// Damaged, of somebody else's kind, locked, destroyed meanwhile, too large.
file_put_contents($file, random_bytes(5000));
get($id);
unlink($file);
mkdir($file);
get($id);
rmdir($file);
symlink('/etc/passwd', $file);
get($id);
unlink($file);

$holder = start("session_id('$id'); session_start(); echo \"locked\\n\"; wait();");
$holder->line();
ini_set('sessclust.lock_wait', '0');
get($id);
$holder->kill();

session_id($id);
session_start();
unlink(session_file());
$_SESSION['n'] = 2;
session_write_close();

ini_set('sessclust.max_size', '1K');
put($id, ['x' => str_repeat('x', 2000)]);
put($id . '!', []);

var_dump(substr_count($messages, "\n"), str_contains($messages, $id));
// Not a part either from which the rest could be guessed.
var_dump(preg_match('/Very-|Session-Id-/', $messages));
--EXPECT--
int(13)
bool(false)
int(0)
