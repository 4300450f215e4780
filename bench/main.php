<?php

/*
 * The driver of script/bench. It needs a PHP command line with pcntl and nothing else; every
 * measurement is a function of its own below measure/.
 */

declare(strict_types=1);

foreach (glob(__DIR__ . '/{driver,measure,report}/*.php', GLOB_BRACE) as $file) {
    require $file;
}

// A warning means that a figure would be wrong, except where an @ says that it is expected.
set_error_handler(
    fn (int $level, string $message) => error_reporting() & $level
        ? throw new ErrorException($message) : false,
);
set_exception_handler(function (Throwable $error): never {
    fwrite(STDERR, "\nbench: {$error->getMessage()}\n");
    exit(1);
});
$begin = hrtime(true);
$bench = new Bench(new Options(array_slice($argv, 1)));
$results = [
    'machine' => describe_machine($bench),
    'skipped' => $bench->skipped,
    'cycle' => measure_cycle($bench),
    'contention' => measure_contention($bench),
    'redis_rs' => measure_redis_rs($bench),
    'startup' => measure_startup($bench),
    'syscalls' => measure_syscalls($bench),
];
$server = new WebServer($bench);
$results['web'] = measure_web($bench, $server);
$results['memory'] = measure_memory($bench, $server);
$server->stop();
$results['goals'] = goals($results);
$results['seconds'] = (int) ((hrtime(true) - $begin) / 1e9);

$tables = tables($bench, $results);
// The last lines are those that stay in view: the goals and the cycle.
echo implode('', array_map(terminal(...), array_reverse($tables))), "\n";
foreach ($results['machine'] as $what => $value) {
    echo "$what: $value\n";
}
foreach ($bench->skipped as $name => $why) {
    echo "left out: $name ($why)\n";
}
save($bench, $results, $tables);

foreach ([$results['contention'], ...array_values($results['web'])] as $handlers) {
    foreach ($handlers as $name => $figures) {
        $figures['lost'] <= 0 || throw new RuntimeException("$name lost $figures[lost] updates");
    }
}
