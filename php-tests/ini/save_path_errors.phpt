--TEST--
A wrong save path is one warning with the position, and no session
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
$paths = [
    'relative/directory',
    './sessions',
    '~/sessions',
    'C:\sessions',
    ' /leading/space',
    'local:',
    'local:/one/slash',
    'local://',
    'local://two/slashes',
    'LOCAL:///directory',
    'local:///a b',
    'local:///a,local:///b',
    'local:///a?mode=0600',
    'local:///a#b',
    'local:///a%',
    'local:///a%4',
    'local:///a%zz',
    'local:///a%00b',
    'local:///a/../b',
    '/a/../b',
    '/a/./b',
    'file:///directory',
    'http://example.com/',
    '%n%s%n',
    "local:///a\nb%",
    "\xff\xfe",
];
foreach ($paths as $path) {
    ini_set('session.save_path', $path);
    show(json($path), fn () => session_start());
}
--EXPECT--
"relative/directory": false
Warning: session_start(): session.save_path, position 0: a relative directory would depend on where PHP was started: write local:///directory with an absolute one
Warning: session_start(): Failed to initialize storage module: sessclust (path: relative/directory)
"./sessions": false
Warning: session_start(): session.save_path, position 0: a relative directory would depend on where PHP was started: write local:///directory with an absolute one
Warning: session_start(): Failed to initialize storage module: sessclust (path: ./sessions)
"~/sessions": false
Warning: session_start(): session.save_path, position 0: a relative directory would depend on where PHP was started: write local:///directory with an absolute one
Warning: session_start(): Failed to initialize storage module: sessclust (path: ~/sessions)
"C:\\sessions": false
Warning: session_start(): session.save_path, position 1: behind the host comes a colon and a port from 1 to 65535
Warning: session_start(): Failed to initialize storage module: sessclust (path: C:\sessions)
" /leading/space": false
Warning: session_start(): session.save_path, position 1: a directory cannot be in a list of nodes, nor behind spaces; a socket is written memcached+unix:///socket
Warning: session_start(): Failed to initialize storage module: sessclust (path:  /leading/space)
"local:": false
Warning: session_start(): session.save_path, position 6: two slashes and an absolute directory are missing: write local:///directory
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:)
"local:/one/slash": false
Warning: session_start(): session.save_path, position 6: two slashes and an absolute directory are missing: write local:///directory
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:/one/slash)
"local://": false
Warning: session_start(): session.save_path, position 8: the directory has to be absolute: local:///directory, with three slashes
Warning: session_start(): Failed to initialize storage module: sessclust (path: local://)
"local://two/slashes": false
Warning: session_start(): session.save_path, position 8: the directory has to be absolute: local:///directory, with three slashes
Warning: session_start(): Failed to initialize storage module: sessclust (path: local://two/slashes)
"LOCAL:///directory": false
Warning: session_start(): session.save_path, position 0: unknown scheme: write memcached://host:port, redis://host:port or local:///directory, or leave it empty
Warning: session_start(): Failed to initialize storage module: sessclust (path: LOCAL:///directory)
"local:///a b": false
Warning: session_start(): session.save_path, position 10: one embedded store is all there can be; write %20 or %2C for a space or a comma in its directory
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///a b)
"local:///a,local:///b": false
Warning: session_start(): session.save_path, position 10: one embedded store is all there can be; write %20 or %2C for a space or a comma in its directory
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///a,local:///b)
"local:///a?mode=0600": false
Warning: session_start(): session.save_path, position 10: local:// takes no parameters; the settings are sessclust.* in php.ini
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///a?mode=0600)
"local:///a#b": false
Warning: session_start(): session.save_path, position 10: local:// takes no parameters; the settings are sessclust.* in php.ini
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///a#b)
"local:///a%": false
Warning: session_start(): session.save_path, position 10: % begins no byte; write %25 for a % itself
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///a%)
"local:///a%4": false
Warning: session_start(): session.save_path, position 10: % begins no byte; write %25 for a % itself
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///a%4)
"local:///a%zz": false
Warning: session_start(): session.save_path, position 10: % begins no byte; write %25 for a % itself
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///a%zz)
"local:///a%00b": false
Warning: session_start(): session.save_path, position 10: a directory cannot hold a NUL byte
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///a%00b)
"local:///a/../b": false
Warning: session_start(): session.save_path, position 11: the directory must not have . or .. as components
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///a/../b)
"/a/../b": false
Warning: session_start(): session.save_path, position 3: the directory must not have . or .. as components
Warning: session_start(): Failed to initialize storage module: sessclust (path: /a/../b)
"/a/./b": false
Warning: session_start(): session.save_path, position 3: the directory must not have . or .. as components
Warning: session_start(): Failed to initialize storage module: sessclust (path: /a/./b)
"file:///directory": false
Warning: session_start(): session.save_path, position 0: unknown scheme: write memcached://host:port, redis://host:port or local:///directory, or leave it empty
Warning: session_start(): Failed to initialize storage module: sessclust (path: file:///directory)
"http://example.com/": false
Warning: session_start(): session.save_path, position 0: unknown scheme: write memcached://host:port, redis://host:port or local:///directory, or leave it empty
Warning: session_start(): Failed to initialize storage module: sessclust (path: http://example.com/)
"%n%s%n": false
Warning: session_start(): session.save_path, position 0: this is no node and no directory: write host:port, memcached://host or local:///directory
Warning: session_start(): Failed to initialize storage module: sessclust (path: %n%s%n)
"local:///a\nb%": false
Warning: session_start(): session.save_path, position 12: % begins no byte; write %25 for a % itself
Warning: session_start(): Failed to initialize storage module: sessclust (path: local:///a
b%)
"\ufffd\ufffd": false
Warning: session_start(): session.save_path, position 0: this is no node and no directory: write host:port, memcached://host or local:///directory
Warning: session_start(): Failed to initialize storage module: sessclust (path: ÿþ)
