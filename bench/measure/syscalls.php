<?php

declare(strict_types=1);

/**
 * System calls of one cycle of 4 KB, by name, most frequent first: the difference between two runs
 * under strace of which one does twice as many cycles, so that what PHP does at its start and end
 * cancels out. And, without strace, its context switches.
 */
function measure_syscalls(Bench $bench): array
{
    $cycles = $bench->options->quick ? 50 : 400;
    $result = [];
    foreach ($bench->workers as $name => $command) {
        $bench->progress('system calls', $name);
        $once = traced_calls($bench, $name, $command, $cycles);
        $twice = traced_calls($bench, $name, $command, 2 * $cycles);
        $calls = [];
        foreach ($twice as $call => $count) {
            // Less than one in ten cycles is not part of a cycle: memory that PHP asks for now and
            // then.
            $calls[$call] = round(($count - ($once[$call] ?? 0)) / $cycles, 1);
        }
        $calls = array_filter($calls, fn ($count) => $count >= 0.1);
        arsort($calls);
        $result[$name] = [
            'total' => round(array_sum($calls), 1),
            'calls' => $calls,
            'switches' => switches($bench, $name, $command, $cycles),
        ];
    }
    $bench->progress('system calls');
    return $result;
}

/** @return array<string, int> */
function traced_calls(Bench $bench, string $name, array $command, int $cycles): array
{
    $report = "$bench->scratch/$name.strace";
    $worker = new Worker($bench, $name, ['strace', '-f', '-c', '-o', $report, ...$command]);
    $worker->ask('cycles', SIZES['4 KB'], 0, $cycles);
    $worker->finish();

    $calls = [];
    foreach (file($report) as $line) {
        // "% time, seconds, usecs/call, calls, [errors,] syscall"
        if (preg_match('/^\s*[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?([a-z]\w*)$/', $line, $found)) {
            $calls[$found[2]] = (int) $found[1];
        }
    }
    unset($calls['total']);
    return $calls;
}

/** Context switches of one cycle of 4 KB. */
function switches(Bench $bench, string $name, array $command, int $cycles): float
{
    $worker = new Worker($bench, $name, $command);
    // Makes the sessions.
    $worker->ask('cycles', SIZES['4 KB'], 0, 1);
    $before = $worker->switches();
    $worker->ask('cycles', SIZES['4 KB'], 0, $cycles);
    $switches = ($worker->switches() - $before) / $cycles;
    $worker->stop();
    return $switches;
}
