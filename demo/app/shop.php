<?php
declare(strict_types=1);

/**
 * What the shop sells: id => name, text, price in cents, drawing.
 *
 * The drawings are SVG in a box of 48 by 48, in the page's own colours; nothing is loaded for them.
 */
const PRODUCTS = [
    'padlock' => ['Padlock', 'Opens by itself when its owner is gone.', 1490,
        '<path d="M15 22v-6a9 9 0 0 1 18 0v6"/>'
        . '<rect class="fill" x="10" y="22" width="28" height="20" rx="4"/>'
        . '<circle cx="24" cy="30" r="2.5"/><path d="M24 32.5V36"/>'],
    'key' => ['Spare key', 'A new one at every login. The old one stops working.', 650,
        '<circle class="fill" cx="16" cy="32" r="9"/><circle cx="14" cy="34" r="2"/>'
        . '<path d="M22.5 25.5 40 8M34 14l6 6M29 19l4 4"/>'],
    'hourglass' => ['Hourglass', 'Runs for 24 minutes, like a session nobody uses.', 1900,
        '<path d="M12 6h24M12 42h24M15 6v7c0 6 9 8 9 11s-9 5-9 11v7"/>'
        . '<path d="M33 6v7c0 6-9 8-9 11s9 5 9 11v7"/>'
        . '<path class="fill" d="M18 42c0-6 6-6 6-9 0 3 6 3 6 9z"/>'],
    'jar' => ['Cookie jar', 'The lid keeps scripts out: HttpOnly, of course.', 2250,
        '<path class="fill" d="M14 17c-3 3-4 6-4 10v10a5 5 0 0 0 5 5h18'
        . 'a5 5 0 0 0 5-5V27c0-4-1-7-4-10z"/>'
        . '<rect x="12" y="9" width="24" height="8" rx="2"/><circle cx="24" cy="30" r="7"/>'
        . '<path d="M21.5 28h.01M26 27.5h.01M24 32.5h.01"/>'],
    'bell' => ['Door bell', 'Rings for the next in line the moment you leave.', 890,
        '<path class="fill" d="M24 8a11 11 0 0 0-11 11v9l-4 7h30l-4-7v-9A11 11 0 0 0 24 8z"/>'
        . '<path d="M24 8V5M20 39a4 4 0 0 0 8 0"/>'],
    'logbook' => ['Logbook', 'Two pages, written in turn. One of them is always whole.', 1250,
        '<path class="fill" d="M24 12c-4-4-11-4-17-3v29c6-1 13-1 17 3z"/>'
        . '<path d="M24 12c4-4 11-4 17-3v29c-6-1-13-1-17 3z"/>'
        . '<path d="M29 18c3-1 5-1 8-1M29 25c3-1 5-1 8-1M29 32c2-1 4-1 5-1"/>'],
];

/** The only account, as a real application would keep it: a name and the hash of a password. */
const ACCOUNTS = ['demo' => '$2y$10$r6pXBVRL2XX1UWxIaERgiuJiOOsS2K7D9GTkRKs2tm8n1d5UgGHXm'];

/** At most this many of one product, so that a session in the demo stays small. */
const CART_LINE_MAX = 99;

/** Puts one more of a product into the cart, or takes one out. False for an unknown product. */
function change_cart(string $product, int $by): bool
{
    if (!isset(PRODUCTS[$product])) {
        return false;
    }
    $count = min(max(($_SESSION['cart'][$product] ?? 0) + $by, 0), CART_LINE_MAX);
    if ($count > 0) {
        $_SESSION['cart'][$product] = $count;
    } else {
        unset($_SESSION['cart'][$product]);
    }
    return true;
}

/** The cart of this session: product id => count. */
function cart(): array
{
    return $_SESSION['cart'] ?? [];
}

function cart_total_cents(): int
{
    $total = 0;
    foreach (cart() as $product => $count) {
        $total += PRODUCTS[$product][2] * $count;
    }
    return $total;
}
