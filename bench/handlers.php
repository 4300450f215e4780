<?php

declare(strict_types=1);

/*
 * The save handlers that are compared. A row is all it takes to add one:
 *
 *   label       what the tables call it
 *   extensions  loaded in this order into `php -n`; the last one is that of the handler (Debian's
 *               redis.so and memcached.so need igbinary, memcached.so msgpack too)
 *   handler     session.save_handler
 *   path        session.save_path; {directory} is the row's own directory, {socket} the Unix socket
 *               of its server
 *   ini         further settings: what locking takes, and what the row is about
 *   place       "disk" or "tmpfs", where {directory} is
 *   server      a key of server_command(); each row has a server of its own
 *   nodes       how many of them, if several: {path} is then repeated for each, with a comma between
 *   delay       microseconds that a message to or from a server takes longer (delay/main.rs)
 *   apart       true: PHP and the server are kept on a processor each
 *   cycle       true: only cycles are measured, for a comparison with another row
 */

// What a second copy costs: the same pool of three nodes with one and with two, near and far.
$pools = [];
foreach (['near' => 0, 'far' => 1000] as $place => $delay) {
    foreach ([1 => '1 copy', 2 => '2 copies'] as $replicas => $copies) {
        $pools["sessclust-$place-$replicas"] = [
            'label' => "sessclust, 3 nodes, $copies" . ($delay ? ', 1 ms away' : ''),
            'extensions' => ['sessclust'],
            'handler' => 'sessclust',
            'path' => 'memcached+unix://{socket}',
            'ini' => [
                'sessclust.replicas' => (string) $replicas,
                // A pause of a busy machine is no node that fails.
                'sessclust.request_timeout' => '1900ms',
            ],
            'server' => 'memcached',
            'nodes' => 3,
            'delay' => $delay,
            'cycle' => true,
        ];
    }
}

$rows = [
    'files' => [
        'label' => 'files, disk',
        'handler' => 'files',
        'path' => '{directory}',
        'place' => 'disk',
    ],
    'files-tmpfs' => [
        'label' => 'files, tmpfs',
        'handler' => 'files',
        'path' => '{directory}',
        'place' => 'tmpfs',
    ],
    'redis' => [
        'label' => 'php-redis',
        'extensions' => ['igbinary', 'redis'],
        'handler' => 'redis',
        'path' => 'unix://{socket}',
        'ini' => ['redis.session.locking_enabled' => '1'],
        'server' => 'redis',
    ],
    'redis-persistent' => [
        'label' => 'php-redis, persistent',
        'extensions' => ['igbinary', 'redis'],
        'handler' => 'redis',
        'path' => 'unix://{socket}?persistent=1',
        'ini' => ['redis.session.locking_enabled' => '1'],
        'server' => 'redis',
    ],
    'memcached' => [
        'label' => 'php-memcached',
        'extensions' => ['igbinary', 'msgpack', 'memcached'],
        'handler' => 'memcached',
        'path' => '{socket}:0',
        'ini' => ['memcached.sess_locking' => '1'],
        'server' => 'memcached',
    ],
    'memcached-persistent' => [
        'label' => 'php-memcached, persistent',
        'extensions' => ['igbinary', 'msgpack', 'memcached'],
        'handler' => 'memcached',
        'path' => '{socket}:0',
        'ini' => ['memcached.sess_locking' => '1', 'memcached.sess_persistent' => '1'],
        'server' => 'memcached',
    ],
    'memcache' => [
        'label' => 'php-memcache',
        'extensions' => ['memcache'],
        'handler' => 'memcache',
        'path' => 'unix://{socket}',
        'server' => 'memcached',
    ],
    'sessclust' => [
        'label' => 'sessclust, disk',
        'extensions' => ['sessclust'],
        'handler' => 'sessclust',
        'path' => 'local://{directory}',
        'place' => 'disk',
    ],
    'sessclust-tmpfs' => [
        'label' => 'sessclust, tmpfs',
        'extensions' => ['sessclust'],
        'handler' => 'sessclust',
        'path' => 'local://{directory}',
        'place' => 'tmpfs',
    ],
    'sessclust-memcached' => [
        'label' => 'sessclust, memcached',
        'extensions' => ['sessclust'],
        'handler' => 'sessclust',
        'path' => 'memcached+unix://{socket}',
        'server' => 'memcached',
    ],
    'sessclust-memcached-delayed' => [
        'label' => 'sessclust, memcached, delayed',
        'extensions' => ['sessclust'],
        'handler' => 'sessclust',
        'path' => 'memcached+unix://{socket}',
        'ini' => ['sessclust.write' => 'delayed'],
        'server' => 'memcached',
    ],
    'sessclust-redis' => [
        'label' => 'sessclust, redis',
        'extensions' => ['sessclust'],
        'handler' => 'sessclust',
        'path' => 'redis+unix://{socket}',
        'server' => 'redis',
    ],
    'sessclust-redis-delayed' => [
        'label' => 'sessclust, redis, delayed',
        'extensions' => ['sessclust'],
        'handler' => 'sessclust',
        'path' => 'redis+unix://{socket}',
        'ini' => ['sessclust.write' => 'delayed'],
        'server' => 'redis',
    ],
    ...$pools,
];

// What it is worth that the kernel mostly has a client and the server it waits for on one processor.
foreach (['redis', 'sessclust-redis', 'sessclust-redis-delayed'] as $name) {
    $rows["$name-apart"] = [
        'label' => "{$rows[$name]['label']}, a core each", 'apart' => true, 'cycle' => true,
    ] + $rows[$name];
}
return $rows;
