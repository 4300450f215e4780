<?php
declare(strict_types=1);

/** Text for HTML, in elements and in quoted attributes. Everything printed goes through here. */
function e(string|int $text): string
{
    return htmlspecialchars((string) $text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
}

function money(int $cents): string
{
    return sprintf('€ %.2f', $cents / 100);
}

/** A time for people: three digits and the unit that fits; a dash for "not known". */
function duration(?int $us): string
{
    return match (true) {
        $us === null => '–',
        $us < 1000 => "$us µs",
        $us < 1_000_000 => sprintf($us < 10_000 ? '%.2f ms' : '%.1f ms', $us / 1000),
        default => sprintf('%.2f s', $us / 1_000_000),
    };
}

function size(int $bytes): string
{
    return $bytes < 10_000 ? number_format($bytes) . ' B' : sprintf('%.1f KB', $bytes / 1000);
}

/** Which worker answers: pids are told apart by host when several machines or containers serve. */
function worker(): array
{
    return ['pid' => getmypid(), 'host' => gethostname()];
}

/** The hidden field that every form needs; see Session::token_is_valid(). */
function csrf_field(): string
{
    return '<input type="hidden" name="csrf" value="' . e($_SESSION['csrf']) . '">';
}

/** Closes the session and sends a page. $view is a file of views/, $title its heading. */
function render(string $view, string $title, array $data = []): never
{
    $flash = $_SESSION['flash'] ?? null;
    unset($_SESSION['flash']);
    Session::close();
    extract($data);
    header('Content-Type: text/html; charset=utf-8');
    require __DIR__ . '/views/layout.php';
    exit;
}

/** Closes the session and sends JSON, with who served it and what the session cost. */
function render_json(array $data): never
{
    Session::close();
    header('Content-Type: application/json');
    exit(json_encode($data + [
        'worker' => worker(),
        'at_us' => Session::timeline_us(),
        'cost' => Session::cost(),
    ], JSON_THROW_ON_ERROR));
}

/** After a post: the browser asks for a page anew, so that reloading does not post twice. */
function redirect(string $path, ?string $flash = null): never
{
    if ($flash !== null) {
        $_SESSION['flash'] = $flash;
    }
    Session::close();
    header("Location: $path", true, 303);
    exit;
}

function refuse(int $status, string $why): never
{
    Session::close();
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    exit($why . "\n");
}
