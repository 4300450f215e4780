<?php

declare(strict_types=1);

/**
 * One nginx worker before a php-fpm per handler, each with its extension only; all on Unix sockets.
 */
final class WebServer
{
    /** Children of each php-fpm: as many as clients, so that no request waits for a child. */
    public const CHILDREN = 8;

    public readonly string $socket;
    /** @var array<string, Process> the php-fpm masters by handler, and nginx */
    public readonly array $processes;

    public function __construct(private readonly Bench $bench)
    {
        $this->socket = "$bench->scratch/nginx.socket";
        $processes = [];
        $locations = '';
        foreach ($bench->handlers as $name => $handler) {
            $socket = "$bench->scratch/$name-fpm.socket";
            $processes[$name] = $this->fpm($handler, $socket);
            $processes[$name]->awaitSocket($socket);
            $locations .= "location = /$name { fastcgi_pass unix:$socket; }\n";
        }
        $script = dirname(__DIR__) . '/under-test/page.php';
        $user = user();
        file_put_contents("$bench->scratch/nginx.conf", <<<CONF
            daemon off;
            user $user;
            worker_processes 1;
            pid nginx.pid;
            error_log stderr warn;
            events { worker_connections 256; }
            http {
                access_log off;
                client_body_temp_path body;
                fastcgi_temp_path fastcgi;
                proxy_temp_path proxy;
                scgi_temp_path scgi;
                uwsgi_temp_path uwsgi;
                keepalive_requests 10000000;
                keepalive_timeout 1h;
                fastcgi_param SCRIPT_FILENAME $script;
                fastcgi_param REQUEST_METHOD \$request_method;
                server { listen unix:$this->socket; $locations }
            }
            CONF);
        $processes['nginx'] = $bench->start('nginx', [
            'nginx', '-p', $bench->scratch, '-c', "$bench->scratch/nginx.conf", '-e', 'stderr',
        ]);
        $processes['nginx']->awaitSocket($this->socket);
        $this->processes = $processes;
    }

    private function fpm(Handler $handler, string $socket): Process
    {
        $user = user();
        $children = self::CHILDREN;
        $configuration = "{$this->bench->scratch}/$handler->name-fpm.conf";
        file_put_contents($configuration, <<<CONF
            [global]
            error_log = {$this->bench->scratch}/$handler->name-fpm.log
            log_level = warning
            [bench]
            user = $user
            listen = $socket
            pm = static
            pm.max_children = $children
            CONF);
        $version = PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;
        // Debian's name first; elsewhere it lies in PHP's own sbin.
        $program = is_executable("/usr/sbin/php-fpm$version") ? "/usr/sbin/php-fpm$version"
            : dirname(PHP_BINDIR) . '/sbin/php-fpm';
        return $this->bench->start("$handler->name-fpm", [
            $program, '-n', '--nodaemonize', '--allow-to-run-as-root',
            '--fpm-config', $configuration, ...$handler->options(['session.use_cookies' => '1']),
        ]);
    }

    public function stop(): void
    {
        array_map($this->bench->stop(...), array_reverse($this->processes));
    }
}
