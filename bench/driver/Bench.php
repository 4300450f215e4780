<?php

declare(strict_types=1);

/**
 * One run: its options, its directories, the handlers that can be used, and the processes it
 * started, all of which are gone when it ends, however it ends.
 */
final class Bench
{
    /**
     * Workers that make the round trips of a cycle to memcached servers of their own, without PHP
     * (raw/main.rs), if others use memcached: what they are called, and how many servers.
     */
    public const RAW = [
        'raw' => ['two raw round trips', 1],
        'raw-copies' => ['two raw round trips, 2 servers', 2],
    ];

    /** @var array<string, Handler> those that everything is measured of */
    public readonly array $handlers;
    /** @var array<string, Handler> with those of which only cycles are measured */
    private readonly array $all;
    /**
     * Sockets, logs and configuration; on tmpfs, and short: the path of a Unix socket may have 107
     * bytes.
     */
    public readonly string $scratch;
    /** @var array<string, string> "disk" and "tmpfs" */
    public readonly array $places;
    /**
     * The commands of all workers that make cycles: one for each handler, and those of RAW.
     *
     * @var array<string, list<string>>
     */
    public readonly array $workers;
    /** @var array<string, string> rows that are left out, and why */
    public array $skipped = [];
    /** @var array<int, Process> */
    private array $processes = [];

    public function __construct(public readonly Options $options)
    {
        // Without SA_RESTART, so that a signal interrupts a driver that waits for a worker.
        pcntl_async_signals(true);
        foreach ([SIGINT, SIGTERM, SIGHUP] as $signal) {
            pcntl_signal($signal, fn () => exit(128 + $signal), false);
        }
        register_shutdown_function($this->clean(...));

        $name = 'sessclust-bench.' . bin2hex(random_bytes(4));
        $this->scratch = "/dev/shm/$name";
        $this->places = ['disk' => "$options->disk/$name", 'tmpfs' => "$this->scratch/store"];
        foreach ([$this->scratch, ...$this->places] as $directory) {
            mkdir($directory, 0700);
        }
        $rows = require dirname(__DIR__) . '/handlers.php';
        $this->all = $this->usable($rows);
        $this->handlers = array_filter(
            $this->all, fn ($name) => !($rows[$name]['cycle'] ?? false), ARRAY_FILTER_USE_KEY,
        );

        $workers = array_map(fn ($handler) => $handler->worker(), $this->all);
        if (in_array('memcached', array_column($this->all, 'server'), true)) {
            foreach (self::RAW as $name => [, $nodes]) {
                $workers[$name] = [$options->raw];
                for ($node = 1; $node <= $nodes; $node++) {
                    $socket = "$this->scratch/$name.$node.socket";
                    $this->serve($name, 'memcached', $socket, $this->scratch, 0);
                    $workers[$name][] = $socket;
                }
            }
        }
        $this->workers = $workers;
    }

    private function usable(array $rows): array
    {
        $handlers = [];
        foreach ($rows as $name => $row) {
            $wanted = array_intersect([$name, $row['server'] ?? ''], $this->options->only);
            if ($this->options->only && !$wanted && $row['handler'] !== 'files') {
                continue;
            }
            $directory = ($this->places[$row['place'] ?? ''] ?? $this->scratch) . "/$name";
            $nodes = range(1, $row['nodes'] ?? 1);
            $sockets = array_map(fn ($node) => "$this->scratch/$name.$node.socket", $nodes);
            [$theirs, $ours] = [[], []];
            if ($row['apart'] ?? false) {
                $processors = processors();
                if (count($processors) < 2) {
                    $this->skipped[$name] = 'it takes two processors';
                    continue;
                }
                [$theirs, $ours] = array_map(only_on(...), $processors);
            }
            $handler = new Handler(
                $name, $row, $directory, $sockets, $ours, $this->options->extension,
            );
            if ($handler->version === null) {
                $why = 'PHP cannot load ' . implode(' ', $handler->loading());
                $row['handler'] === 'sessclust' && throw new RuntimeException($why);
                $this->skipped[$name] = $why;
                continue;
            }
            mkdir($directory, 0700);
            foreach ($handler->server ? $sockets : [] as $socket) {
                $this->serve(
                    $name, $handler->server, $socket, $directory, $row['delay'] ?? 0, $theirs,
                );
            }
            $handlers[$name] = $handler;
        }
        return $handlers;
    }

    /**
     * Starts a server for the row `$name` and waits until it answers; behind a link with a delay,
     * if `$delay` is more than 0 microseconds. `$before` is what its command begins with.
     */
    private function serve(
        string $name, string $server, string $socket, string $directory, int $delay,
        array $before = [],
    ): void {
        $own = $delay ? "$socket.server" : $socket;
        $command = [...$before, ...server_command($server, $own, $directory)];
        $this->start("$name-server", $command)->awaitSocket($own);
        if ($delay) {
            $link = [$this->options->delay, (string) $delay, $socket, $own];
            $this->start("$name-link", $link)->awaitSocket($socket);
        }
    }

    /** What tables and pictures call the handler, or a worker without one. */
    public function label(string $name): string
    {
        return isset($this->all[$name]) ? $this->all[$name]->label : self::RAW[$name][0];
    }

    /** `$name` names its log. */
    public function start(string $name, array $command): Process
    {
        $process = new Process($command, "$this->scratch/$name.log");
        return $this->processes[$process->pid] = $process;
    }

    public function stop(Process $process): void
    {
        unset($this->processes[$process->pid]);
        $process->stop();
    }

    /** Says on a terminal what is being measured; elsewhere one line per section is enough. */
    public function progress(string $section, string $detail = ''): void
    {
        static $last = '';
        if (stream_isatty(STDERR)) {
            fwrite(STDERR, "\r\e[K$section" . ($detail === '' ? "\n" : ": $detail"));
        } elseif ($section !== $last) {
            fwrite(STDERR, "$section\n");
        }
        $last = $section;
    }

    /**
     * A handler for each set of extensions, and for each kind of store if `$stores`; the settings
     * and the place of the sessions make no difference there.
     *
     * @return array<string, Handler> the files handler, which needs none, is first
     */
    public function extension_sets(bool $stores): array
    {
        $sets = [];
        foreach ($this->handlers as $handler) {
            $set = implode(', ', $handler->extensions) ?: 'none';
            $store = $stores && $handler->server ? " ($handler->server)" : '';
            $sets["$set$store"] = $handler;
        }
        return $sets;
    }

    private function clean(): void
    {
        array_map($this->stop(...), array_reverse($this->processes, true));
        array_map(remove(...), array_filter([$this->places['disk'], $this->scratch], is_dir(...)));
    }
}

/** What a command begins with that runs on one processor only. */
function only_on(int $processor): array
{
    return ['taskset', '--cpu-list', (string) $processor];
}

/** `$of` in another order, so that in no two rounds a handler always follows the same one. */
function shuffled(array $of): array
{
    $keys = array_keys($of);
    shuffle($keys);
    return array_replace(array_flip($keys), $of);
}

function remove(string $directory): void
{
    $inside = new RecursiveIteratorIterator(
        new RecursiveDirectoryIterator($directory, FilesystemIterator::SKIP_DOTS),
        RecursiveIteratorIterator::CHILD_FIRST,
    );
    foreach ($inside as $path => $file) {
        $file->isDir() && !$file->isLink() ? rmdir($path) : unlink($path);
    }
    rmdir($directory);
}
