<?php
declare(strict_types=1);

// The load of the cluster demo, what is seen of it, and the count at its end.
//
//   php load.php URL LIVE_JSON HANDLER SESSIONS SECONDS KILL MEMCACHED_SOCKET...
//
// Begins the sessions, lets clients increment their counters for some seconds, reads all sessions
// on both web servers, and compares. With KILL = yes the last node is killed half-way. LIVE_JSON is
// the file that the page reads, replaced with each tick. The exit code is 0 if every session holds
// exactly the increments that were acknowledged, and with sessclust only if none was refused: at
// most one node is missing in this cluster, and nobody waits for long. php-memcached gives up by
// design, after a few tries.

require __DIR__ . '/../terminal.php';
require __DIR__ . '/Clients.php';
require __DIR__ . '/Node.php';
require __DIR__ . '/Tally.php';
require __DIR__ . '/show.php';

/** As many as both web servers have workers, so that none waits for anything but sessions. */
const CLIENTS = 16;
/** Increments of a session that are sent in a row, so that they meet. */
const BURST = 4;

[, $url, $live, $handler] = $argv;
[$sessions, $seconds] = array_map('intval', array_slice($argv, 4, 2));
$kills = $argv[6] === 'yes';
$nodes = [];
foreach (array_slice($argv, 7) as $i => $socket) {
    $nodes[] = new Node('node ' . $i + 1, $socket);
}
array_map(fn ($node) => $node->await(), $nodes);

$clients = new Clients(rtrim(substr($url, strlen('http://')), '/'));
$tally = new Tally($sessions, $nodes);
echo "\n  ",
    colour('1', "two php-fpm behind nginx, three memcached, session.save_handler = $handler"),
    "\n  Sessions: $sessions. Clients: ", CLIENTS, '. Each session gets ', BURST,
    " increments at once.\n\n";

// --- The sessions.
$begun = 0;
$tally->phase = 'beginning the sessions';
$clients->run(
    CLIENTS,
    function () use (&$begun, $sessions): ?Request {
        return $begun < $sessions ? new Request('POST', '/session', $begun++) : null;
    },
    function (Request $request) use ($tally): void {
        if ($request->status !== 200 || $request->set_cookie === '') {
            stop('a session could not be begun: ' . ($request->answer['error'] ?? 'no cookie'));
        }
        $tally->cookies[$request->session] = $request->set_cookie;
    },
    fn () => show_live($tally),
);
ksort($tally->cookies);

// --- The increments: all sessions in one order, then in another, each BURST times in a row.
$queue = [];
$tally->phase = 'counting';
$began_s = microtime(true);
$clients->run(
    CLIENTS,
    function () use (&$queue, $began_s, $seconds, $tally): ?Request {
        if (microtime(true) - $began_s >= $seconds) {
            return null;
        }
        if (!$queue) {
            $order = array_keys($tally->cookies);
            shuffle($order);
            foreach ($order as $session) {
                array_push($queue, ...array_fill(0, BURST, $session));
            }
        }
        $session = array_pop($queue);
        $tally->sent($session);
        return new Request('POST', '/increment', $session, $tally->cookies[$session]);
    },
    $tally->answered(...),
    function () use ($tally, $began_s, $seconds, $kills): void {
        $tally->tick(microtime(true) - $began_s);
        if ($kills && $tally->event === '' && $tally->elapsed_s >= $seconds / 2) {
            $tally->kill_node();
        }
        show($tally);
    },
);
$tally->elapsed_s = microtime(true) - $began_s;

// --- The count: one client, so that two requests in a row reach both web servers.
$counted = [];
$read = 0;
$tally->phase = 'reading the counters';
$clients->run(
    1,
    function () use (&$read, $sessions, $tally): ?Request {
        $session = intdiv($read++, 2);
        return $session < $sessions
            ? new Request('GET', '/count', $session, $tally->cookies[$session]) : null;
    },
    function (Request $request) use (&$counted): void {
        if ($request->status === 200) {
            $counted[$request->session][$request->answer['server']] = $request->answer['count'];
        }
    },
    fn () => show_live($tally),
);
$tally->ask_nodes();
show($tally);

$sums = array_map(fn ($server) => array_sum(array_column($counted, $server)), [1, 2]);
$wrong = [];
foreach ($tally->acknowledged as $session => $acknowledged) {
    $counts = $counted[$session] ?? [];
    ksort($counts);
    if ($counts !== [1 => $acknowledged, 2 => $acknowledged]) {
        $wrong["session $session: $acknowledged acknowledged, it holds "
            . (implode(' and ', $counts) ?: 'nothing')] = false;
    }
}
$total = $tally->total();
$answers = array_column($tally->servers, 'answers');
$spread = array_map(count(...), $tally->placed);
$tally->results = [
    ['Sum of all counters', number_format($sums[0]) . ', acknowledged ' . number_format($total), [
        'both web servers count what was acknowledged' => $sums === [$total, $total] && $total > 0,
    ]],
    ['Session by session', sprintf('%d of %d exact, on both web servers', $sessions - count($wrong),
        $sessions), array_slice($wrong, 0, 5)],
    ['Refused', $tally->refused === 0 ? 'none' : number_format($tally->refused), [
        'no request is refused' => $tally->refused === 0 || $handler !== 'sessclust',
    ]],
    ['At the same time', number_format($tally->contended)
        . ' increments met another one of the same session', [
        'clients meet in sessions' => $tally->contended > 0,
    ]],
    ['Web servers', implode(' and ', array_map('number_format', $answers))
        . sprintf(' increments, %s a second', number_format($total / $tally->elapsed_s)), [
        'both served' => min($answers) > 0,
    ]],
    ['Nodes', implode(', ', $spread) . ' sessions', [
        'every session is on a node' =>
            count(array_unique(array_merge(...$tally->placed))) === $sessions,
    ]],
];
if ($kills) {
    $tally->results[] = ['Killed with -9', $tally->event ?: 'none', [
        'a node was killed' => $tally->event !== '',
    ]];
}
foreach ($tally->results as $result) {
    row(...$result);
}
foreach ($tally->errors as $error => $count) {
    echo '      ', number_format($count), " times: $error\n";
}
echo "\n  ", $failures === 0
    ? colour('32;1', 'Exact: every acknowledged increment is in its session, and nothing else.')
    : colour('31;1', "Did not hold: $failures."), "\n";
$tally->phase = 'done';
show_live($tally);
exit($failures === 0 ? 0 : 1);
