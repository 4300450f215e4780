<?php
declare(strict_types=1);

/**
 * The session of this request: opened, closed before anything is rendered, and measured.
 *
 * Closing early is what keeps parallel requests of one visitor short: the lock is held for the work
 * on the data only, not while a page is sent to a slow phone.
 */
final class Session
{
    /** Clock readings in microseconds since boot, the same clock for all workers of the machine. */
    private static array $at_us = [];
    private static int $bytes = 0;

    /** Opens the session and waits for its lock; with $readOnly it takes a copy and no lock. */
    public static function open(bool $readOnly = false): void
    {
        self::$at_us['asked'] = self::clock_us();
        if (!session_start(['read_and_close' => $readOnly])) {
            http_response_code(503);
            exit('The session could not be opened. The PHP log says why.');
        }
        self::$at_us['opened'] = self::clock_us();
        $_SESSION['csrf'] ??= bin2hex(random_bytes(16));
    }

    /** Writes the session and frees its lock. What $_SESSION holds stays readable. */
    public static function close(): void
    {
        if (session_status() !== PHP_SESSION_ACTIVE) {
            return;
        }
        self::$bytes = strlen(session_encode());
        self::$at_us['closing'] = self::clock_us();
        session_write_close();
        self::$at_us['closed'] = self::clock_us();
    }

    /** A new id at every change of rights, so that one somebody planted or saw is worth nothing. */
    public static function login(string $user): void
    {
        session_regenerate_id(true);
        $_SESSION['user'] = $user;
        $_SESSION['csrf'] = bin2hex(random_bytes(16));
    }

    public static function logout(): void
    {
        $_SESSION = [];
        session_destroy();
        setcookie(session_name(), '', ['expires' => 1] + self::cookie());
    }

    public static function user(): ?string
    {
        return $_SESSION['user'] ?? null;
    }

    public static function token_is_valid(): bool
    {
        $token = $_SERVER['HTTP_X_CSRF_TOKEN'] ?? $_POST['csrf'] ?? '';
        return is_string($token) && hash_equals($_SESSION['csrf'], $token);
    }

    /** Size of the serialized session in bytes, as it was closed. */
    public static function bytes(): int
    {
        return self::$bytes;
    }

    /**
     * What the session cost this request, in microseconds and bytes; null where nobody knows.
     *
     * session_start and session_write_close are measured around PHP's calls and known for every
     * handler. The rest is what sessclust says about its own part of them.
     */
    public static function cost(): array
    {
        $at = self::$at_us;
        $own = function_exists('sessclust_stats') ? sessclust_stats()['request'] : [];
        $cost = [
            'start_us' => $at['opened'] - $at['asked'],
            'close_us' => isset($at['closed']) ? $at['closed'] - $at['closing'] : null,
        ];
        foreach (['lock_wait_us', 'read_us', 'write_us', 'read_bytes', 'written_bytes'] as $key) {
            $cost[$key] = $own[$key] ?? null;
        }
        return $cost;
    }

    /** What all workers' sessions did so far, by name; empty where the save handler counts nothing. */
    public static function counters(): array
    {
        return function_exists('sessclust_stats') ? sessclust_stats()['counters'] : [];
    }

    /** When this request asked for the session, had it, and gave it back; to draw who waited. */
    public static function timeline_us(): array
    {
        return self::$at_us;
    }

    private static function cookie(): array
    {
        return array_diff_key(session_get_cookie_params(), ['lifetime' => 0]);
    }

    private static function clock_us(): int
    {
        return intdiv(hrtime(true), 1000);
    }
}
