<?php

declare(strict_types=1);

/** The value below which the share `$p` (0..1) of `$values` lies; nearest rank. */
function percentile(array $values, float $p): float
{
    sort($values);
    return (float) $values[max(0, (int) ceil($p * count($values)) - 1)];
}

function median(array $values): float
{
    return percentile($values, 0.5);
}

/** What the tables, the JSON and the plot show of many measured values. */
function summary(array $values): array
{
    return [
        'median' => median($values),
        'p10' => percentile($values, 0.1),
        'p90' => percentile($values, 0.9),
        'mean' => array_sum($values) / count($values),
        'max' => (float) max($values),
        'count' => count($values),
    ];
}

/**
 * The summary of `$values[i] / $base[i]`. Both were measured in the same round i, so that what
 * slows the machine for a while slows both and leaves the ratio alone.
 */
function paired_ratio(array $values, array $base): array
{
    return summary(array_map(fn ($value, $other) => $value / $other, $values, $base));
}
