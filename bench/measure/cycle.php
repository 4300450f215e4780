<?php

declare(strict_types=1);

/** Bytes of a session: a login; a cart; an application that keeps too much. */
const SIZES = ['100 B' => 100, '4 KB' => 4096, '100 KB' => 102_400];

/**
 * Opening a session, changing it and closing it again, one process at a time: microseconds per size
 * and worker, with the medians of the rounds and the ratios to the files handler on disk and on
 * tmpfs.
 */
function measure_cycle(Bench $bench): array
{
    [$warm_up, $rounds, $cycles] = $bench->options->quick ? [1, 8, 20] : [3, 40, 40];
    $workers = [];
    foreach ($bench->workers as $name => $command) {
        $workers[$name] = new Worker($bench, $name, $command);
    }

    $result = [];
    foreach (SIZES as $size => $bytes) {
        $times = $medians = [];
        for ($round = 1 - $warm_up; $round <= $rounds; $round++) {
            $bench->progress("cycle of $size", "round $round of $rounds");
            foreach (shuffled($workers) as $name => $worker) {
                $microseconds = array_map(
                    fn ($ns) => $ns / 1000, $worker->ask('cycles', $bytes, 5, $cycles),
                );
                if ($round > 0) {
                    $times[$name][] = $microseconds;
                    $medians[$name][] = median($microseconds);
                }
            }
        }
        foreach ($workers as $name => $_) {
            $result[$size][$name] = [
                'us' => summary(array_merge(...$times[$name])),
                'round_medians_us' => $medians[$name],
            ];
            foreach (['files', 'files-tmpfs'] as $base) {
                $result[$size][$name]["of_$base"] = paired_ratio($medians[$name], $medians[$base]);
            }
        }
        $bench->progress("cycle of $size");
    }
    foreach ($workers as $name => $worker) {
        // Those without a handler look at each record that they read.
        isset(Bench::RAW[$name]) || $worker->ask('verify');
        $worker->stop();
    }
    return $result;
}
