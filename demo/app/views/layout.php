<?php
/** The frame of every page. Gets $view, $title, $flash, and what the view itself was given. */
$cost = Session::cost();
$worker = worker();
$pages = ['/' => 'Shop', '/parallel' => 'Parallel', '/session' => 'Session'];
$here = (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$receipt = [
    'Served by worker' => [$worker['pid'], " on $worker[host]"],
    'Save handler' => [ini_get('session.save_handler'), ''],
    'Waited for the lock' => [duration($cost['lock_wait_us']), ''],
    'Read' => [duration($cost['read_us']), match ($cost['read_bytes']) {
        null => '',
        default => ', ' . size($cost['read_bytes']),
    }],
    'Written' => [duration($cost['write_us']), match ($cost['written_bytes']) {
        null => '',
        0 => ', unchanged',
        default => ', ' . size($cost['written_bytes']),
    }],
    'session_start(), as PHP sees it' => [duration($cost['start_us']), ''],
    'session_write_close()' => [duration($cost['close_us']), ''],
];
?>
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta name="csrf" content="<?= e($_SESSION['csrf']) ?>">
  <title><?= e($title) ?> · sessclust demo</title>
  <link rel="icon" href="/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/style.css">
  <script src="/app.js" defer></script>
</head>
<body>
<header class="top">
  <a class="brand" href="/">
    <img src="/icon.svg" alt="" width="28" height="28"> sessclust <span>demo shop</span>
  </a>
<?php if (Session::user() !== null): ?>
  <nav>
<?php foreach ($pages as $href => $name): ?>
    <a href="<?= e($href) ?>" <?= $href === $here ? 'aria-current="page"' : '' ?>><?= e($name) ?></a>
<?php endforeach ?>
  </nav>
  <form method="post" action="/logout" class="user">
    <?= csrf_field() ?>

    <span><?= e(Session::user()) ?></span>
    <button class="quiet">Log out</button>
  </form>
<?php endif ?>
</header>
<main class="<?= e($view) ?>">
<?php if ($flash !== null): ?>
  <p class="flash" role="status"><?= e($flash) ?></p>
<?php endif ?>
<?php require __DIR__ . "/$view.php" ?>
</main>
<footer class="receipt">
  <dl>
<?php foreach ($receipt as $name => [$value, $more]): ?>
    <div><dt><?= e($name) ?></dt><dd><b><?= e($value) ?></b><?= e($more) ?></dd></div>
<?php endforeach ?>
  </dl>
</footer>
</body>
</html>
