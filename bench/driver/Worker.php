<?php

declare(strict_types=1);

/**
 * A long-lived `php -n` with one save handler (under-test/cycle.php), asked over its standard
 * input.
 */
final class Worker
{
    private Process $process;

    /** `$wrapper` is a command to run it under, such as strace. */
    public function __construct(
        private readonly Bench $bench,
        Handler $handler,
        array $wrapper = [],
    ) {
        $this->process = $bench->start($handler->name, [
            ...$wrapper, PHP_BINARY, '-n', ...$handler->options(['session.use_cookies' => '0']),
            dirname(__DIR__) . '/under-test/cycle.php',
        ]);
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
