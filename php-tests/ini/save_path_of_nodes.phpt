--TEST--
A wrong list of nodes is one warning with the position
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
$paths = [
    'memcached://',
    'memcached://a:0',
    'memcached://a:65536',
    'memcached://a:port',
    'memcached://a b c/d',
    'memcached://a_1,memcached://b!',
    'memcached://::1',
    'memcached://[::g]',
    'memcached://' . str_repeat('a', 256),
    'memcached:///run/memcached.sock',
    'memcached+unix://run/memcached.sock',
    'memcached+unix:///run/%zz',
    'memcached+unix:///' . str_repeat('a', 107),
    'memcached://a?weight=0',
    'memcached://a?weight=1000001',
    'memcached://a?weight=1&weight=2',
    'memcached://a,memcached://b?timeout=1',
    'memcached://a?',
    'a:1,,b:1',
    'a:1,',
    'a:1,b',
    'a:1:0',
    'a:1?weight=2',
    '::1:11211',
    '/run/a.sock:11211',
    '/run/a.sock,/var/lib',
    'a:1, A:1',
    'memcached://a memcached://b:11211 b:11211',
    'a:1,local:///var/lib',
    '/var/lib,memcached://a',
    implode(',', array_map(fn ($port) => "a:$port", range(1, 101))),
];
foreach ($paths as $path) {
    ini_set('session.save_path', $path);
    set_error_handler(function (int $level, string $message) use (&$ours) {
        $ours ??= $message;                                 // PHP's own comes second
        return true;
    });
    $ours = null;
    $started = session_start();
    restore_error_handler();
    echo substr($path, 0, 50), ': ', json($started), "\n$ours\n";
}
--EXPECT--
memcached://: false
session_start(): session.save_path, position 12: the host has to have 1 to 255 characters
memcached://a:0: false
session_start(): session.save_path, position 13: behind the host comes a colon and a port from 1 to 65535
memcached://a:65536: false
session_start(): session.save_path, position 13: behind the host comes a colon and a port from 1 to 65535
memcached://a:port: false
session_start(): session.save_path, position 13: behind the host comes a colon and a port from 1 to 65535
memcached://a b c/d: false
session_start(): session.save_path, position 14: this is no node and no directory: write host:port, memcached://host or local:///directory
memcached://a_1,memcached://b!: false
session_start(): session.save_path, position 29: a host has letters, digits, ., - and _ only
memcached://::1: false
session_start(): session.save_path, position 12: an IPv6 address is written in brackets, such as [::1]
memcached://[::g]: false
session_start(): session.save_path, position 12: there is no IPv6 address in the brackets
memcached://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: false
session_start(): session.save_path, position 12: the host has to have 1 to 255 characters
memcached:///run/memcached.sock: false
session_start(): session.save_path, position 12: a node has no path; a socket is written memcached+unix:///socket
memcached+unix://run/memcached.sock: false
session_start(): session.save_path, position 17: the path has to be absolute: there are three slashes before it
memcached+unix:///run/%zz: false
session_start(): session.save_path, position 22: % begins no byte; write %25 for a % itself
memcached+unix:///aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: false
session_start(): session.save_path, position 17: the path of a socket has at most 107 bytes
memcached://a?weight=0: false
session_start(): session.save_path, position 21: the weight has to be a number from 1 to 1000000
memcached://a?weight=1000001: false
session_start(): session.save_path, position 21: the weight has to be a number from 1 to 1000000
memcached://a?weight=1&weight=2: false
session_start(): session.save_path, position 23: this parameter is given twice
memcached://a,memcached://b?timeout=1: false
session_start(): session.save_path, position 28: timeout is no parameter here, for how long connecting may take is set by sessclust.connect_timeout: leave it out
memcached://a?: false
session_start(): session.save_path, position 14: unknown parameter: a node takes ?weight=N and no other
a:1,,b:1: false
session_start(): session.save_path, position 4: a node is missing here
a:1,: false
session_start(): session.save_path, position 4: a node is missing here
a:1,b: false
session_start(): session.save_path, position 4: this is no node and no directory: write host:port, memcached://host or local:///directory
a:1:0: false
session_start(): session.save_path, position 4: the weight has to be a number from 1 to 1000000
a:1?weight=2: false
session_start(): session.save_path, position 3: parameters need a URL: memcached://host:port?weight=N or memcached+unix:///socket?weight=N
::1:11211: false
session_start(): session.save_path, position 0: an IPv6 address is written in brackets, such as [::1]
/run/a.sock:11211: false
session_start(): session.save_path, position 11: the port of a socket is 0, or left out
/run/a.sock,/var/lib: false
session_start(): session.save_path, position 12: a directory cannot be in a list of nodes, nor behind spaces; a socket is written memcached+unix:///socket
a:1, A:1: false
session_start(): session.save_path, position 5: this node is in the list twice
memcached://a memcached://b:11211 b:11211: false
session_start(): session.save_path, position 34: this node is in the list twice
a:1,local:///var/lib: false
session_start(): session.save_path, position 4: the embedded store (local://) cannot be in a list of nodes
/var/lib,memcached://a: false
session_start(): session.save_path, position 0: a directory cannot be in a list of nodes
a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9,a:10,a:11,a:12: false
session_start(): session.save_path, position 492: a list has at most 100 entries
