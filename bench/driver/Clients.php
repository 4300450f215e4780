<?php

declare(strict_types=1);

/**
 * A load generator: a few clients in this one process, each with a connection that stays open, that
 * ask for the next page as soon as they have the last one.
 */
final class Clients
{
    /** @var array<int, resource> */
    private array $streams = [];
    /** @var array<int, string> the Cookie header of each */
    private array $cookies;
    /** The id that the last Set-Cookie header gave. */
    public string $issued = '';
    /** The highest counter that was seen of each session, by cookie. @var array<string, int> */
    private array $counters = [];
    /** Answers by the pid of the child that gave them. @var array<int, int> */
    public array $served = [];
    /** Milliseconds of each answer. @var list<float> */
    public array $latencies = [];
    /** Answers 503: the handler gave up. */
    public int $refused = 0;

    /** `$cookies`: a session for each client, or '' for one that keeps none. */
    public function __construct(string $socket, private readonly string $path, array $cookies)
    {
        $this->cookies = $cookies;
        foreach ($cookies as $i => $_) {
            $this->streams[$i] = stream_socket_client("unix://$socket");
            stream_set_blocking($this->streams[$i], false);
        }
    }

    /**
     * Asks until `$enough()`, and waits for the answers that are still under way. Seconds it took.
     */
    public function run(callable $enough): float
    {
        $begin = hrtime(true);
        $sent = $buffers = [];
        foreach ($this->streams as $i => $_) {
            $this->ask($i, $sent);
        }
        while ($sent) {
            $ready = array_intersect_key($this->streams, $sent);
            $none = null;
            if (stream_select($ready, $none, $none, Process::DEADLINE) === 0) {
                throw new RuntimeException("$this->path: no answer in " . Process::DEADLINE . ' s');
            }
            foreach ($ready as $i => $stream) {
                $buffers[$i] = ($buffers[$i] ?? '') . fread($stream, 8192);
                if ($this->take($i, $buffers[$i])) {
                    $this->latencies[] = (hrtime(true) - $sent[$i]) / 1e6;
                    unset($sent[$i], $buffers[$i]);
                    if (!$enough()) {
                        $this->ask($i, $sent);
                    }
                } elseif (feof($stream)) {
                    throw new RuntimeException("$this->path: connection closed");
                }
            }
        }
        return (hrtime(true) - $begin) / 1e9;
    }

    /**
     * Updates that were answered with 200 and are not in the sessions, whose counters began at 1.
     */
    public function lost(): int
    {
        return array_sum($this->served) - array_sum($this->counters) + count($this->counters);
    }

    private function ask(int $i, array &$sent): void
    {
        $cookie = $this->cookies[$i] === '' ? '' : "Cookie: PHPSESSID={$this->cookies[$i]}\r\n";
        $sent[$i] = hrtime(true);
        fwrite($this->streams[$i], "GET /$this->path HTTP/1.1\r\nHost: bench\r\n$cookie\r\n");
    }

    /** Whether `$buffer` is a whole answer, which is then counted. */
    private function take(int $i, string $buffer): bool
    {
        [$head, $body] = explode("\r\n\r\n", $buffer, 2) + [1 => ''];
        if (!preg_match('~^HTTP/1.1 (\d+) .*\r\nContent-Length: (\d+)~s', $head, $found)) {
            return false;
        }
        if (strlen($body) < (int) $found[2]) {
            return false;
        }
        if ($found[1] === '200') {
            [$pid, $counter] = array_map('intval', explode(' ', $body));
            $this->served[$pid] = ($this->served[$pid] ?? 0) + 1;
            $session = $this->cookies[$i];
            $this->counters[$session] = max($counter, $this->counters[$session] ?? 0);
            if (preg_match('~\r\nSet-Cookie: PHPSESSID=([^;]+)~', $head, $cookie)) {
                $this->issued = $cookie[1];
            }
        } elseif ($found[1] === '503') {
            $this->refused++;
        } else {
            throw new RuntimeException("$this->path: $buffer");
        }
        return true;
    }
}
