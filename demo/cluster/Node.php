<?php
declare(strict_types=1);

/** A memcached as its own statistics show it. */
final class Node
{
    /** Longest time to start or to answer. */
    private const DEADLINE_S = 10;

    /** What `stats` says, by name; empty while the node does not answer. */
    public array $stats = [];
    /** @var list<string> keys of all its items, in no order */
    public array $keys = [];

    public function __construct(public readonly string $name, private readonly string $socket)
    {
    }

    /** Waits until it listens. */
    public function await(): void
    {
        $deadline_s = microtime(true) + self::DEADLINE_S;
        while (!$this->ask()) {
            microtime(true) < $deadline_s || stop("no memcached on $this->socket");
            usleep(10_000);
        }
    }

    /** Gets the statistics and the keys anew. False if the node does not answer. */
    public function ask(): bool
    {
        $this->stats = [];
        $stream = @stream_socket_client("unix://$this->socket");
        if (!$stream) {
            $this->keys = [];
            return false;
        }
        stream_set_timeout($stream, self::DEADLINE_S);
        foreach ($this->lines($stream, 'stats') as $line) {
            [, $name, $value] = explode(' ', $line, 3);
            $this->stats[$name] = $value;
        }
        $keys = [];
        foreach ($this->lines($stream, 'lru_crawler metadump all') as $line) {
            if (str_starts_with($line, 'BUSY')) {
                return true;    // The crawler is at work; the keys are those of the last time.
            }
            $keys[] = rawurldecode(substr($line, strlen('key='), strcspn($line, ' ') - strlen('key=')));
        }
        $this->keys = $keys;
        return true;
    }

    public function number(string $name): int
    {
        return (int) ($this->stats[$name] ?? 0);
    }

    /** The lines of the answer, without the END. @param resource $stream */
    private function lines($stream, string $command): Generator
    {
        fwrite($stream, "$command\r\n");
        while (($line = fgets($stream)) !== false && rtrim($line) !== 'END') {
            yield rtrim($line);
        }
    }
}
