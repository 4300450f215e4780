<?php
declare(strict_types=1);

/** One request, and what happened to it. */
final class Request
{
    public function __construct(
        public readonly string $method,
        public readonly string $path,
        /** Number of the session, from 0. */
        public readonly int $session,
        /** The Cookie header's value; empty to send none. */
        public readonly string $cookie = '',
        /** HTTP status of the answer; 0 if the connection was closed instead. */
        public int $status = 0,
        /** Body of the answer. */
        public array $answer = [],
        /** The cookie that the answer sets, if any. */
        public string $set_cookie = '',
    ) {
    }
}

/**
 * Some clients in one process, each with a connection to the web server that stays open, that send
 * their next request as soon as the last one is answered.
 */
final class Clients
{
    /** Seconds between two calls of the tick. */
    public const TICK_S = 0.5;
    /** Longest time without any answer. Above nginx's own 60 s and all waiting for locks. */
    private const DEADLINE_S = 90;

    /** @var array<int, resource> */
    private array $streams = [];
    /** @var array<int, Request> requests under way, by client */
    private array $requests = [];
    /** @var array<int, string> what has arrived, by client */
    private array $buffers = [];

    public function __construct(private readonly string $authority)
    {
    }

    /**
     * Keeps `$count` clients busy until `$next()` gives null instead of a Request and all answers
     * are there. `$done(Request)` gets each of them.
     */
    public function run(int $count, callable $next, callable $done, callable $tick): void
    {
        $tick_s = microtime(true) + self::TICK_S;
        $answered_s = microtime(true);
        for ($client = 0; $client < $count; $client++) {
            $this->send($client, $next);
        }
        while ($this->requests) {
            $left_s = max($tick_s - microtime(true), 0);
            foreach ($this->ready($left_s) as $client => $stream) {
                $request = $this->requests[$client];
                $this->buffers[$client] .= fread($stream, 65536);
                if (!$this->parse($request, $this->buffers[$client])) {
                    if (!feof($stream)) {
                        continue;
                    }
                    $request->answer = ['error' => 'the web server closed the connection'];
                    unset($this->streams[$client]);
                }
                $answered_s = microtime(true);
                unset($this->requests[$client]);
                $done($request);
                $this->send($client, $next);
            }
            if (microtime(true) >= $tick_s) {
                $tick();
                $tick_s = microtime(true) + self::TICK_S;
            }
            if (microtime(true) - $answered_s > self::DEADLINE_S) {
                stop('no answer within ' . self::DEADLINE_S . ' s');
            }
        }
    }

    private function send(int $client, callable $next): void
    {
        $request = $next();
        if ($request === null) {
            return;
        }
        $this->streams[$client] ??= stream_socket_client("tcp://$this->authority")
            ?: stop("cannot connect to $this->authority");
        stream_set_blocking($this->streams[$client], false);
        $cookie = $request->cookie === '' ? '' : "Cookie: $request->cookie\r\n";
        fwrite($this->streams[$client], "$request->method $request->path HTTP/1.1\r\n"
            . "Host: $this->authority\r\nContent-Length: 0\r\n$cookie\r\n");
        $this->requests[$client] = $request;
        $this->buffers[$client] = '';
    }

    /** Streams of the requests that have news, at most `$seconds` from now. */
    private function ready(float $seconds): array
    {
        $read = array_intersect_key($this->streams, $this->requests);
        $none = null;
        // False: a signal came, such as that of a terminal that brings us back to the foreground.
        $found = @stream_select($read, $none, $none, 0, (int) ($seconds * 1e6));
        return $found === false ? [] : $read;
    }

    /**
     * Fills in the answer if `$buffer` is a whole one. Our PHP sends its length; what has none and
     * comes in chunks is an error page of php-fpm, of which the status is enough.
     */
    private function parse(Request $request, string $buffer): bool
    {
        [$head, $body] = explode("\r\n\r\n", $buffer, 2) + [1 => ''];
        if (!preg_match('~^HTTP/1.1 (\d+) ~', $head, $found)) {
            return false;
        }
        $whole = preg_match('~\r\nContent-Length: (\d+)~i', $head, $length)
            ? strlen($body) >= (int) $length[1] : str_ends_with($body, "\r\n0\r\n\r\n");
        if (!$whole) {
            return false;
        }
        $request->status = (int) $found[1];
        $request->answer = json_decode($body, true) ?? ['error' => "status $found[1]"];
        if (preg_match('~\r\nSet-Cookie: ([^;\r\n]+)~i', $head, $cookie)) {
            $request->set_cookie = $cookie[1];
        }
        return true;
    }
}
