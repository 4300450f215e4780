<?php

declare(strict_types=1);

/** Sessions that every child has made before its memory is looked at. */
const SESSIONS_PER_CHILD = 1000;

/**
 * Memory of a php-fpm child after a thousand sessions, in KB, and how much of it the extensions
 * add. The children share with their master what was there before the fork, so it is the memory of
 * all of them that is divided by the number of children. Pss counts a page that n processes share
 * as 1/n; private counts the pages that one process has for itself.
 */
function measure_memory(Bench $bench, WebServer $server): array
{
    $result = [];
    foreach ($bench->extension_sets(true) as $set => $handler) {
        $bench->progress('memory of a worker', $set);
        $clients = new Clients($server->socket, $handler->name, array_fill(0, CLIENTS, ''));
        $clients->run(fn () => count($clients->served) === WebServer::CHILDREN
            && min($clients->served) >= SESSIONS_PER_CHILD);
        $pids = [$server->processes[$handler->name]->pid, ...array_keys($clients->served)];
        $memory = array_map(memory_of(...), $pids);
        foreach (['pss_kb', 'private_kb'] as $kind) {
            $mean = intdiv(array_sum(array_column($memory, $kind)), WebServer::CHILDREN);
            $result[$set][$kind] = $mean;
            $result[$set]["added_$kind"] = $mean - $result['none'][$kind];
        }
    }
    $bench->progress('memory of a worker');
    return $result;
}

function memory_of(int $pid): array
{
    $rollup = (string) file_get_contents("/proc/$pid/smaps_rollup");
    preg_match_all('/^(\w+):\s+(\d+) kB$/m', $rollup, $found);
    $kb = array_combine($found[1], $found[2]);
    return [
        'pss_kb' => (int) $kb['Pss'],
        'private_kb' => $kb['Private_Clean'] + $kb['Private_Dirty'],
    ];
}
