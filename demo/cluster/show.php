<?php
declare(strict_types=1);

// What is seen while the load runs: lines of a terminal, which are drawn again and again, or a line
// a second elsewhere; and the file that the page reads.

/** Ticks that the page gets, the last two minutes. */
const HISTORY_TICKS = 240;

function show(Tally $tally): void
{
    global $colours;
    static $drawn = 0, $said_s = 0;
    show_live($tally);
    if ($colours) {
        $lines = lines($tally);
        echo $drawn ? "\e[{$drawn}A" : '', "\e[J", implode("\n", $lines), "\n\n";
        $drawn = count($lines) + 1;
    } elseif ($tally->elapsed_s - $said_s >= 0.9) {
        $said_s = $tally->elapsed_s;
        $placed = array_map(fn ($node, $sessions) => $node->stats ? count($sessions) : 'dead',
            $tally->nodes, $tally->placed);
        printf("  %5.1f s   %s   sessions on the nodes: %s\n", $tally->elapsed_s, progress($tally),
            implode(', ', $placed));
    }
}

function progress(Tally $tally): string
{
    return sprintf('%s a second   %s acknowledged   %s refused',
        pad(number_format(array_sum(array_slice(end($tally->history) ?: [], 1, 2))), 6, true),
        pad(number_format($tally->total()), 9, true), number_format($tally->refused));
}

/** Below 80 columns, for each line that is broken would be drawn over wrongly. */
function lines(Tally $tally): array
{
    global $seconds;
    $lines = [sprintf('  %s s of %d   %s', pad(sprintf('%.1f', $tally->elapsed_s), 5, true),
        $seconds, progress($tally))];
    foreach ($tally->servers as $i => $server) {
        $counters = $server['counters'];
        $answers = pad(number_format($server['answers']), 9, true);
        $lines[] = "  web $i    $answers increments   " . count($server['workers']) . ' workers'
            . ($counters === null ? '' : '   ' . waits($counters));
    }
    $most = max(1, ...array_map(count(...), $tally->placed));
    foreach ($tally->nodes as $i => $node) {
        $sessions = count($tally->placed[$i]);
        $bar = str_repeat('█', (int) round(20 * $sessions / $most));
        $lines[] = "  $node->name   " . ($node->stats === [] ? colour('31;1', 'does not answer')
            : pad(number_format($sessions), 4, true) . ' sessions ' . colour('36', pad($bar, 20))
            . pad(number_format($node->number('get_hits')), 9, true) . ' hits '
            . pad(number_format($node->number('curr_items')), 5, true) . ' items');
    }
    $lines[] = sprintf('  session_start(): median %s, 99 %% within %s, longest %s',
        duration($tally->start_us(.5)), duration($tally->start_us(.99)),
        duration($tally->longest_start_us));
    return $lines;
}

/** sessclust's own counters of one web server, in words. */
function waits(array $counters): string
{
    return $counters['waits'] === 0 ? 'nobody waited for a lock'
        : sprintf('%s waits for a lock, %s each', number_format($counters['waits']),
            duration($counters['wait_us'] / $counters['waits']));
}

/** Replaces the page's file; whoever reads it gets the whole old one or the whole new one. */
function show_live(Tally $tally): void
{
    global $live, $handler, $seconds, $failures;
    $nodes = array_map(fn ($node, $sessions) => [
        'name' => $node->name,
        'up' => $node->stats !== [],
        'sessions' => $sessions ?? [],
        'items' => $node->number('curr_items'),
        'hits' => $node->number('get_hits'),
        'misses' => $node->number('get_misses'),
        'stores' => $node->number('cmd_set'),
        'bytes' => $node->number('bytes'),
    ], $tally->nodes, $tally->placed);
    $servers = array_map(fn ($server) => [
        'answers' => $server['answers'],
        'workers' => count($server['workers']),
        'waits' => $server['counters'] === null ? null : waits($server['counters']),
    ], array_values($tally->servers));
    $text = json_encode([
        'handler' => $handler,
        'phase' => $tally->phase,
        'elapsed_s' => $tally->elapsed_s,
        'seconds' => $seconds,
        'acknowledged' => $tally->acknowledged,
        'under_way' => $tally->under_way,
        'total' => $tally->total(),
        'contended' => $tally->contended,
        'refused' => $tally->refused,
        'errors' => (object) $tally->errors,
        'start_us' => [
            'median' => $tally->start_us(.5),
            'most' => $tally->start_us(.99),
            'longest' => $tally->longest_start_us,
        ],
        'servers' => $servers,
        'nodes' => $nodes,
        'history' => array_slice($tally->history, -HISTORY_TICKS),
        'results' => array_map(fn ($result) => [
            'what' => $result[0],
            'result' => $result[1],
            'broken' => array_keys(array_filter($result[2], fn ($holds) => !$holds)),
        ], $tally->results),
        'exact' => $tally->phase === 'done' ? $failures === 0 : null,
    ], JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
    file_put_contents("$live.new", $text);
    chmod("$live.new", 0644);    // nginx is another user.
    rename("$live.new", $live);
}
