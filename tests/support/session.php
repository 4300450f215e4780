<?php
// The PHP application of the end-to-end tests: one command in, one line out.
//
//   php session.php                 reads commands from stdin, one per line, until end of file
//   php session.php COMMAND ARG...  runs one command; a system call marks where it begins
//   php-fpm                         runs the command in the query string
//
// A command is words separated by spaces. The answer is one line of fields separated by tabs: "ok"
// or "false", the value, then every warning PHP raised. `rewrite`, `hold`, `stage` and
// `increment_after` print lines of their own before the answer.

final class Failed extends Exception {}

$warnings = [];
set_error_handler(function (int $level, string $text) use (&$warnings): bool {
    $warnings[] = strtr($text, "\t\n", '  ');
    return true;
});

/** Prints a line at once, past PHP's output buffers, and in CLI without "headers already sent". */
function say(string $line): void
{
    if (PHP_SAPI === 'cli') {
        fwrite(STDOUT, "$line\n");
    } else {
        echo "$line\n";
        flush();
    }
}

function must(bool $done, string $what): void
{
    $done or throw new Failed($what);
}

function open(string $id, array $options = []): void
{
    session_id($id);
    must(session_start($options), 'session_start');
}

/** `session_write_close()` returns true whatever the handler said; PHP's warning tells. */
function commit(): void
{
    global $warnings;
    $failed = fn(string $text) => str_contains($text, 'Failed to write session data');
    must(session_write_close() && array_filter($warnings, $failed) === [], 'session_write_close');
}

/** Session data that shows by itself whether it is whole and whose it is. */
function record(string $id, int $number, int $bytes): array
{
    $pattern = str_repeat(md5("$id $number"), intdiv($bytes, 32) + 1);
    return ['id' => $id, 'number' => $number, 'data' => substr($pattern, 0, $bytes)];
}

/** What `record` stored: "number bytes", "empty", or "torn" for anything else. */
function inspect(string $id): string
{
    if ($_SESSION === []) {
        return 'empty';
    }
    ['number' => $number, 'data' => $data] = $_SESSION + ['number' => -1, 'data' => ''];
    $typed = is_int($number) && is_string($data);
    $whole = $typed && $_SESSION === record($id, $number, strlen($data));
    return $whole ? "$number " . strlen($data) : 'torn';
}

/** The life of a session: a token made when it is new, and how often it was incremented since. */
function life(): string
{
    return isset($_SESSION['life']) ? "$_SESSION[life] $_SESSION[n]" : 'empty';
}

function increment(): void
{
    $_SESSION['life'] ??= bin2hex(random_bytes(8));
    $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
}

/** Forks, runs `$work` in the child, and ends the child with 0 if that raised no warning. */
function fork(callable $work): int
{
    global $warnings;
    $pid = pcntl_fork();
    must($pid !== -1, 'pcntl_fork');
    if ($pid === 0) {
        $work();
        exit($warnings === [] ? 0 : 1);
    }
    return $pid;
}

/** Waits for children; false if one of them failed. */
function join_children(array $pids): void
{
    foreach ($pids as $pid) {
        pcntl_waitpid($pid, $status);
        must($status === 0, "child ended with $status");
    }
}

$commands = [
    'pid' => fn() => getmypid(),
    'descriptors' => fn() => count(scandir('/proc/self/fd')),
    'counter' => fn(string $name) => sessclust_stats()['counters'][$name],
    'nodes_up' => fn() => count(array_keys(array_column(sessclust_nodes(), 'state'), 'up')),
    'increment' => function (string $id) {
        open($id);
        increment();
        $life = life();
        commit();
        return $life;
    },
    // Leaves the commit to the end of the request, as most applications do.
    'increment_at_end' => function (string $id) {
        open($id);
        increment();
        return life();
    },
    // As a browser does: the id comes from the cookie, or PHP makes one and sends it.
    'visit' => function () {
        must(session_start(['use_cookies' => 1, 'use_strict_mode' => 1]), 'session_start');
        increment();
        return session_id() . ' ' . life();
    },
    // Begins a session and gives it up.
    'abandon' => function () {
        must(session_start(), 'session_start');
        $id = session_id();
        must(session_abort(), 'session_abort');
        return $id;
    },
    'life' => function (string $id) {
        open($id, ['read_and_close' => true]);
        return life();
    },
    'regenerate' => function (string $id) {
        open($id);
        increment();
        $life = life();
        must(session_regenerate_id(true), 'session_regenerate_id');
        $new = session_id();
        commit();
        return "$new $life";
    },
    'destroy' => function (string $id) {
        open($id);
        $life = life();
        must(session_destroy(), 'session_destroy');
        return $life;
    },
    'gc' => function (string $id) {
        open($id);
        $count = session_gc();
        must($count !== false, 'session_gc');
        must(session_abort(), 'session_abort');
        return $count;
    },
    'put' => function (string $id, string $number, string $bytes) {
        open($id);
        $_SESSION = record($id, (int) $number, (int) $bytes);
        commit();
    },
    'get' => function (string $id) {
        open($id);
        $found = inspect($id);
        must(session_abort(), 'session_abort');
        return $found;
    },
    'peek' => function (string $id) {
        open($id, ['read_and_close' => true]);
        return inspect($id);
    },
    // Opens and commits without a change: PHP calls update_timestamp instead of write.
    'touch' => function (string $id) {
        open($id);
        $found = inspect($id);
        commit();
        return $found;
    },
    // Prints its pid and writes for ever; prints the number of each write once PHP says it is done.
    'rewrite' => function (string $id, string $number, string $seed) {
        say((string) getmypid());
        mt_srand((int) $seed);
        for ($next = (int) $number;; $next++) {
            open($id);
            must(inspect($id) !== 'torn', 'inspect');
            $_SESSION = record($id, $next, mt_rand(1 << 10, 250 << 10));
            commit();
            say((string) $next);
        }
    },
    // Keeps the session locked until killed; prints its pid once it has it.
    'hold' => function (string $id) {
        open($id);
        say((string) getmypid());
        while (true) {
            sleep(3600);
        }
    },
    // Keeps the session locked until the next line on stdin, then increments and commits it.
    'stage' => function (string $id) {
        open($id);
        say('open');
        fgets(STDIN);
        increment();
        $life = life();
        commit();
        return $life;
    },
    // Prints its pid and keeps the session locked until a file exists, then increments and commits.
    'increment_after' => function (string $id, string $file) {
        open($id);
        say((string) getmypid());
        while (!file_exists($file)) {
            usleep(1000);
        }
        increment();
        $life = life();
        commit();
        return $life;
    },
    // After a use of its own, `$children` children and the parent each increment one session of
    // their own and a common one, `$rounds` times.
    'fork_after_use' => function (string $prefix, string $children, string $rounds) {
        global $commands;
        $work = function (int $who) use ($prefix, $rounds, $commands) {
            for ($round = 0; $round < (int) $rounds; $round++) {
                $commands['increment']("$prefix-$who");
                $commands['increment']("$prefix-common");
            }
        };
        $commands['increment']("$prefix-common");
        $pids = array_map(fn($who) => fork(fn() => $work($who)), range(1, (int) $children));
        $work(0);
        join_children($pids);
    },
    // A child that exits while its parent holds a session; the parent goes on as `stage`.
    'fork_while_open' => function (string $id) {
        open($id);
        increment();
        join_children([fork(fn() => null)]);
        say('open');
        fgets(STDIN);
        $life = life();
        commit();
        return $life;
    },
    // Opens files until the process may open no more, then runs the command.
    'without_descriptors' => function (string ...$words) {
        global $commands;
        $open = [];
        while ($file = @fopen('/dev/null', 'r')) {
            $open[] = $file;
        }
        $GLOBALS['warnings'] = [];
        return $commands[array_shift($words)](...$words);
    },
];

function answer(string $line): string
{
    global $commands, $warnings;
    $warnings = [];
    $words = explode(' ', $line);
    try {
        $value = $commands[array_shift($words)](...$words);
        $result = 'ok';
    } catch (Failed | Error $failed) {
        $value = $failed->getMessage();
        $result = 'false';
        // session_regenerate_id() throws what PHP's other session functions warn of.
        if ($failed instanceof Error) {
            $warnings[] = $value;
        }
        // A session whose commit failed is closed; one whose opening failed was never active.
        if (session_status() === PHP_SESSION_ACTIVE) {
            session_abort();
        }
    }
    return implode("\t", [$result, $value, ...$warnings]);
}

if (PHP_SAPI !== 'cli') {
    echo answer(urldecode($_SERVER['QUERY_STRING'])), "\n";
} elseif ($argc > 1) {
    file_exists('/sessclust-test-begin');
    say(answer(implode(' ', array_slice($argv, 1))));
} else {
    while (($line = fgets(STDIN)) !== false) {
        say(answer(rtrim($line, "\n")));
    }
}
