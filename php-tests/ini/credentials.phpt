--TEST--
sessclust.credentials: what is wrong with it is one warning, and no password is ever shown
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
ini_set('error_log', directory() . '/log');
$file = directory() . '/credentials';
$try = function (string $what, array $settings) {
    foreach ($settings as $name => $value) {
        ini_set($name, $value);
    }
    // PHP's own warning comes second.
    set_error_handler(function (int $level, string $message) use (&$ours) {
        $ours ??= $message;
        return true;
    });
    $ours = null;
    session_id('shop');
    $started = session_start();
    restore_error_handler();
    echo "$what: ", json($started), "\n", masked((string) $ours), "\n";
    array_map('ini_restore', array_keys($settings));
};
$redis = ['session.save_path' => 'redis+unix://' . directory() . '/none'];
$with_file = $redis + ['sessclust.credentials' => $file];

$try('missing', $with_file);
file_put_contents($file, "* shop hunter2\n");
chmod($file, 0644);
$try('open to all', $with_file);
chmod($file, 0600);
file_put_contents($file, "# all\n* shop hunter2 hunter2\n");
$try('malformed', $with_file);
file_put_contents($file, "* hunter2%\n");
$try('no byte', $with_file);
$try('a directory', ['sessclust.credentials' => directory()] + $with_file);
putenv('REDIS_LOGIN=hunter2');
$try('environment', ['sessclust.credentials' => 'env:REDIS_LOGIN'] + $with_file);
$try('no such variable', ['sessclust.credentials' => 'env:NONE'] + $with_file);
$try('one of two', $redis + ['sessclust.tls_certificate' => '/etc/client.pem']);
show('in place of a file', fn () => ini_set('sessclust.credentials', '* hunter2'));

file_put_contents($file, "* shop hunter2\n");
$try('nobody listens there', $with_file);
ini_set('sessclust.credentials', $file);
ini_set('session.save_path', $redis['session.save_path']);
ob_start();
phpinfo(INFO_MODULES);
$text = ob_get_clean();
preg_match_all('/^sessclust.credentials => .*/m', $text, $lines);
echo masked(implode("\n", $lines[0])), "\n";
// The environment shows the variable of above, in a section of its own.
preg_match('/^sessclust\n\n(.*?)\n\n(?=\w[\w .]*\n\n)/ms', $text, $section);
$shown = $section[1] . file_get_contents(directory() . '/log');
echo str_contains($shown, 'hunter2') ? "!! the password\n" : "no password\n";
--EXPECT--
missing: false
session_start(): sessclust.credentials: STORE/credentials: No such file or directory (os error 2)
open to all: false
session_start(): sessclust.credentials: STORE/credentials is open to all users of this machine: chmod 640 lets only its owner and its group read it, 600 only its owner
malformed: false
session_start(): sessclust.credentials: STORE/credentials, line 2: a line has two or three words: who, perhaps a user, and a password
no byte: false
session_start(): sessclust.credentials: STORE/credentials, line 1: % begins no byte; write %25 for a %
a directory: false
session_start(): sessclust.credentials: STORE is not a regular file
environment: false
session_start(): sessclust.credentials: env:REDIS_LOGIN, line 1: a line has two or three words: who, perhaps a user, and a password
no such variable: false
session_start(): sessclust.credentials: env:NONE is not in the environment of this process
one of two: false
session_start(): sessclust.tls_certificate and sessclust.tls_key belong together: name both, or none
in place of a file: false
Warning: ini_set(): sessclust.credentials: "..." is not a value of it (the path of a file, env:NAME, or empty)
nobody listens there: false
session_start(): session a3956e79 cannot be opened: cannot connect to STORE/none: No such file or directory (os error 2)
sessclust.credentials => STORE/credentials => the path of a file, env:NAME, or empty
sessclust.credentials => STORE/credentials => no value
no password
