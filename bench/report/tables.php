<?php

declare(strict_types=1);

/*
 * What was measured, as tables. A table is a title, a line that says what its figures are, a head
 * and rows of text, so that the terminal and the Markdown file show the same.
 */

/**
 * @return list<array{title: string, note: string, head: list<string>, rows: list<list<string>>}>
 */
function tables(Bench $bench, array $results): array
{
    $label = $bench->label(...);
    // Without those of which only cycles are measured.
    $peers = array_filter(
        [...array_keys($bench->handlers), ...array_keys(Bench::RAW)],
        fn ($name) => isset($bench->workers[$name]) && !str_starts_with($name, 'sessclust'),
    );
    return array_filter([
        ...array_map(goal_table(...), array_keys($results['goals']), $results['goals']),
        cycle_table($results['cycle'], $label),
        peer_table(
            "sessclust's embedded store", $results['cycle'], $label,
            ['sessclust', 'sessclust-tmpfs'], array_diff($peers, array_keys(Bench::RAW)),
        ),
        peer_table(
            "sessclust's memcached pool", $results['cycle'], $label,
            ['sessclust-memcached', 'sessclust-memcached-delayed'],
            array_diff($peers, ['files', 'files-tmpfs', 'raw-copies']),
        ),
        peer_table(
            'sessclust with a Redis', $results['cycle'], $label,
            ['sessclust-redis', 'sessclust-redis-delayed'],
            array_diff($peers, ['files', 'files-tmpfs', ...array_keys(Bench::RAW)]),
        ),
        redis_rs_table($results['redis_rs']),
        contention_table($results['contention'], $label),
        web_table($results['web'], $label),
        memory_table($results['memory']),
        startup_table($results['startup']),
        syscall_table($results['syscalls'], $label),
    ]);
}

function cycle_table(array $cycle, callable $label): array
{
    $rows = [];
    foreach ($cycle as $size => $handlers) {
        foreach ($handlers as $name => $figures) {
            $rows[$name] ??= [$label($name)];
            $rows[$name][] = spread($figures['us'], 1);
            $rows[$name][] = number($figures['of_files']['median'], 2);
        }
    }
    $head = ['handler'];
    foreach (array_keys($cycle) as $size) {
        array_push($head, "$size: µs", 'of files');
    }
    return [
        'title' => 'One cycle: session_start, change, session_write_close',
        'note' => 'Median of all cycles (10th to 90th percentile); "of files" is the ratio to the '
            . 'files handler on disk in the same round, median of the rounds. The raw round trips '
            . "are the two that sessclust's memcached pool makes, without PHP.",
        'head' => $head,
        'rows' => array_values($rows),
    ];
}

/** How many times as long the `$peers` take as each of the handlers `$ours`, which are `$what`. */
function peer_table(
    string $what, array $cycle, callable $label, array $ours, array $peers,
): ?array {
    $head = ['handler'];
    $rows = [];
    foreach (array_intersect($ours, array_keys(end($cycle))) as $our) {
        foreach ($cycle as $size => $handlers) {
            $head[] = substr($label($our), strlen('sessclust, ')) . ", $size";
            foreach ($peers as $peer) {
                $rows[$peer] ??= [$label($peer)];
                $rows[$peer][] = spread(paired_ratio(
                    $handlers[$peer]['round_medians_us'], $handlers[$our]['round_medians_us'],
                ), 1);
            }
        }
    }
    return $rows ? [
        'title' => "How many times as long as $what",
        'note' => 'Ratio of the medians of each round: median of the rounds (10th to 90th '
            . 'percentile). Above 1, sessclust is faster.',
        'head' => $head,
        'rows' => array_values($rows),
    ] : null;
}

function redis_rs_table(?array $sizes): ?array
{
    if ($sizes === null) {
        return null;
    }
    $ways = [
        'own' => "the engine's codec on a blocking socket",
        'redis_rs_sync' => 'redis-rs, blocking',
        'redis_rs_multiplexed' => 'redis-rs on tokio, multiplexed',
    ];
    $head = ['way'];
    $rows = array_map(fn ($title) => [$title], $ways);
    foreach ($sizes as $size => $of) {
        array_push($head, "$size: µs", 'times the first', 'share of redis-rs: %');
        foreach ($ways as $way => $_) {
            array_push(
                $rows[$way], number($of[$way]['us'], 1), number($of[$way]['of_own'], 2),
                number($of[$way]['share_percent'], 1),
            );
        }
    }
    return [
        'title' => 'What redis-rs would cost in a cycle',
        'note' => 'The round trips to a Redis that a cycle makes, without PHP: medians of the '
            . 'rounds. The share is what redis-rs adds, of its own cycle.',
        'head' => $head,
        'rows' => array_values($rows),
    ];
}

function contention_table(array $contention, callable $label): array
{
    $rows = [];
    foreach ($contention as $name => $figures) {
        $rows[] = [
            $label($name),
            spread($figures['per_second'], 0),
            number($figures['of_files']['median'], 2),
            number($figures['mean_wait_ms']['median'], 2),
            number($figures['longest_wait_ms']['median'], 1),
            number($figures['longest_wait_ms']['max'], 1),
            number($figures['longest_of_mean']['median'], 1),
            number($figures['longest_of_mean']['max'], 1),
            number($figures['least_of_most']['median'], 2),
            (string) $figures['refused'],
            (string) $figures['lost'],
        ];
    }
    return [
        'title' => CONTENDERS . ' processes increment one session',
        'note' => 'Increments a second of all processes together, median of the rounds (10th to '
            . '90th percentile); the mean wait for session_start(); the longest of a round, median '
            . 'and worst, and how many times the mean of its round it was; the increments of the '
            . 'process that got least as a share of those of the one that got most; calls of '
            . 'session_start() that gave up; increments that were acknowledged and are not there.',
        'head' => [
            'handler', 'per second', 'of files', 'mean wait: ms', 'longest', 'worst',
            'longest/mean', 'worst', 'least/most', 'gave up', 'lost',
        ],
        'rows' => $rows,
    ];
}

function web_table(array $web, callable $label): array
{
    $rows = [];
    foreach ($web as $handlers) {
        foreach ($handlers as $name => $figures) {
            $rows[$name] ??= [$label($name)];
            array_push(
                $rows[$name],
                spread($figures['per_second'], 0),
                number($figures['of_files']['median'], 2),
                number($figures['ms']['median'], 2) . ' / '
                    . number($figures['p99_ms']['median'], 1),
                "$figures[refused] / $figures[lost]",
            );
        }
    }
    $columns = ['of files', 'ms: median / p99', 'gave up / lost'];
    return [
        'title' => CLIENTS . ' clients of php-fpm behind nginx',
        'note' => 'Requests a second, median of the rounds (10th to 90th percentile): first with a '
            . 'session for each client, then with ' . SHARED . ' sessions that they share.',
        'head' => ['handler', 'own: per second', ...$columns, 'shared: per second', ...$columns],
        'rows' => array_values($rows),
    ];
}

function memory_table(array $memory): array
{
    $mb = fn (int $kb): string => number($kb / 1024, 2);
    $rows = [];
    foreach ($memory as $set => $of) {
        $rows[] = [
            $set, $mb($of['pss_kb']), $mb($of['added_pss_kb']),
            $mb($of['private_kb']), $mb($of['added_private_kb']),
        ];
    }
    return [
        'title' => 'Memory of a php-fpm child after ' . SESSIONS_PER_CHILD . ' sessions',
        'note' => 'MB: that of a php-fpm master and its ' . WebServer::CHILDREN . ' children, '
            . 'divided by the children. Pss shares out the pages that several processes use, '
            . 'private leaves them out.',
        'head' => ['extensions', 'Pss', 'added', 'private', 'added'],
        'rows' => $rows,
    ];
}

function startup_table(array $startup): array
{
    $rows = [];
    foreach ($startup as $set => $of) {
        $rows[] = [$set, spread($of['ms'], 2), number($of['added_ms']['median'], 2)];
    }
    return [
        'title' => 'Start and end of `php -n`',
        'note' => 'ms, median (10th to 90th percentile); "added" is the median of the differences '
            . 'to the run without extensions just before.',
        'head' => ['extensions', 'ms', 'added'],
        'rows' => $rows,
    ];
}

function syscall_table(array $syscalls, callable $label): array
{
    $rows = [];
    foreach ($syscalls as $name => $of) {
        $list = [];
        foreach ($of['calls'] as $call => $count) {
            $list[] = "$call $count";
        }
        $rows[] = [
            $label($name), number($of['switches'], 1), number($of['total'], 1),
            implode(', ', $list),
        ];
    }
    return [
        'title' => 'Context switches and system calls of a cycle of 4 KB',
        'note' => 'A context switch lets another process run, as a rule the one that is waited '
            . 'for. System calls were counted by strace; each costs a switch into the kernel.',
        'head' => ['handler', 'switches', 'calls', 'which'],
        'rows' => $rows,
    ];
}

function number(float $value, int $digits): string
{
    return number_format($value, $digits, '.', '');
}

function spread(array $summary, int $digits): string
{
    return number($summary['median'], $digits)
        . ' (' . number($summary['p10'], $digits) . '-' . number($summary['p90'], $digits) . ')';
}

/** Characters, where strlen() counts bytes; `php -n` may be without mbstring and iconv. */
function width(string $text): int
{
    return preg_match_all('/./su', $text);
}

function terminal(array $table): string
{
    $lines = [$table['head'], ...$table['rows']];
    $widths = [];
    foreach ($lines as $line) {
        foreach ($line as $column => $cell) {
            $widths[$column] = max($widths[$column] ?? 0, width($cell));
        }
    }
    $text = "\n$table[title]\n" . wordwrap($table['note'], 100) . "\n\n";
    foreach ($lines as $line) {
        foreach ($line as $column => $cell) {
            $text .= $cell . str_repeat(' ', $widths[$column] - width($cell) + 2);
        }
        $text = rtrim($text) . "\n";
    }
    return $text;
}

function markdown(array $table): string
{
    $text = "### $table[title]\n\n$table[note]\n\n";
    $rule = ['---', ...array_fill(1, count($table['head']) - 1, '---:')];
    foreach ([$table['head'], $rule, ...$table['rows']] as $line) {
        $text .= '| ' . implode(' | ', $line) . " |\n";
    }
    return "$text\n";
}
