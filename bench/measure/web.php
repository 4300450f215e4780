<?php

declare(strict_types=1);

/** Clients that ask all the time: as many as there are php-fpm children. */
const CLIENTS = WebServer::CHILDREN;

/** Sessions that the clients share in the second part: four to each. */
const SHARED = 2;

/**
 * php-fpm behind nginx: requests a second and milliseconds per request, once with a session for
 * each client, once with few sessions that they share, so that they wait for each other.
 */
function measure_web(Bench $bench, WebServer $server): array
{
    [$rounds, $seconds] = $bench->options->quick ? [2, 0.25] : [5, 1.0];
    $result = [];
    foreach (['own' => CLIENTS, 'shared' => SHARED] as $kind => $sessions) {
        $section = CLIENTS . " clients, $sessions sessions over php-fpm";
        $clients = $figures = [];
        foreach ($bench->handlers as $name => $_) {
            $ids = array_map(fn () => new_session($server, $name), range(1, $sessions));
            $cookies = array_map(fn ($i) => $ids[$i % $sessions], range(0, CLIENTS - 1));
            $clients[$name] = new Clients($server->socket, $name, $cookies);
        }
        for ($round = 0; $round <= $rounds; $round++) {
            $bench->progress($section, "round $round of $rounds");
            foreach (shuffled($clients) as $name => $of) {
                $figure = load($of, $seconds);
                if ($round > 0) {
                    $figures[$name][] = $figure;
                }
            }
        }
        $bench->progress($section);

        foreach ($bench->handlers as $name => $_) {
            $per_second = array_column($figures[$name], 'per_second');
            $result[$kind][$name] = [
                'per_second' => summary($per_second),
                'round_per_second' => $per_second,
                'ms' => summary(array_column($figures[$name], 'median_ms')),
                'p99_ms' => summary(array_column($figures[$name], 'p99_ms')),
                'refused' => $clients[$name]->refused,
                'lost' => $clients[$name]->lost(),
                'of_files' => paired_ratio(
                    $per_second, array_column($figures['files'], 'per_second'),
                ),
            ];
        }
    }
    return $result;
}

/** One turn of one handler. */
function load(Clients $clients, float $seconds): array
{
    $clients->latencies = [];
    $refused = $clients->refused;
    $end = hrtime(true) + $seconds * 1e9;
    $took = $clients->run(fn () => hrtime(true) >= $end);
    return [
        // A refused request is an answer but no work.
        'per_second' => (count($clients->latencies) - $clients->refused + $refused) / $took,
        'median_ms' => median($clients->latencies),
        'p99_ms' => percentile($clients->latencies, 0.99),
    ];
}

/** The id of a session that the first request of a client made; its counter is at 1. */
function new_session(WebServer $server, string $path): string
{
    $client = new Clients($server->socket, $path, ['']);
    $client->run(fn () => true);
    return $client->issued;
}
