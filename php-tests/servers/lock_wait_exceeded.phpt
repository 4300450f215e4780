--TEST--
Who does not get a session in time is told which script of which process has it
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
needs_php_cgi();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
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
ini_set('sessclust.lock_wait', '50ms');
session_id('shop');
ob_start();
show('start', fn () => session_start());
$host = preg_quote(gethostname());
echo preg_replace(["/\b$holder->pid\b/", "/\b$host\b/"], ['HOLDER', 'HOST'], ob_get_clean());
--EXPECTF--
start: false
Warning: session_start(): session %x is in use by process HOLDER on HOST (STORE/request1.php, for %d s) and was not released within 50ms (sessclust.lock_wait)
Warning: session_start(): Failed to read session data: sessclust (path: PATH)
