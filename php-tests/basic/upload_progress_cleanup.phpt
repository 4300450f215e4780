--TEST--
The progress of a finished upload is removed from the session
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

put('visitor', ['n' => 1]);
$code = 'session_start(); echo "keys=", implode(",", array_keys($_SESSION));';
$request = start_request($code, $environment, $ini);
$request->send($body);
echo strstr($request->finish(), 'keys='), "\n";
var_dump(get('visitor'));
--EXPECT--
keys=n
array(1) {
  ["n"]=>
  int(1)
}
