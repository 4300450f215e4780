<?php

declare(strict_types=1);

/**
 * What a cycle takes without PHP with the engine's codec and with redis-rs, and the share in
 * percent that redis-rs has in it, by size and way (raw-redis/main.rs); null where nobody uses a
 * Redis.
 */
function measure_redis_rs(Bench $bench): ?array
{
    if (!in_array('redis', array_column($bench->handlers, 'server'), true)) {
        return null;
    }
    $bench->progress('redis-rs');
    $result = shell_exec(escapeshellarg($bench->options->raw_redis));
    return json_decode((string) $result, true, flags: JSON_THROW_ON_ERROR);
}
