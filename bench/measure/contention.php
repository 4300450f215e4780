<?php

declare(strict_types=1);

/** Processes that want the same session. */
const CONTENDERS = 8;

/**
 * Eight processes that do nothing but increment the counter of one session: increments a second of
 * all together, the mean and the longest time that one of them waited to open it, and how evenly they
 * got it. Each handler has the machine for itself in its turn; the turns are interleaved.
 */
function measure_contention(Bench $bench): array
{
    [$rounds, $seconds] = $bench->options->quick ? [2, 0.3] : [7, 1.0];
    $teams = $ids = $figures = [];
    foreach ($bench->handlers as $name => $handler) {
        for ($i = 0; $i < CONTENDERS; $i++) {
            $teams[$name][] = new Worker($bench, $name, $handler->worker());
        }
        $ids[$name] = $teams[$name][0]->ask('create');
    }

    // The first round warms up: it only counts where lost updates are looked for.
    $expected = array_fill_keys(array_keys($teams), 0);
    for ($round = 0; $round <= $rounds; $round++) {
        $bench->progress(CONTENDERS . ' processes, one session', "round $round of $rounds");
        foreach (shuffled($teams) as $name => $team) {
            $figure = contend($team, $ids[$name], $seconds);
            $expected[$name] += $figure['done'];
            if ($round > 0) {
                $figures[$name][] = $figure;
            }
        }
    }
    $bench->progress(CONTENDERS . ' processes, one session');

    $result = [];
    foreach ($bench->handlers as $name => $_) {
        $rounds = $figures[$name];
        $result[$name] = [
            'per_second' => summary(array_column($rounds, 'per_second')),
            'round_per_second' => array_column($rounds, 'per_second'),
            'mean_wait_ms' => summary(array_column($rounds, 'mean_wait_ms')),
            'longest_wait_ms' => summary(array_column($rounds, 'longest_wait_ms')),
            'longest_of_mean' => paired_ratio(
                array_column($rounds, 'longest_wait_ms'), array_column($rounds, 'mean_wait_ms'),
            ),
            'least_of_most' => summary(array_column($rounds, 'least_of_most')),
            'refused' => array_sum(array_column($rounds, 'refused')),
            'done' => array_sum(array_column($rounds, 'done')),
            'lost' => $expected[$name] - $teams[$name][0]->ask('counter', $ids[$name]),
            'of_files' => paired_ratio(
                array_column($rounds, 'per_second'), array_column($figures['files'], 'per_second'),
            ),
        ];
        array_map(fn ($worker) => $worker->stop(), $teams[$name]);
    }
    return $result;
}

/** One turn of one handler. */
function contend(array $team, string $id, float $seconds): array
{
    // 20 ms ahead: all of them have read their request by then, and none starts earlier.
    $start = hrtime(true) + 20_000_000;
    foreach ($team as $worker) {
        $worker->send('contend', $id, $start, (int) ($seconds * 1e9));
    }
    $answers = array_map(fn ($worker) => $worker->receive(), $team);
    $done = array_column($answers, 'done');
    $refused = array_sum(array_column($answers, 'refused'));
    $waited = array_sum(array_column($answers, 'waited'));
    return [
        'done' => array_sum($done),
        'refused' => $refused,
        'per_second' => array_sum($done) / (max(array_column($answers, 'end')) - $start) * 1e9,
        'mean_wait_ms' => $waited / (array_sum($done) + $refused) / 1e6,
        'longest_wait_ms' => max(array_column($answers, 'longest')) / 1e6,
        'least_of_most' => min($done) / max(1, ...$done),
    ];
}
