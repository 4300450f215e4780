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
    $label = fn (string $name): string => $bench->handlers[$name]->label;
    return array_filter([
        goal_table($results['goals']),
        cycle_table($results['cycle'], $label),
        peer_table($results['cycle'], $label),
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
            . 'files handler on disk in the same round, median of the rounds.',
        'head' => $head,
        'rows' => array_values($rows),
    ];
}

/** How many times as long a peer takes, seen from each place that sessclust can be in. */
function peer_table(array $cycle, callable $label): ?array
{
    $head = ['handler'];
    $rows = [];
    foreach (array_intersect(['sessclust', 'sessclust-tmpfs'], array_keys(end($cycle))) as $ours) {
        foreach ($cycle as $size => $handlers) {
            $head[] = substr($label($ours), strlen('sessclust, ')) . ", $size";
            foreach ($handlers as $name => $figures) {
                if (!str_starts_with($name, 'sessclust')) {
                    $rows[$name] ??= [$label($name)];
                    $rows[$name][] = spread(paired_ratio(
                        $figures['round_medians_us'], $handlers[$ours]['round_medians_us'],
                    ), 1);
                }
            }
        }
    }
    return $rows ? [
        'title' => 'How many times as long as sessclust',
        'note' => 'Ratio of the medians of each round: median of the rounds (10th to 90th '
            . 'percentile). Above 1, sessclust is faster.',
        'head' => $head,
        'rows' => array_values($rows),
    ] : null;
}

function contention_table(array $contention, callable $label): array
{
    $rows = [];
    foreach ($contention as $name => $figures) {
        $rows[] = [
            $label($name),
            spread($figures['per_second'], 0),
            number($figures['of_files']['median'], 2),
            number($figures['longest_wait_ms']['median'], 1),
            number($figures['longest_wait_ms']['max'], 1),
            number($figures['least_of_most']['median'], 2),
            (string) $figures['refused'],
            (string) $figures['lost'],
        ];
    }
    return [
        'title' => CONTENDERS . ' processes increment one session',
        'note' => 'Increments a second of all processes together, median of the rounds (10th to '
            . '90th percentile); the longest wait of a round, median and worst; the increments of '
            . 'the process that got least as a share of those of the one that got most; calls of '
            . 'session_start() that gave up; increments that were acknowledged and are not there.',
        'head' => [
            'handler', 'per second', 'of files', 'longest wait: ms', 'worst', 'least/most',
            'gave up', 'lost',
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
    foreach ($syscalls as $name => ['total' => $total, 'calls' => $calls]) {
        $list = array_map(fn ($call, $count) => "$call $count", array_keys($calls), $calls);
        $rows[] = [$label($name), number($total, 1), implode(', ', $list)];
    }
    return [
        'title' => 'System calls of a cycle of 4 KB',
        'note' => 'Counted by strace; each also costs a switch into the kernel.',
        'head' => ['handler', 'calls', 'which'],
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
