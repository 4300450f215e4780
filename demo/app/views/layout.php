<?php
/** The frame of every page. Gets $view, $title, $flash, and what the view itself was given. */
$cost = Session::cost();
$worker = worker();
$pages = ['/' => 'Shop', '/parallel' => 'Parallel', '/session' => 'Session'];
$here = (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$handler = ini_get('session.save_handler');
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
  <a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28"> sessclust <span>demo shop</span></a>
<?php if (Session::user() !== null): ?>
  <nav>
<?php foreach ($pages as $href => $name): ?>
    <a href="<?= e($href) ?>"<?= $href === $here ? ' aria-current="page"' : '' ?>><?= e($name) ?></a>
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
    <div><dt>Served by</dt><dd>worker <b><?= e($worker['pid']) ?></b> on <?= e($worker['host']) ?></dd></div>
    <div><dt>Save handler</dt><dd><b><?= e($handler) ?></b></dd></div>
    <div><dt>Waited for the lock</dt><dd><b><?= e(duration($cost['lock_wait_us'])) ?></b></dd></div>
    <div><dt>Read</dt><dd><b><?= e(duration($cost['read_us'])) ?></b><?= e(isset($cost['read_bytes']) ? ', ' . size($cost['read_bytes']) : '') ?></dd></div>
    <div><dt>Written</dt><dd><b><?= e(duration($cost['write_us'])) ?></b><?= e(match ($cost['written_bytes']) {
        null => '',
        0 => ', unchanged',
        default => ', ' . size($cost['written_bytes']),
    }) ?></dd></div>
    <div class="measured"><dt>session_start(), as PHP sees it</dt><dd><b><?= e(duration($cost['start_us'])) ?></b></dd></div>
    <div class="measured"><dt>session_write_close()</dt><dd><b><?= e(duration($cost['close_us'])) ?></b></dd></div>
  </dl>
</footer>
</body>
</html>
