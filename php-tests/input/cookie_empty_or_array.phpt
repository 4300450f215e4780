--TEST--
An empty cookie, or one that is an array, gets a new session
--INI--
session.name=PHPSESSID
session.use_strict_mode=0
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_php_cgi();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
foreach (['PHPSESSID=', 'PHPSESSID[a]=b', 'PHPSESSID', 'PHPSESSID=;PHPSESSID=a'] as $cookie) {
    $answer = request(
        'var_dump(session_start());
        echo strlen(session_id()) === (int) ini_get("session.sid_length") ? "new" : session_id();',
        ['HTTP_COOKIE' => $cookie]
    );
    echo strstr($answer, 'bool'), "\n";
}
--EXPECT--
bool(true)
new
bool(true)
new
bool(true)
new
bool(true)
new
