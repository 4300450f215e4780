<?php

declare(strict_types=1);

/** Type of the file system that holds `$path`. */
function file_system(string $path): string
{
    $path = (string) realpath($path);
    $longest = $found = '';
    // Lines of /proc/mounts: device, mount point, type and more. A later one covers an earlier one.
    foreach (file('/proc/mounts') as $line) {
        [, $mount, $type] = explode(' ', $line);
        $inside = $mount === '/' || $path === $mount || str_starts_with($path, "$mount/");
        if ($inside && strlen($mount) >= strlen($longest)) {
            [$longest, $found] = [$mount, $type];
        }
    }
    return $found;
}

/**
 * Numbers of the processors that this process may use.
 *
 * @return list<int>
 */
function processors(): array
{
    // Ranges and single ones: 0-3,8
    preg_match('/^Cpus_allowed_list:\s*(\S+)/m', file_get_contents('/proc/self/status'), $list);
    $ranges = array_map(fn ($range) => explode('-', $range), explode(',', $list[1]));
    return array_merge(...array_map(fn ($of) => range((int) $of[0], (int) end($of)), $ranges));
}

/** What a reader needs to compare figures; nothing that names the machine. */
function describe_machine(Bench $bench): array
{
    preg_match('/^model name\s*:\s*(.+)$/m', (string) file_get_contents('/proc/cpuinfo'), $cpu);
    preg_match('/^MemTotal:\s*(\d+)/m', (string) file_get_contents('/proc/meminfo'), $memory);
    preg_match('/^PRETTY_NAME="(.+)"$/m', (string) file_get_contents('/etc/os-release'), $system);
    // The kernel's own version: what a site appends to it says nothing about speed.
    preg_match('/^[\d.]+/', php_uname('r'), $kernel);
    $machine = [
        'processor' => ($cpu[1] ?? php_uname('m')) . ', ' . (int) shell_exec('nproc') . ' cores',
        'memory' => round($memory[1] / 1024 ** 2) . ' GB',
        'system' => "$system[1], Linux $kernel[0]",
        'load before' => number(sys_getloadavg()[0], 1),
        'disk' => file_system($bench->places['disk']),
        'php' => PHP_VERSION . (PHP_ZTS ? ' ZTS' : ' NTS'),
        'nginx' => version('nginx -v 2>&1'),
    ];
    foreach ($bench->handlers as $handler) {
        if ($handler->extensions) {
            $machine["extension {$handler->extension()}"] = $handler->version;
        }
        if ($handler->server) {
            $program = server_command($handler->server, '', '')[0];
            $machine[$program] = version("$program --version");
        }
    }
    return $machine;
}

/** The first thing that looks like a version in what `$command` prints. */
function version(string $command): string
{
    preg_match('/\d+\.[\d.]+/', (string) shell_exec($command), $found);
    return $found[0] ?? 'unknown';
}
