<?php

declare(strict_types=1);

/* Pixels: room for the names, the longest bar, room for the figures behind it, and a line. */
const NAMES = 250;
const BAR = 330;
const FIGURES = 140;
const LINE = 24;

/** An SVG picture: a panel of bars for each size of the cycle, and one for contention. */
function plot(Bench $bench, array $results): string
{
    $panels = [];
    foreach ($results['cycle'] as $size => $handlers) {
        $bars = array_map(fn ($of) => [$of['us']['median'], $of['of_files']['median']], $handlers);
        $panels[] = panel($bench, "One cycle of $size: µs (shorter is better)", $bars);
    }
    $panels[] = panel(
        $bench,
        CONTENDERS . ' processes, one session: increments a second (longer is better)',
        array_map(
            fn ($of) => [$of['per_second']['median'], $of['of_files']['median']],
            $results['contention'],
        ),
    );

    $width = NAMES + BAR + FIGURES;
    $height = LINE * (count($bench->workers) + 2);
    [$total_width, $total_height] = [2 * $width + 20, 2 * $height + LINE];
    $svg = <<<SVG
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $total_width $total_height"
             font-family="system-ui, sans-serif" font-size="13" role="img">
        <title>PHP's session handlers compared</title>
        <rect width="100%" height="100%" fill="#fff"/>

        SVG;
    foreach ($panels as $i => $panel) {
        [$x, $y] = [$i % 2 * $width + 20, intdiv($i, 2) * $height + 10];
        $svg .= "<g transform=\"translate($x $y)\">\n$panel</g>\n";
    }
    $y = $total_height - 12;
    $caption = 'In brackets: as a multiple of the files handler on disk, in the same rounds.';
    return "$svg<text x=\"20\" y=\"$y\" fill=\"#666\">$caption</text>\n</svg>\n";
}

/** `$bars`: for each worker the value shown and its ratio to that of the files handler on disk. */
function panel(Bench $bench, string $title, array $bars): string
{
    $longest = max(array_column($bars, 0));
    $svg = "<text y=\"16\" font-weight=\"600\" fill=\"#222\">$title</text>\n";
    $y = LINE + 6;
    foreach ($bars as $name => [$value, $ratio]) {
        [$colour, $weight] = match (strtok($name, '-')) {
            'sessclust' => ['#d9480f', 600],
            'files' => ['#495057', 400],
            'raw' => ['#ced4da', 400],
            default => ['#8fa3b8', 400],
        };
        $width = max(1, (int) (BAR * $value / $longest));
        $figures = number($value, $value < 100 ? 1 : 0) . ' (' . number($ratio, 2) . ')';
        $baseline = $y + 14;
        $left = NAMES;
        $right = NAMES + $width + 6;
        $svg .= <<<SVG
            <g fill="#222" font-weight="$weight">
            <text y="$baseline">{$bench->label($name)}</text>
            <rect x="$left" y="$y" width="$width" height="18" rx="2" fill="$colour"/>
            <text x="$right" y="$baseline">$figures</text>
            </g>

            SVG;
        $y += LINE;
    }
    return $svg;
}
