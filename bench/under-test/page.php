<?php

/* The page that the load generator asks for: changes the session, answers with pid and counter. */

declare(strict_types=1);

set_error_handler(fn (int $level, string $message) => throw new ErrorException($message));
try {
    session_start();
    $n = $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
    $_SESSION['data'] = str_repeat(chr(65 + $n % 26), 1000 + $n % 50);
    session_write_close();
} catch (ErrorException $error) {
    session_abort();
    http_response_code(503);
    $n = $error->getMessage();
}
$answer = getmypid() . " $n";
header('Content-Length: ' . strlen($answer));
echo $answer;
