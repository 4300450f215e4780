<?php
/**
 * Asks php-memcached where it places keys, for the pools of ring-pools.txt. See README.md.
 *
 * Prints a line for each key and a column for each pool and kind of ring, with the node's index in
 * the list. Tabs separate them, for session ids may hold commas. No server is needed: libmemcached
 * places a key before it connects.
 */

/** MEMCACHED_BEHAVIOR_KETAMA of libmemcached, for which the extension has no constant. */
const OPT_KETAMA = 3;

/** What the session handler sets for each value of memcached.sess_consistent_hash_type. */
const KINDS = ['weighted' => Memcached::OPT_LIBKETAMA_COMPATIBLE, 'plain' => OPT_KETAMA];

/** Keys like PHP's session ids, of every number of bits per character, and of other lengths. */
function keys(): array
{
    $digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-,';
    $lengths = [[32, 16], [26, 32], [22, 64], [40, 16], [64, 16], [48, 64], [1, 64], [250, 64]];
    $keys = [];
    for ($number = 0; $number < 320; $number++) {
        [$length, $base] = $lengths[$number % count($lengths)];
        $key = '';
        for ($at = 0; $at < $length; $at++) {
            $key .= $digits[ord(hash('sha256', "$number $at", true)) % $base];
        }
        $keys[] = $key;
    }
    return array_values(array_unique($keys));
}

/** A node, as Memcached::addServers() takes it. */
function node(string $text): array
{
    preg_match('/^(.+):(\d+):(\d+)$/', $text, $match) or throw new Exception("no node: $text");
    return [$match[1], (int) $match[2], (int) $match[3]];
}

$columns = [];
foreach (file(__DIR__ . '/ring-pools.txt', FILE_IGNORE_NEW_LINES) as $line) {
    [$name, $list] = explode(' ', $line);
    $nodes = array_map('node', explode(',', $list));
    foreach (KINDS as $kind => $option) {
        $pool = new Memcached();
        // Like the session handler: addServers() keeps port 0 of a Unix socket, where addServer()
        // makes it 11211, and the kind of ring comes last, for a weight above 1 changes it.
        $pool->addServers($nodes) or throw new Exception($pool->getResultMessage());
        $pool->setOption($option, 1) or throw new Exception($pool->getResultMessage());
        $columns["$name/$kind"] = [$pool, $nodes];
    }
}

echo implode("\t", ['key', ...array_keys($columns)]), "\n";
foreach (keys() as $key) {
    $row = [$key];
    foreach ($columns as [$pool, $nodes]) {
        $found = $pool->getServerByKey($key) ?: throw new Exception($pool->getResultMessage());
        $is_found = fn(array $node) => [$node[0], $node[1]] === [$found['host'], $found['port']];
        $row[] = array_key_first(array_filter($nodes, $is_found));
    }
    echo implode("\t", $row), "\n";
}
