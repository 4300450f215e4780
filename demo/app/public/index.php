<?php
declare(strict_types=1);

// A small shop that shows what its sessions do. Plain PHP sessions throughout: nothing in here
// depends on the save handler; session.php asks sessclust for figures if it is there.

require __DIR__ . '/../session.php';
require __DIR__ . '/../shop.php';
require __DIR__ . '/../view.php';

/** Longest work a parallel request may do while it holds the session, in milliseconds. */
const WORK_MS_MAX = 50;
/** How long POST /api/hold keeps the session, in seconds, unless its worker is killed before. */
const HOLD_S = 20;

header("Content-Security-Policy: default-src 'none'; style-src 'self'; script-src 'self'; "
    . "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    . "frame-ancestors 'none'");
header('X-Content-Type-Options: nosniff');
header('Referrer-Policy: same-origin');

$method = $_SERVER['REQUEST_METHOD'] === 'HEAD' ? 'GET' : $_SERVER['REQUEST_METHOD'];
$path = (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

// The status panel asks every second. A copy without the lock is all it needs; nobody waits for it.
Session::open(readOnly: "$method $path" === 'GET /api/state');

if ($method === 'POST' && !Session::token_is_valid()) {
    refuse(403, 'This form is not from your session, or that has ended. Go back and reload.');
}
if (Session::user() === null && !in_array($path, ['/login', '/api/state'], true)) {
    $method === 'GET' ? redirect('/login') : refuse(403, 'Log in first.');
}

switch ("$method $path") {
    case 'GET /login':
        Session::user() === null ? render('login', 'Log in') : redirect('/');

    case 'POST /login':
        $user = is_string($_POST['user'] ?? null) ? $_POST['user'] : '';
        $password = is_string($_POST['password'] ?? null) ? $_POST['password'] : '';
        // An unknown name costs the same time as a wrong password.
        $right = password_verify($password, ACCOUNTS[$user] ?? ACCOUNTS['demo']);
        if (!$right || !isset(ACCOUNTS[$user])) {
            redirect('/login', 'That name and password do not match.');
        }
        Session::login($user);
        redirect('/', 'Welcome. Your session has a new id; the one from before the login is gone.');

    case 'POST /logout':
        Session::logout();
        redirect('/login');

    case 'GET /':
        render('shop', 'Shop');

    case 'POST /cart':
        $product = is_string($_POST['product'] ?? null) ? $_POST['product'] : '';
        if (!change_cart($product, ($_POST['change'] ?? '') === 'remove' ? -1 : 1)) {
            refuse(404, 'There is no such product.');
        }
        redirect('/');

    case 'GET /parallel':
        render('parallel', 'Parallel requests');

    case 'GET /session':
        render('session', 'Session');

    // One of many at once on one session: the classic lost update, if locking did not work.
    case 'POST /api/increment':
        $count = $_SESSION['count'] ?? 0;
        usleep(1000 * min(max((int) ($_POST['work_ms'] ?? 0), 0), WORK_MS_MAX));
        $_SESSION['count'] = $count + 1;
        render_json(['count' => $count + 1]);

    // For the self-check: says who holds the session, then keeps it until the worker is killed.
    // What it changed is never written, so the next request must not see it.
    case 'POST /api/hold':
        $_SESSION['count'] = -1;
        header('X-Accel-Buffering: no');
        echo getmypid(), "\n";
        flush();
        sleep(HOLD_S);
        session_abort();
        exit;

    case 'GET /api/state':
        render_json([
            'user' => Session::user(),
            'count' => $_SESSION['count'] ?? 0,
            'cart' => cart(),
            'total_cents' => cart_total_cents(),
            'handler' => ini_get('session.save_handler'),
            'counters' => Session::counters(),
        ]);

    default:
        refuse(404, 'There is nothing here.');
}
