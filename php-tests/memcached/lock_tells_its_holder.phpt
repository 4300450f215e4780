--TEST--
A lock says to an operator who holds it, and ends by itself
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_memcached();
needs_php_cgi();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
// A web server's request, which lasts until the rest of its body has come.
$post = ['REQUEST_METHOD' => 'POST', 'CONTENT_TYPE' => 'text/plain', 'CONTENT_LENGTH' => '1'];
$holder = start_request('
    session_id("shop");
    session_start();
    echo "locked\n";
    flush();
    file_get_contents("php://input");
', $post, ['enable_post_data_reading' => '0']);
for ($lines = 0; $lines < 20 && $holder->line() !== 'locked'; $lines++);
$answer = node_with(locked())->ask('mg ' . locked() . ' t v');
preg_match('/^VA \d+ t(\d+)\r\n(.*)\r$/s', $answer, $lock);
[, $left, $value] = $lock;
var_dump($left <= 5);
[$format, $token, $since, $machine, $pid, $started, $host, $script] = explode(' ', $value, 8);
var_dump((int) $pid === $holder->pid, abs(time() - (int) $since) < 20, $host === gethostname());
echo masked($script), "\n";
$holder->resume();
$holder->finish();
var_dump(locked());
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
STORE/request1.php
NULL
