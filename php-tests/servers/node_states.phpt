--TEST--
A node that is down is known to all processes, looked for, and one line in the log each way
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_servers();
--FILE--
<?php
require __DIR__ . '/../config.inc';
[$node] = nodes(3);
store();
ini_set('sessclust.probe_interval', '100ms');
$is_up = fn (): bool => array_column(sessclust_nodes(), 'state')[0] === 'up';
/** Does requests until something holds. Nothing else has to be done for it. */
function serve_until(callable $is_done): void
{
    $deadline = microtime(true) + 30;
    do {
        if (microtime(true) > $deadline) {
            throw new Exception('it takes too long');
        }
        foreach (range(1, 10) as $i) {
            put("shop$i", ['n' => $i]);
        }
    } while (!$is_done());
}

serve_until($is_up);
$node->kill();
serve_until(fn () => !$is_up());
[$down, $other] = sessclust_nodes();
echo masked("$down[state]: $down[reason]"), "\n";
var_dump($down['failures'] > 0, abs(time() - $down['since']) < 60, $down['latency_us']);
var_dump($down['drained'], [$other['state'], $other['failures'], $other['since'], $other['reason']]);
// Another process waits for it no more than this one does.
echo run('
    foreach (range(1, 10) as $i) {
        put("shop$i", ["n" => $i]);
    }
    echo implode(" ", array_column(sessclust_nodes(), "state")), "\n";
    echo sessclust_stats()["counters"]["connect_failures"], " tries\n";
', ['sessclust.probe_interval' => '1m']);

$node->start();
serve_until($is_up);
[$back] = sessclust_nodes();
var_dump($back['failures'], $back['since'] >= $down['since'], $back['latency_us'] > 0);
serve_until(fn () => str_contains(file_get_contents(store() . '/server.log'), 'is back'));
echo masked(file_get_contents(store() . '/server.log'));
--EXPECTF--
down: cannot connect to STORE/m1: No such file or directory (os error 2)
bool(true)
bool(true)
NULL
bool(false)
array(4) {
  [0]=>
  string(2) "up"
  [1]=>
  int(0)
  [2]=>
  NULL
  [3]=>
  string(0) ""
}
down up up
0 tries
int(0)
bool(true)
bool(true)
[%s] sessclust: node is down: cannot connect to STORE/m1: No such file or directory (os error 2)
[%s] sessclust: node STORE/m1 is back
