<?php

declare(strict_types=1);

/**
 * What sessclust's stores have to reach, with what was measured. A goal whose handlers did not run
 * is left out. A miss is a result, not an error: nothing fails because of it.
 *
 * @return array<string, list<array{goal: string, limit: ?string, measured: float, met: ?bool}>>
 */
function goals(array $results): array
{
    return [
        'the embedded store' => embedded_goals($results),
        'the memcached pool' => memcached_goals($results),
        'Redis' => redis_goals($results),
        'the second copy' => replica_goals($results),
    ];
}

function embedded_goals(array $results): array
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

function memcached_goals(array $results): array
{
    [$through, $delayed] = ['sessclust-memcached', 'sessclust-memcached-delayed'];
    $goals = [];
    foreach (['4 KB', '100 B'] as $size) {
        $cycle = $results['cycle'][$size];
        $ratio = fn ($ours, $peer) => ratio_of_rounds($cycle, $ours, $peer, 'round_medians_us');
        array_push(
            $goals,
            goal(
                "cycle of $size: share of php-memcached's time",
                $ratio($through, 'memcached'), '<=', 0.55,
            ),
            figure(
                "cycle of $size: share of php-memcached's time, persistent",
                $ratio($through, 'memcached-persistent'),
            ),
            goal(
                "cycle of $size: share of php-redis's time",
                $ratio($through, 'redis'), '<=', 0.50,
            ),
            figure(
                "cycle of $size: share of php-redis's time, persistent",
                $ratio($through, 'redis-persistent'),
            ),
            goal(
                "cycle of $size: share of php-memcache's time",
                $ratio($through, 'memcache'), '<=', 0.80,
            ),
            goal(
                "cycle of $size: times two raw round trips",
                $ratio($through, 'raw'), '<=', 1.25,
            ),
            goal(
                "cycle of $size, delayed: share of php-memcached's time",
                $ratio($delayed, 'memcached'), '<=', 0.35,
            ),
        );
    }

    $contention = $results['contention'];
    foreach (['memcached' => 5.0, 'redis' => 2.0] as $peer => $limit) {
        $goals[] = goal(
            CONTENDERS . " processes, one session: times php-$peer's increments a second",
            ratio_of_rounds($contention, $through, $peer, 'round_per_second'), '>=', $limit,
        );
    }
    $goals[] = goal(
        CONTENDERS . ' processes, one session: longest wait, times the mean',
        $contention[$through]['longest_of_mean']['median'] ?? null, '<=', 10.0,
    );

    foreach (['own' => CLIENTS, 'shared' => SHARED] as $kind => $sessions) {
        foreach (['memcached', 'redis'] as $peer) {
            $goals[] = goal(
                "php-fpm behind nginx, $sessions sessions: times php-$peer's requests a second",
                ratio_of_rounds($results['web'][$kind], $through, $peer, 'round_per_second'),
                '>=', 1.25,
            );
        }
    }
    return array_values(array_filter($goals));
}

function redis_goals(array $results): array
{
    [$through, $delayed] = ['sessclust-redis', 'sessclust-redis-delayed'];
    $goals = [];
    foreach (['4 KB', '100 B'] as $size) {
        $ratio = fn ($ours, $peer) => ratio_of_rounds(
            $results['cycle'][$size], $ours, $peer, 'round_medians_us',
        );
        array_push(
            $goals,
            goal(
                "cycle of $size: share of php-redis's time",
                $ratio($through, 'redis'), '<=', 0.55,
            ),
            figure(
                "cycle of $size: share of php-redis's time, persistent",
                $ratio($through, 'redis-persistent'),
            ),
            goal(
                "cycle of $size, a core each: share of php-redis's time",
                $ratio("$through-apart", 'redis-apart'), '<=', 0.55,
            ),
            goal(
                "cycle of $size, delayed: share of php-redis's time",
                $ratio($delayed, 'redis'), '<=', 0.35,
            ),
            goal(
                "cycle of $size, delayed, a core each: share of php-redis's time",
                $ratio("$delayed-apart", 'redis-apart'), '<=', 0.35,
            ),
        );
    }

    $contention = $results['contention'];
    $ratio = fn ($peer) => ratio_of_rounds($contention, $through, $peer, 'round_per_second');
    $increments = CONTENDERS . " processes, one session: times php-redis's increments a second";
    array_push(
        $goals,
        goal($increments, $ratio('redis'), '>=', 5.0),
        figure("$increments, persistent", $ratio('redis-persistent')),
        goal(
            CONTENDERS . ' processes, one session: longest wait, times the mean',
            $contention[$through]['longest_of_mean']['median'] ?? null, '<=', 10.0,
        ),
    );
    return array_values(array_filter($goals));
}

/** What two copies in a pool of three nodes may cost more than one. */
function replica_goals(array $results): array
{
    $goals = [];
    $places = ['near' => ['on the same machine', 1.5], 'far' => ['1 ms away each way', 1.1]];
    foreach ($places as $place => [$where, $limit]) {
        [$one, $two] = ["sessclust-$place-1", "sessclust-$place-2"];
        foreach (['4 KB', '100 B'] as $size) {
            $goals[] = goal(
                "cycle of $size, nodes $where: 2 copies, times as long as 1",
                ratio_of_rounds($results['cycle'][$size], $two, $one, 'round_medians_us'),
                '<=', $limit,
            );
        }
        // What no client gets below.
        foreach ($place === 'near' ? ['4 KB', '100 B'] : [] as $size) {
            $goals[] = figure(
                "raw round trips of $size: those to 2 servers at once, times those to 1",
                ratio_of_rounds($results['cycle'][$size], 'raw-copies', 'raw', 'round_medians_us'),
            );
        }
        foreach ([1 => $one, 2 => $two] as $replicas => $name) {
            $goals[] = figure(
                "system calls of a cycle of 4 KB, nodes $where, replicas = $replicas",
                $results['syscalls'][$name]['total'] ?? null,
            );
        }
    }
    return array_values(array_filter($goals));
}

/** The median of `$ours` to `$peer` in each round; null where one of them did not run. */
function ratio_of_rounds(array $results, string $ours, string $peer, string $rounds): ?float
{
    return isset($results[$ours], $results[$peer])
        ? paired_ratio($results[$ours][$rounds], $results[$peer][$rounds])['median'] : null;
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

/** What helps to judge the goals and is none. */
function figure(string $figure, ?float $measured): ?array
{
    return $measured === null ? null : [
        'goal' => $figure, 'limit' => null, 'measured' => $measured, 'met' => null,
    ];
}

function goal_table(string $what, array $goals): ?array
{
    return $goals === [] ? null : [
        'title' => "Goals of $what",
        'note' => 'Medians of the rounds, and a longest wait in ms the worst of all rounds.',
        'head' => ['goal', 'limit', 'measured', 'result'],
        'rows' => array_map(fn (array $goal) => [
            $goal['goal'],
            $goal['limit'] ?? '-',
            number($goal['measured'], 2),
            match ($goal['met']) {
                true => 'met',
                false => 'MISSED',
                null => 'no goal',
            },
        ], $goals),
    ];
}
