<?php

declare(strict_types=1);

/** What the command line asks for; its help is the head of script/bench. */
final class Options
{
    public bool $quick = false;
    /**
     * @var list<string> names of handlers.php, or of servers, for all that use them; empty: all.
     * The files handler, the base of all ratios, always runs.
     */
    public array $only = [];
    /** Where the JSON, the Markdown and the plot go. */
    public string $out = '';
    /** Where the sessions "on disk" are. */
    public string $disk = '/var/tmp';
    /** The sessclust.so under test. */
    public string $extension = '';
    /** The program of raw/main.rs. */
    public string $raw = '';
    /** The program of raw-redis/main.rs. */
    public string $raw_redis = '';
    /** The program of delay/main.rs. */
    public string $delay = '';

    public function __construct(array $arguments)
    {
        while (($option = array_shift($arguments)) !== null) {
            match ($option) {
                '--quick' => $this->quick = true,
                '--only' => $this->only = explode(',', (string) array_shift($arguments)),
                '--out' => $this->out = (string) array_shift($arguments),
                '--disk' => $this->disk = (string) array_shift($arguments),
                '--extension' => $this->extension = (string) array_shift($arguments),
                '--raw' => $this->raw = (string) array_shift($arguments),
                '--raw-redis' => $this->raw_redis = (string) array_shift($arguments),
                '--delay' => $this->delay = (string) array_shift($arguments),
                default => stop("unknown option $option; --help shows them"),
            };
        }
        $known = array_keys(require dirname(__DIR__) . '/handlers.php');
        if ($wrong = array_diff($this->only, $known)) {
            stop('no handler ' . implode(', ', $wrong) . '; there are ' . implode(', ', $known));
        }
        is_dir($this->disk) || stop("no directory $this->disk");
        if (in_array(file_system($this->disk), ['tmpfs', 'ramfs'], true)) {
            stop("$this->disk is in memory; name a directory of a disk with --disk");
        }
    }
}

function stop(string $message): never
{
    fwrite(STDERR, "bench: $message\n");
    exit(2);
}
