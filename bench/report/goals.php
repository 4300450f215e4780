<?php

declare(strict_types=1);

/**
 * What the embedded store has to reach, with what was measured. A goal whose handlers did not run
 * is left out. A miss is a result, not an error: nothing fails because of it.
 *
 * @return list<array{goal: string, limit: string, measured: float, met: bool}>
 */
function goals(array $results): array
{
    $cycle = $results['cycle'];
    $contention = $results['contention']['sessclust'] ?? [];
    $startup = $results['startup']['sessclust'] ?? [];
    $memory = $results['memory']['sessclust'] ?? [];

    $goals = [];
    foreach (['100 B', '4 KB'] as $size) {
        $goals[] = goal(
            "cycle of $size on disk: share of files' time",
            $cycle[$size]['sessclust']['of_files']['median'] ?? null, '<=', 0.12,
        );
    }
    foreach (array_keys(SIZES) as $size) {
        $goals[] = goal(
            "cycle of $size on tmpfs: share of files' time there",
            $cycle[$size]['sessclust-tmpfs']['of_files-tmpfs']['median'] ?? null, '<=', 1.0,
        );
    }
    $goals[] = goal(
        CONTENDERS . " processes, one session: times files' increments a second",
        $contention['of_files']['median'] ?? null, '>=', 3.0,
    );
    $goals[] = goal(
        CONTENDERS . ' processes, one session: longest wait, ms',
        $contention['longest_wait_ms']['max'] ?? null, '<=', 100.0,
    );
    $goals[] = goal(
        'memory added to a worker, MB',
        isset($memory['added_pss_kb']) ? $memory['added_pss_kb'] / 1024 : null, '<=', 2.0,
    );
    $goals[] = goal("added to PHP's start, ms", $startup['added_ms']['median'] ?? null, '<=', 2.0);
    return array_values(array_filter($goals));
}

function goal(string $goal, ?float $measured, string $sign, float $limit): ?array
{
    return $measured === null ? null : [
        'goal' => $goal,
        'limit' => "$sign " . number($limit, 2),
        'measured' => $measured,
        'met' => $sign === '<=' ? $measured <= $limit : $measured >= $limit,
    ];
}

function goal_table(array $goals): ?array
{
    return $goals === [] ? null : [
        'title' => 'Goals of the embedded store',
        'note' => 'The longest wait is the worst of all rounds, the others are medians.',
        'head' => ['goal', 'limit', 'measured', 'result'],
        'rows' => array_map(fn (array $goal) => [
            $goal['goal'],
            $goal['limit'],
            number($goal['measured'], 2),
            $goal['met'] ? 'met' : 'MISSED',
        ], $goals),
    ];
}
