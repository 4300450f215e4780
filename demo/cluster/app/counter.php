<?php
declare(strict_types=1);

// What both web servers of the cluster demo run: a counter in a plain PHP session.
//
//   POST /session     begins a session whose counter is 0
//   POST /increment   adds one to the counter
//   GET /count        says what it is
//
// 200 acknowledges a request. A session that could not be opened or saved without a warning makes
// it 503, one that the nodes no longer have 410, and neither counts.

/** Work between reading and writing, in microseconds: without a lock, updates get lost there. */
const WORK_US = 1000;

$warnings = [];
set_error_handler(function (int $level, string $text) use (&$warnings): bool {
    $warnings[] = $text;
    return false;    // PHP logs it as well.
});

function answer(int $status, array $data): never
{
    http_response_code($status);
    $body = json_encode($data, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
    header('Content-Type: application/json');
    header('Content-Length: ' . strlen($body));    // The connection stays open.
    exit($body);
}

$path = $_SERVER['REQUEST_URI'];
$asked_ns = hrtime(true);
$opened = session_start(['read_and_close' => $path === '/count']);
$start_us = intdiv(hrtime(true) - $asked_ns, 1000);

if ($opened && $path !== '/session' && session_id() !== ($_COOKIE[session_name()] ?? '')) {
    // Strict mode: an unknown id got a new session.
    $path === '/count' || session_destroy();
    answer(410, ['error' => 'the session is gone']);
}
if ($opened && $path === '/session') {
    $_SESSION['count'] = 0;
} elseif ($opened && $path === '/increment') {
    $count = $_SESSION['count'];
    usleep(WORK_US);
    $_SESSION['count'] = $count + 1;
}
if ($opened && $path !== '/count') {
    session_write_close();
}
if (!$opened || $warnings) {
    answer(503, ['error' => $warnings[0] ?? 'session_start() failed']);
}

$stats = function_exists('sessclust_stats') ? sessclust_stats() : null;
answer(200, [
    'server' => (int) get_cfg_var('demo.server'),
    'worker' => getmypid(),
    'count' => $_SESSION['count'],
    'start_us' => $start_us,
    'lock_wait_us' => $stats['request']['lock_wait_us'] ?? null,
    'counters' => $stats['counters'] ?? null,
]);
