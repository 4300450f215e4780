<?php

/*
 * The driver of script/bench. It needs a PHP command line with pcntl and nothing else; every
 * measurement is a function of its own below measure/.
 */

declare(strict_types=1);

foreach (glob(__DIR__ . '/{driver,measure,report}/*.php', GLOB_BRACE) as $file) {
    require $file;
}

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
    'startup' => measure_startup($bench),
    'syscalls' => measure_syscalls($bench),
];
$server = new WebServer($bench);
$results['web'] = measure_web($bench, $server);
$results['memory'] = measure_memory($bench, $server);
$server->stop();
$results['goals'] = goals($results);
$results['seconds'] = (int) ((hrtime(true) - $begin) / 1e9);

$tables = [...tables($bench, $results), goal_table($results['goals'])];
echo implode('', array_map(terminal(...), $tables));
foreach ($bench->skipped as $name => $why) {
    echo "\nleft out: $name ($why)";
}
echo "\n";
save($bench, $results, $tables);

$lost = array_filter($results['contention'], fn ($figures) => $figures['lost'] > 0);
if ($lost) {
    fwrite(STDERR, 'bench: lost updates: ' . implode(', ', array_keys($lost)) . "\n");
    exit(1);
}
