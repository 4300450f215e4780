<?php

declare(strict_types=1);

/** A row of handlers.php, filled in: what `php -n` and `php-fpm -n` are told to use it. */
final class Handler
{
    /**
     * The same for all: strict mode on, nothing swept meanwhile, no cache headers, lazy_write as
     * PHP has it.
     */
    private const SETTINGS = [
        'session.use_strict_mode' => '1',
        'session.gc_probability' => '0',
        'session.cache_limiter' => '',
        'display_errors' => 'stderr',
    ];

    public readonly string $label;
    /** @var list<string> */
    public readonly array $extensions;
    public readonly string $server;
    /** Of its extension; null where that cannot be loaded. */
    public readonly ?string $version;
    private readonly array $settings;

    /**
     * @param list<string> $sockets of its servers, as it reaches them
     * @param list<string> $before what its workers' command begins with
     */
    public function __construct(
        public readonly string $name,
        array $row,
        public readonly string $directory,
        public readonly array $sockets,
        private readonly array $before,
        private readonly string $sessclust,
    ) {
        $this->label = $row['label'];
        $this->extensions = $row['extensions'] ?? [];
        $this->server = $row['server'] ?? '';
        $this->version = $this->probe();
        $paths = array_map(
            fn ($socket) => strtr($row['path'], ['{directory}' => $directory, '{socket}' => $socket]),
            $sockets,
        );
        $path = implode(',', $paths);
        $this->settings = self::SETTINGS + ($row['ini'] ?? [])
            + ['session.save_handler' => $row['handler'], 'session.save_path' => $path];
    }

    /**
     * Command line options; the values quoted, because an INI value may not hold a bare `=` or `?`.
     */
    public function options(array $more = []): array
    {
        $options = $this->loading();
        foreach ($this->settings + $more as $name => $value) {
            array_push($options, '-d', "$name=\"$value\"");
        }
        return $options;
    }

    /** The options that load its extensions and nothing else. */
    public function loading(): array
    {
        $options = [];
        foreach ($this->extensions as $extension) {
            $file = $extension === 'sessclust' ? $this->sessclust : $extension;
            array_push($options, '-d', "extension=$file");
        }
        return $options;
    }

    /** The command of a worker (under-test/cycle.php). */
    public function worker(): array
    {
        return [
            ...$this->before, PHP_BINARY, '-n',
            ...$this->options(['session.use_cookies' => '0']),
            dirname(__DIR__) . '/under-test/cycle.php',
        ];
    }

    /** The extension that has the handler. */
    public function extension(): string
    {
        return array_slice($this->extensions, -1)[0] ?? 'session';
    }

    private function probe(): ?string
    {
        $extension = $this->extension();
        $command = [PHP_BINARY, '-n', ...$this->loading(), '-r', "echo phpversion('$extension');"];
        $files = [1 => ['pipe', 'w'], 2 => ['file', '/dev/null', 'w']];
        $process = proc_open($command, $files, $pipes);
        $version = stream_get_contents($pipes[1]);
        return proc_close($process) === 0 && preg_match('/^[\w.-]+$/', $version) ? $version : null;
    }
}
