<?php

declare(strict_types=1);

/** Writes the JSON, the plot, and the tables between the markers of the Markdown file. */
function save(Bench $bench, array $results, array $tables): void
{
    $out = $bench->options->out;
    is_dir($out) || mkdir($out, 0777, true);
    file_put_contents("$out/benchmarks.json", json_encode(
        rounded($results), JSON_PRETTY_PRINT | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES,
    ) . "\n");
    file_put_contents("$out/benchmarks.svg", plot($bench, $results));

    [$begin, $end] = ["<!-- script/bench: begin -->\n", "<!-- script/bench: end -->\n"];
    $machine = '';
    foreach ($results['machine'] as $what => $value) {
        $machine .= "* $what: $value\n";
    }
    $text = "$begin\n![The figures below as bars](benchmarks.svg)\n\n"
        . implode('', array_map(markdown(...), $tables))
        . "### Measured on\n\n$machine\n$end";
    $file = "$out/benchmarks.md";
    $old = is_file($file) ? file_get_contents($file) : "$begin$end";
    $around = explode($begin, $old)[0];
    file_put_contents($file, $around . $text . explode($end, $old)[1]);
    echo "written: $out/benchmarks.{md,json,svg}\n";
}

/** Four digits are more than the spread leaves of a figure. */
function rounded(mixed $value): mixed
{
    return match (true) {
        is_array($value) => array_map(rounded(...), $value),
        is_float($value) => $value >= 1000 ? round($value) : (float) sprintf('%.4g', $value),
        default => $value,
    };
}
