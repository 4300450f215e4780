<?php

/*
 * One worker process: reads a request per line from its standard input, `["function",
 * [arguments]]`, and answers each with a line, `{"result": ...}` or `{"error": "..."}`. Ends at the
 * end of the input.
 *
 * It holds no extension but that of its save handler, and measures inside, so that the driver's
 * share and that of the pipe are in no figure.
 */

declare(strict_types=1);

/**
 * Sessions a worker goes through in turn, as one of a site's would: not the same one again at once.
 */
const SESSIONS = 32;

/** Bytes that the serialized session holds besides the text: `n|i:1000000;data|s:...:"...";`. */
const OVERHEAD = 30;

// A warning of a save handler is a failure here, not a line in a log.
set_error_handler(function (int $level, string $message): never {
    throw new ErrorException($message);
});

/** The id of a new session. In strict mode PHP replaces the id that we propose. */
function create(): string
{
    session_id(session_create_id());
    session_start();
    $_SESSION['n'] = 0;
    session_write_close();
    return session_id();
}

/** The counter of a session. */
function counter(string $id): int
{
    session_id($id);
    session_start();
    session_abort();
    return $_SESSION['n'];
}

/**
 * Runs `$count` cycles of about `$size` bytes after `$untimed` that only warm the caches up, and
 * returns the nanoseconds of each. The text is another one each time and its length changes by up
 * to 5 %.
 */
function cycles(int $size, int $untimed, int $count): array
{
    global $sessions;
    static $noise, $turn = 0;
    $noise ??= base64_encode(random_bytes(120_000));
    $sessions[$size] ??= array_map(
        fn () => ['id' => create(), 'n' => 0, 'data' => ''],
        range(1, SESSIONS),
    );

    $times = [];
    for ($i = -$untimed; $i < $count; $i++) {
        $session = &$sessions[$size][$turn++ % SESSIONS];
        $length = max(0, $size - OVERHEAD + mt_rand(-intdiv($size, 20), intdiv($size, 20)));
        $session['n']++;
        $session['data'] = substr($noise, mt_rand(0, strlen($noise) - $length), $length);
        session_id($session['id']);

        $start = hrtime(true);
        session_start();
        $_SESSION['n']++;
        $_SESSION['data'] = $session['data'];
        session_write_close();
        $end = hrtime(true);

        if ($i >= 0) {
            $times[] = $end - $start;
        }
    }
    return $times;
}

/**
 * The number of sessions, all read again: each holds what was written last, with no update lost.
 */
function verify(): int
{
    global $sessions;
    $read = 0;
    foreach (array_merge(...$sessions) as $expected) {
        session_id($expected['id']);
        session_start();
        session_abort();
        if ($_SESSION['n'] !== $expected['n'] || $_SESSION['data'] !== $expected['data']) {
            throw new RuntimeException("a session holds $_SESSION[n] of $expected[n] updates");
        }
        $read++;
    }
    return $read;
}

/**
 * Increments the counter of one session as often as it can, from the moment `$start` for
 * `$duration` (nanoseconds, hrtime: the same clock in all processes).
 */
function contend(string $id, int $start, int $duration): array
{
    $done = $refused = $waited = $longest = 0;
    usleep(max(0, intdiv($start - hrtime(true), 1000)));
    do {
        $asked = hrtime(true);
        $opened = null;
        try {
            session_id($id);
            session_start();
            $opened = hrtime(true);
            $_SESSION['n']++;
            session_write_close();
            $done++;
        } catch (ErrorException) {
            // The handler gave up waiting for the lock, which it may: the update is not
            // acknowledged.
            session_abort();
            $refused++;
        }
        $end = hrtime(true);
        $wait = ($opened ?? $end) - $asked;
        $waited += $wait;
        $longest = max($longest, $wait);
    } while ($end < $start + $duration);
    return compact('done', 'refused', 'waited', 'longest', 'end');
}

$sessions = [];
while ($line = fgets(STDIN)) {
    [$function, $arguments] = json_decode($line, true);
    try {
        $answer = ['result' => $function(...$arguments)];
    } catch (Throwable $error) {
        $answer = ['error' => $error->getMessage()];
    }
    fwrite(STDOUT, json_encode($answer) . "\n");
}
