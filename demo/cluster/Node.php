<?php
declare(strict_types=1);

/** A memcached as its own statistics show it. */
final class Node
{
    /** Longest time to start or to answer. */
    private const DEADLINE_S = 10;

    /** Keys asked for in a row, so that neither side waits for the other to read. */
    private const KEYS_AT_ONCE = 200;

    /** What `stats` says, by name; empty while the node does not answer. */
    public array $stats = [];
    /** Which of the keys it was asked for it has, by key. */
    public array $has = [];

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

    /**
     * Gets the statistics anew, and which of the keys the node has. False if it does not answer.
     *
     * It is asked for keys with `me`, which neither counts as a hit nor marks the item as used.
     */
    public function ask(array $keys = []): bool
    {
        $this->stats = $this->has = [];
        $stream = @stream_socket_client("unix://$this->socket");
        if (!$stream) {
            return false;
        }
        stream_set_timeout($stream, self::DEADLINE_S);
        fwrite($stream, "stats\r\n");
        while (sscanf((string) fgets($stream), 'STAT %s %s', $name, $value) === 2) {
            $this->stats[$name] = $value;
        }
        foreach (array_chunk($keys, self::KEYS_AT_ONCE) as $chunk) {
            fwrite($stream, implode('', array_map(fn ($key) => "me $key\r\n", $chunk)));
            foreach ($chunk as $key) {
                if (str_starts_with((string) fgets($stream), 'ME ')) {
                    $this->has[$key] = true;
                }
            }
        }
        return $this->stats !== [];
    }

    /** Ends it as a crash would. */
    public function kill(): void
    {
        exec('kill -9 ' . $this->number('pid'), result_code: $code);
        $code === 0 || stop("cannot kill $this->name");
    }

    public function number(string $name): int
    {
        return (int) ($this->stats[$name] ?? 0);
    }
}
