--TEST--
What each step of a session costs: waits for a node
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
nodes(1);
store();
function waits(string $step, callable $do): void
{
    $before = sessclust_stats()['request']['round_trips'];
    $do();
    echo "$step: ", sessclust_stats()['request']['round_trips'] - $before, "\n";
}
ini_set('session.use_strict_mode', '1');
waits('connect, and open a fresh session', fn () => session_start());
$id = session_id();
$_SESSION['n'] = 1;
// The answer to the lock was not waited for yet. If it has not arrived by now, that counts.
waits('commit', fn () => session_write_close());
session_id($id);
waits('open', fn () => session_start());
$_SESSION['n'] = 2;
waits('commit', fn () => session_write_close());
session_id($id);
waits('open', fn () => session_start());
waits('close unchanged', fn () => session_write_close());
session_id($id);
waits('read_and_close', fn () => session_start(['read_and_close' => true]));
session_id('');
waits('open a fresh session', fn () => session_start());
waits('abort', fn () => session_abort());
session_id($id);
waits('open', fn () => session_start());
waits('abort', fn () => session_abort());
ini_set('sessclust.write', 'delayed');
session_id($id);
waits('open', fn () => session_start());
$_SESSION['n'] = 3;
waits('commit, delayed', fn () => session_write_close());
session_id($id);
waits('open', fn () => session_start());
waits('close unchanged, delayed', fn () => session_write_close());
--EXPECTF--
connect, and open a fresh session: 1
commit: %r[12]%r
open: 1
commit: 1
open: 1
close unchanged: 1
read_and_close: 1
open a fresh session: 0
abort: %r[01]%r
open: 1
abort: 0
open: 1
commit, delayed: 0
open: 1
close unchanged, delayed: 0
