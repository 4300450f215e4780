<?php

/**
 * The functions that the sessclust extension adds to PHP, for editors and static analysis.
 * php-tests/basic/stubs.phpt compares this file with the loaded extension.
 */

/**
 * What sessions cost.
 *
 * `request`: this request's sessions. `lock_wait_us`: microseconds spent waiting for other requests
 * that held the session; `read_us`: opening and reading, without that wait; `write_us`: writing or
 * marking as used; `read_bytes` and `written_bytes`: session data; `round_trips`: how often a node
 * of the pool was waited for, connecting and renewing locks included; 0 with the embedded store.
 *
 * `counters`: totals since the start of the server, of all processes that share it (the workers of
 * one php-fpm master or Apache; the command line counts for itself). phpinfo() explains each.
 *
 * - sessions: `opens`, `hits`, `waits`, `wait_us`, `lock_failures`, `commits`, `touches`, `destroys`,
 *   `read_bytes`, `written_bytes`, `damaged`
 * - embedded store: `recovered`, `swept`, `sweep_errors`
 * - pool: `connect_failures`, `reconnects`, `timeouts`, `broken_connections`, `nodes_down`,
 *   `failovers`, `repairs`, `server_errors`, `renewals`, `takeovers`, `delayed_failures`
 * - pool, while no node answers: `outages`, `local_sessions`, `local_moved`, `local_dropped`
 * - both: `warnings`, `panics`
 *
 * @return array{request: array<string, int>, counters: array<string, int>}
 */
function sessclust_stats(): array {}

/**
 * The nodes that hold the sessions, once a session_start() of this process has opened the store;
 * before that, none.
 *
 * With the embedded store it is one: `type` is "local", `state` "up" or "down" (it cannot be used
 * now), `directory` where this user's sessions are.
 *
 * With a pool they are those of session.save_path, in its order: `type` is "memcached" or "redis",
 * which Valkey is too; `state` is "up", or "down" once it has not answered, until it answers
 * steadily again; `drained` whether the operator has taken it out of use, up or down; `failures`
 * how often in a row it has failed; `since` the Unix time at which it went down, or came back, null
 * if it never was down; `reason` why it failed the last time; `latency_us` how long it last took,
 * in microseconds, to answer when it was looked for, null if it never was. All this is known to all
 * processes of this user on this machine and forgotten when the machine is restarted. `address` is
 * host:port, the path of a socket, the name that sentinels know with their addresses
 * (name@host:port,host:port), or the servers of a cluster that session.save_path names; `weight` a
 * number; `server` the version and protocol that the server told this process, as in "1.6.18, meta
 * protocol", empty if it is not connected. Nothing is asked for this.
 *
 * @return list<array<string, string|int|bool|null>>
 */
function sessclust_nodes(): array {}
