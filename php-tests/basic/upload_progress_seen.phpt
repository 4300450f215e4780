--TEST--
Another request sees the progress while the upload is running
--INI--
session.name=PHPSESSID
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_php_cgi();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$boundary = '---------------------------20896060251896012921717172737';
$body = "--$boundary\r\n"
    . "Content-Disposition: form-data; name=\"PHP_SESSION_UPLOAD_PROGRESS\"\r\n\r\nmine\r\n"
    . "--$boundary\r\n"
    . "Content-Disposition: form-data; name=\"photo\"; filename=\"photo.jpg\"\r\n\r\n"
    . str_repeat('x', 30000) . "\r\n"
    . "--$boundary--\r\n";
$environment = [
    'REQUEST_METHOD' => 'POST',
    'CONTENT_TYPE' => "multipart/form-data; boundary=$boundary",
    'CONTENT_LENGTH' => (string) strlen($body),
    'HTTP_COOKIE' => 'PHPSESSID=visitor',
];
// For the request alone: PHP 8.2.36 refuses ini_set() of session settings where this is on.
$ini = [
    'session.upload_progress.enabled' => '1',
    'session.upload_progress.prefix' => 'upload_progress_',
    'session.upload_progress.name' => 'PHP_SESSION_UPLOAD_PROGRESS',
    'session.upload_progress.freq' => '0',                  // bytes
    'session.upload_progress.min_freq' => '0',              // seconds
    'session.upload_progress.cleanup' => '1',
];

$request = start_request('session_start(); echo "done";', $environment, $ini);
$request->send(substr($body, 0, 20000));
$deadline = microtime(true) + 10;
do {
    session_id('visitor');
    session_start(['read_and_close' => true]);
    $bytes = $_SESSION['upload_progress_mine']['bytes_processed'] ?? 0;
} while ($bytes < 10000 && microtime(true) < $deadline);
var_dump($bytes >= 10000, $_SESSION['upload_progress_mine']['done']);
$request->send(substr($body, 20000));
echo strstr($request->finish(), 'done'), "\n";
--EXPECT--
bool(true)
bool(false)
done
