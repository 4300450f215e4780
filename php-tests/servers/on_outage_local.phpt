--TEST--
Without a node, sessions are kept on this machine, and one that is destroyed stays destroyed
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--INI--
sessclust.on_outage=local
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$first, $second] = nodes(2);
store();
ini_set('sessclust.request_timeout', '300ms');
ini_set('sessclust.connect_timeout', '300ms');
ini_set('error_log', $log = directory() . '/log');
put('before', ['n' => 1]);
$first->hang();
$second->hang();

session_id('before');
show('start', fn () => session_start());
show('nobody can ask for it', fn () => $_SESSION);
$_SESSION['n'] = 2;
show('a new id', fn () => session_regenerate_id(true));
$id = session_id();
session_write_close();
session_id($id);
show('again', fn () => session_start());
show('kept', fn () => $_SESSION);
session_write_close();

$first->resume();
$second->resume();
foreach (['moved' => $id, 'destroyed' => 'before'] as $what => $id) {
    session_id($id);
    do {
        $before = sessclust_stats()['counters']['local_sessions'];
        session_start();
        $data = $_SESSION;
        session_write_close();
    } while (sessclust_stats()['counters']['local_sessions'] > $before);
    show($what, fn () => $data);
}
preg_match_all('~Until a node .* in (/var/tmp/sessclust-u\d+/outage-\w+) ~',
    file_get_contents($log), $lines);
remove_tree(only($lines[1]));
--EXPECT--
start: true
nobody can ask for it: []
a new id: true
again: true
kept: {"n":2}
moved: {"n":2}
destroyed: []
