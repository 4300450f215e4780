<?php
declare(strict_types=1);

// What both checks of the demo print with: columns, and rows that say what held.

$colours = stream_isatty(STDOUT);
$failures = 0;

function stop(string $why): never
{
    echo "  The check cannot go on: $why\n";
    exit(2);
}

function colour(string $code, string $text): string
{
    global $colours;
    return $colours ? "\e[{$code}m$text\e[0m" : $text;
}

/** Text in a column: str_pad() counts bytes, and "µ" is two. */
function pad(string $text, int $width, bool $right = false): string
{
    $space = str_repeat(' ', max($width - preg_match_all('/./us', $text), 0));
    return $right ? $space . $text : $text . $space;
}

/** One line of the table; $held says of each sentence whether it holds. */
function row(string $what, string $result, array $held): void
{
    global $failures;
    $broken = array_keys(array_filter($held, fn($holds) => !$holds));
    $failures += count($broken);
    $mark = $broken ? colour('31;1', 'no') : colour('32', 'ok');
    echo "  $mark  ", pad($what, 26), $result, "\n";
    foreach ($broken as $sentence) {
        echo '      ', colour('31;1', "does not hold: $sentence"), "\n";
    }
}

function duration(?float $us): string
{
    return match (true) {
        $us === null => '–',
        $us < 1000 => sprintf('%d µs', $us),
        $us < 1e6 => sprintf('%.1f ms', $us / 1000),
        default => sprintf('%.2f s', $us / 1e6),
    };
}
