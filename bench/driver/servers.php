<?php

declare(strict_types=1);

/** A server in the foreground, on the Unix socket only, that keeps nothing on disk. */
function server_command(string $server, string $socket, string $directory): array
{
    return match ($server) {
        'redis' => [
            'redis-server', '--port', '0', '--unixsocket', $socket, '--dir', $directory,
            '--save', '', '--appendonly', 'no', '--logfile', '/dev/stderr',
        ],
        // 256 MB: nothing is evicted. memcached wants to be told that it may run as root.
        'memcached' => ['memcached', '-s', $socket, '-m', '256', '-u', user()],
    };
}

/** The name of the user who runs this. */
function user(): string
{
    return trim((string) shell_exec('id -un'));
}
