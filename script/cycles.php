<?php
/*
 * Part of script/memcheck: uses sessions many times in one process and fails if the process grows.
 *
 * A cycle opens, reads, changes, writes and closes one of 50 sessions, whose size goes up and down
 * so that it needs more room and less. Every tenth cycle gives the session a new id, every
 * thousandth destroys it.
 */

const CYCLES = 100_000;
const WARM_UP = 10_000;
/** Less than one byte a cycle; the C library's heap varies by a few pages. */
const RESIDENT_GROWTH_MAX = 64 * 1024;

ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
set_error_handler(function (int $level, string $message) {
    throw new ErrorException($message, severity: $level);
});

/** What must not grow. RssAnon leaves out pages of files, which the kernel drops as it likes. */
function usage(): array
{
    preg_match('/^RssAnon:\s+(\d+) kB$/m', file_get_contents('/proc/self/status'), $resident);
    return [
        'resident bytes' => $resident[1] * 1024,
        'file descriptors' => count(scandir('/proc/self/fd')),
        'memory_get_usage()' => memory_get_usage(),
    ];
}

$ids = array_map(fn (int $i) => "cycle-$i", range(0, 49));
$counts = array_fill(0, 50, 0);
$sizes = [0, 100, 4_096, 100, 1_000, 100_000, 100];
$texts = array_map(fn (int $size) => str_repeat('x', $size), $sizes);
$before = usage();
$start = hrtime(true);
for ($cycle = 1; $cycle <= CYCLES; $cycle++) {
    $i = $cycle % 50;
    session_id($ids[$i]);
    session_start();
    if (($_SESSION['count'] ?? 0) !== $counts[$i]) {
        throw new Exception("cycle $cycle read another count than was written");
    }
    $_SESSION = ['count' => ++$counts[$i], 'text' => $texts[intdiv($cycle, 50) % count($texts)]];
    if ($cycle % 10 === 0) {
        session_regenerate_id(true);
        $ids[$i] = session_id();
    }
    if ($cycle % 1000 === 0) {
        session_destroy();
        $counts[$i] = 0;
    } else {
        session_write_close();
    }
    if ($cycle === WARM_UP) {
        $_SESSION = [];
        $before = usage();
    }
}
$seconds = (hrtime(true) - $start) / 1e9;
$_SESSION = [];
$after = usage();

printf("%d cycles with the handler %s in %.1f s\n", CYCLES, session_module_name(), $seconds);
$grown = 0;
foreach ($after as $what => $value) {
    $growth = $value - $before[$what];
    $max = $what === 'resident bytes' ? RESIDENT_GROWTH_MAX : 0;
    $grown += $growth > $max ? 1 : 0;
    printf("%20s: %+d after the first %d cycles, %d at most\n", $what, $growth, WARM_UP, $max);
}
exit($grown > 0 ? 1 : 0);
