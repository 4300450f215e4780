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
 * marking as used; `read_bytes` and `written_bytes`: session data.
 *
 * `counters`: totals since the start of the server, of all processes that share it (the workers of
 * one php-fpm master or Apache; the command line counts for itself). phpinfo() explains each.
 *
 * @return array{request: array<string, int>, counters: array<string, int>}
 */
function sessclust_stats(): array {}

/**
 * The nodes that hold the sessions. With the embedded store it is one, known after the first
 * session_start() of the process: `type` is "local", `state` is "up", `directory` is where this
 * user's sessions are.
 *
 * @return list<array<string, string>>
 */
function sessclust_nodes(): array {}
