<?php
declare(strict_types=1);

// The demo's self-check: a small load of real requests, whose result has to be exact.
//
//   php check.php URL FPM_PID
//
// Prints a table of what was tried and what the sessions cost. The exit code is 0 if all of it
// held. Only PHP's core is used, with plain sockets, so that nothing has to be installed for it.

require __DIR__ . '/terminal.php';

/** Increments sent one after the other, to see what a session costs without a crowd. */
const ALONE = 200;
/** Increments sent at once, and how many connections are open at a time. */
const TOGETHER = 400;
const CONNECTIONS = 16;
/** Longest wait for any answer, in seconds. Far above all that is expected. */
const DEADLINE_S = 30;

/** One request on a connection of its own, answered in the background. */
final class Exchange
{
    /** @var resource */
    public $stream;
    public string $reply = '';
    private float $sent_s;
    public float $took_ms = 0;

    public function __construct(string $method, string $path, array $headers, array $fields)
    {
        global $authority;
        $this->sent_s = microtime(true);
        $this->stream = stream_socket_client("tcp://$authority", $code, $error, DEADLINE_S)
            ?: stop("cannot connect to $authority: $error");
        $body = http_build_query($fields);
        // HTTP/1.0: the server closes the connection at the end of its answer.
        $request = "$method $path HTTP/1.0\r\nHost: $authority\r\n";
        if ($method === 'POST') {
            $headers['Content-Type'] = 'application/x-www-form-urlencoded';
            $headers['Content-Length'] = strlen($body);
        }
        foreach ($headers as $name => $value) {
            $request .= "$name: $value\r\n";
        }
        fwrite($this->stream, "$request\r\n$body");
        stream_set_blocking($this->stream, false);
    }

    /** Takes in what has arrived. True when that was the end. */
    public function receive(): bool
    {
        $this->reply .= stream_get_contents($this->stream);
        if (!feof($this->stream)) {
            return false;
        }
        $this->took_ms = (microtime(true) - $this->sent_s) * 1000;
        return true;
    }

    public function status(): int
    {
        return preg_match('~^HTTP/1\.. (\d+)~', $this->reply, $match) ? (int) $match[1] : 0;
    }

    public function body(): string
    {
        return explode("\r\n\r\n", $this->reply, 2)[1] ?? '';
    }

    public function json(): array
    {
        return json_decode($this->body(), true)
            ?? stop('no JSON but: ' . substr($this->reply, 0, 200));
    }
}

/** Waits until one of the exchanges has news, at most $seconds; returns those that have. */
function ready(array $exchanges, float $seconds): array
{
    $read = array_map(fn($exchange) => $exchange->stream, $exchanges);
    $none = null;
    stream_select($read, $none, $none, (int) $seconds, (int) (fmod($seconds, 1) * 1e6));
    return array_intersect_key($exchanges, $read);
}

function finish(Exchange $exchange): Exchange
{
    do {
        ready([$exchange], DEADLINE_S) ?: stop('no answer within ' . DEADLINE_S . ' s');
    } while (!$exchange->receive());
    return $exchange;
}

/** A browser as far as sessions go: it keeps the cookie and knows the token of the last page. */
final class Browser
{
    public string $cookie = '';
    public string $token = '';

    public function start(string $method, string $path, array $fields = []): Exchange
    {
        return new Exchange($method, $path, array_filter([
            'Cookie' => $this->cookie,
            'X-CSRF-Token' => $this->token,
        ]), $fields);
    }

    public function send(string $method, string $path, array $fields = []): Exchange
    {
        $exchange = finish($this->start($method, $path, $fields));
        if (preg_match('~^Set-Cookie: ([^;\r\n]+)~mi', $exchange->reply, $match)) {
            $this->cookie = $match[1];
        }
        if (preg_match('~<meta name="csrf" content="(\w+)"~', $exchange->body(), $match)) {
            $this->token = $match[1];
        }
        return $exchange;
    }

    /** Sends $count increments, $parallel at a time. */
    public function increment(int $count, int $parallel): array
    {
        $open = $done = [];
        for ($sent = 0; count($done) < $count;) {
            while ($sent < $count && count($open) < $parallel) {
                $open[$sent++] = $this->start('POST', '/api/increment');
            }
            $news = ready($open, DEADLINE_S) ?: stop('no answer within ' . DEADLINE_S . ' s');
            foreach ($news as $key => $exchange) {
                if ($exchange->receive()) {
                    $done[] = $exchange;
                    unset($open[$key]);
                }
            }
        }
        return $done;
    }

    public function state(): array
    {
        return $this->send('GET', '/api/state')->json();
    }
}

/** The value below which the $share of all lie; null if there are none. */
function share(array $values, float $share): ?int
{
    sort($values);
    return $values[(int) ceil($share * count($values)) - 1] ?? null;
}

[, $url, $fpm_pid] = $argv;
$authority = rtrim(substr($url, strlen('http://')), '/');
$browser = new Browser();

// --- Log in: the page before it is PHP's first session, with the id that must be gone afterwards.
$page = $browser->send('GET', '/login');
$page->status() === 200 || stop("the login page gives status {$page->status()}");
$before = clone $browser;
$login = $browser->send('POST', '/login', ['user' => 'demo', 'password' => 'demo']);
$browser->send('GET', '/');
$state = $browser->state();
$handler = $state['handler'];
echo "\n  ", colour('1', "php-fpm on nginx, session.save_handler = $handler"), "\n\n";
$old = $before->cookie;
$refused = $before->send('GET', '/');
row('Log in', sprintf('a new id, and the one from before is refused (%d ms)', $login->took_ms), [
    'the session knows the user' => $state['user'] === 'demo',
    'the id is a new one' => $browser->cookie !== $old,
    'the old id is sent to the login page' => $refused->status() === 303,
    'the old id is replaced by a fresh one (strict mode)' =>
        !in_array($before->cookie, [$old, $browser->cookie], true),
]);

// --- Cart.
foreach (['padlock', 'key', 'jar', 'bell', 'key'] as $product) {
    $browser->send('POST', '/cart', ['product' => $product, 'change' => 'add']);
}
$browser->send('POST', '/cart', ['product' => 'bell', 'change' => 'remove']);
$cookie_only = ['Cookie' => $browser->cookie];
$forged = finish(new Exchange('POST', '/cart', $cookie_only, ['product' => 'jar']));
$state = $browser->state();
row('Cart', sprintf('5 in, 1 out: %d articles, € %.2f', array_sum($state['cart']),
    $state['total_cents'] / 100), [
    'the cart holds a padlock, two keys and a jar' =>
        $state['cart'] === ['padlock' => 1, 'key' => 2, 'jar' => 1],
    'the total is € 50.40' => $state['total_cents'] === 5040,
    'a post without the token of the session is refused' => $forged->status() === 403,
]);

// --- Increments, first one by one, then many at once.
$alone = $browser->increment(ALONE, 1);
$count = $browser->state()['count'];
row('One after the other', sprintf('%d of %d counted, %.1f ms a request', $count, ALONE,
    array_sum(array_map(fn($r) => $r->took_ms, $alone)) / ALONE), [
    'every request counted once' => $count === ALONE,
]);

$began_s = microtime(true);
$together = $browser->increment(TOGETHER, CONNECTIONS);
$took_s = microtime(true) - $began_s;
$answers = array_map(fn($r) => $r->json(), $together);
$counts = array_column($answers, 'count');
sort($counts);
$workers = array_unique(array_map(fn($a) => $a['worker']['pid'], $answers));
$count = $browser->state()['count'];
row('All at once', sprintf('%d of %d counted, %d connections, %d workers, %d requests/s',
    $count - ALONE, TOGETHER, CONNECTIONS, count($workers), TOGETHER / $took_s), [
    'every request counted once' => $counts === range(ALONE + 1, ALONE + TOGETHER),
    'the counter is where it has to be' => $count === ALONE + TOGETHER,
    'more than one worker served' => count($workers) > 1,
]);

// --- A worker is killed while it holds the session and another request waits for it.
$holder = $browser->start('POST', '/api/hold');
do {
    ready([$holder], DEADLINE_S) ?: stop('the request that holds the session says nothing');
    $holder->receive();
} while (!str_ends_with($holder->body(), "\n"));
$pid = (int) $holder->body();
preg_match('/^PPid:\s+(\d+)/m', (string) file_get_contents("/proc/$pid/status"), $match);
($match[1] ?? '') === $fpm_pid || stop("process $pid is no worker of our php-fpm");
$next = $browser->start('POST', '/api/increment');
$blocked = ready([$next], 0.1) === [];
$killed_s = microtime(true);
exec("kill -9 $pid", result_code: $code);
$code === 0 || stop("cannot kill worker $pid");
$answer = finish($next)->json();
$waited_ms = (microtime(true) - $killed_s) * 1000;
finish($holder);
row('Worker killed with -9', sprintf('while holding the session; the next one had it %.1f ms later',
    $waited_ms), [
    'the next request waited while the session was held' => $blocked,
    'it came through within a second of the kill' => $waited_ms < 1000,
    'another worker served it' => $answer['worker']['pid'] !== $pid,
    'it saw the last version that was written' => $answer['count'] === ALONE + TOGETHER + 1,
]);

// --- Log out: the id is worth nothing from then on.
$gone = $browser->cookie;
$counters = $browser->state()['counters'];
$browser->send('POST', '/logout');
$late = finish(new Exchange('GET', '/', ['Cookie' => $gone], []));
row('Log out', 'the session is gone, and its id is refused', [
    'the old id is sent to the login page' => $late->status() === 303,
    'it is replaced by a fresh one' =>
        !str_contains($late->reply, $gone) && str_contains($late->reply, 'Set-Cookie'),
]);

// --- What it cost.
$widths = [12, 10, 14, 10, 10];
$line = function (string $name, array $cells, string $code = '0') use ($widths): void {
    echo '  ', pad($name, 26), colour($code, implode('', array_map(pad(...), $cells, $widths,
        array_fill(0, count($widths), true)))), "\n";
};
echo "\n";
$line('', ['', 'one by one', '', '', CONNECTIONS . ' at a time'], '2');
$line('', ['median', '99 %', 'median', '99 %', 'longest'], '2');
$rows = [
    'start_us' => 'session_start()',
    'lock_wait_us' => '  waiting for the lock',
    'read_us' => '  reading',
    'close_us' => 'session_write_close()',
    'write_us' => '  writing',
];
$costs = fn(array $answers, string $key) => array_filter(
    array_map(fn($a) => $a['cost'][$key], $answers), fn($value) => $value !== null);
$alone = array_map(fn($r) => $r->json(), $alone);
foreach ($rows as $key => $name) {
    $one = $costs($alone, $key);
    $all = $costs($answers, $key);
    $line($name, array_map(duration(...), [
        share($one, .5), share($one, .99), share($all, .5), share($all, .99), share($all, 1),
    ]));
}
$bytes = share($costs($answers, 'written_bytes'), .5);
echo "\n  ", $bytes === null ? 'The save handler tells no sizes.' : "A session of $bytes bytes.";
echo " Times of session_start() and session_write_close() are PHP's own, in the requests.\n";
foreach (array_chunk($counters, 6, true) as $line => $chunk) {
    echo $line === 0 ? '  Counters: ' : '            ',
        implode(', ', array_map(fn($n, $v) => "$n $v", array_keys($chunk), $chunk)), "\n";
}
echo "\n  ", $failures === 0
    ? colour('32;1', 'Everything held.')
    : colour('31;1', "Did not hold: $failures."), "\n";
exit($failures === 0 ? 0 : 1);
