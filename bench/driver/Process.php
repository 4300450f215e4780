<?php

declare(strict_types=1);

/**
 * A child process that lives no longer than the benchmark.
 *
 * stop() ends it at the end of a run, also on Ctrl-C (see Bench). Should the driver itself be
 * killed with
 * -9, the kernel sends the child a SIGTERM: setpriv asks for that before it becomes the program.
 */
final class Process
{
    /** Seconds a child may take to start or to end. */
    public const DEADLINE = 20;

    /** @var resource */
    private $process;
    /** @var array<int, resource> stdin and stdout */
    public readonly array $pipes;
    public readonly int $pid;

    /** Standard error goes to the file `$log`. */
    public function __construct(array $command, private readonly string $log)
    {
        $this->process = proc_open(
            ['setpriv', '--pdeathsig', 'TERM', ...$command],
            [['pipe', 'r'], ['pipe', 'w'], ['file', $log, 'a']],
            $pipes,
        ) ?: throw new RuntimeException("cannot start $command[0]");
        $this->pipes = $pipes;
        $this->pid = proc_get_status($this->process)['pid'];
    }

    /** Waits until the server answers on its Unix socket. */
    public function awaitSocket(string $socket): void
    {
        $deadline = hrtime(true) + self::DEADLINE * 1e9;
        while (!($stream = @stream_socket_client("unix://$socket"))) {
            if (hrtime(true) > $deadline || !proc_get_status($this->process)['running']) {
                throw new RuntimeException("no server on $socket: " . $this->errors());
            }
            usleep(2000);
        }
        fclose($stream);
    }

    /** What it wrote to standard error, for a message. */
    public function errors(): string
    {
        return trim((string) file_get_contents($this->log)) ?: "see $this->log";
    }

    public function stop(): void
    {
        array_map(fclose(...), array_filter($this->pipes, is_resource(...)));
        proc_terminate($this->process);
        $deadline = hrtime(true) + self::DEADLINE * 1e9;
        while (proc_get_status($this->process)['running']) {
            if (hrtime(true) > $deadline) {
                proc_terminate($this->process, 9);
            }
            usleep(1000);
        }
    }
}
