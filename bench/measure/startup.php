<?php

declare(strict_types=1);

/** Milliseconds that loading each handler's extensions adds to `php -n -r ''`. */
function measure_startup(Bench $bench): array
{
    $runs = $bench->options->quick ? 20 : 120;
    $times = [];
    for ($run = -5; $run < $runs; $run++) {
        if ($run % 10 === 0) {
            $bench->progress('start of PHP', "run $run of $runs");
        }
        foreach ($bench->extension_sets(false) as $set => $handler) {
            $command = [PHP_BINARY, '-n', ...$handler->loading(), '-r', ''];
            $start = hrtime(true);
            proc_close(proc_open($command, [], $pipes));
            $milliseconds = (hrtime(true) - $start) / 1e6;
            if ($run >= 0) {
                $times[$set][] = $milliseconds;
            }
        }
    }
    $bench->progress('start of PHP');

    $result = [];
    foreach ($times as $set => $milliseconds) {
        $result[$set] = [
            'ms' => summary($milliseconds),
            'added_ms' => summary(array_map(fn ($a, $b) => $a - $b, $milliseconds, $times['none'])),
        ];
    }
    return $result;
}
