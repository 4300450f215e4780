<?php

declare(strict_types=1);

/** A long-lived process that makes cycles (under-test/cycle.php), asked over its standard input. */
final class Worker
{
    private Process $process;

    /** `$name` names its log. */
    public function __construct(private readonly Bench $bench, string $name, array $command)
    {
        $this->process = $bench->start($name, $command);
    }

    /** Sends a request without waiting, so that several workers run at the same time. */
    public function send(string $function, mixed ...$arguments): void
    {
        fwrite($this->process->pipes[0], json_encode([$function, $arguments]) . "\n");
    }

    /** The answer to the last request. */
    public function receive(): mixed
    {
        $answer = json_decode((string) fgets($this->process->pipes[1]), true);
        if (!isset($answer['result'])) {
            throw new RuntimeException($answer['error'] ?? $this->process->errors());
        }
        return $answer['result'];
    }

    public function ask(string $function, mixed ...$arguments): mixed
    {
        $this->send($function, ...$arguments);
        return $this->receive();
    }

    /**
     * Context switches of all its threads. Those that the kernel calls involuntary count too: when
     * it lets a server run at once that has just been asked, it calls it that.
     */
    public function switches(): int
    {
        $switches = 0;
        foreach (glob("/proc/{$this->process->pid}/task/*/status") as $status) {
            preg_match_all('/ctxt_switches:\s*(\d+)/', file_get_contents($status), $found);
            $switches += array_sum($found[1]);
        }
        return $switches;
    }

    /** Lets it end by itself, which a tracer needs to write its report. */
    public function finish(): void
    {
        fclose($this->process->pipes[0]);
        stream_get_contents($this->process->pipes[1]);
        $this->stop();
    }

    public function stop(): void
    {
        $this->bench->stop($this->process);
    }
}
