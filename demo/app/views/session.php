<?php
$lifetime_s = (int) ini_get('session.gc_maxlifetime');
$hidden = ['csrf' => 'a secret of this session'];
$nodes = function_exists('sessclust_nodes') ? sessclust_nodes() : [];
$counters = Session::counters();
$cookie = session_get_cookie_params();
?>
<section>
  <h1>What is in your session</h1>
  <table class="card content">
<?php foreach ($_SESSION as $name => $value): ?>
    <tr>
      <th><?= e($name) ?></th>
      <td><?= isset($hidden[$name])
          ? '<i>' . e($hidden[$name]) . '</i>'
          : '<code>' . e(json_encode($value, JSON_PRETTY_PRINT)) . '</code>' ?></td>
    </tr>
<?php endforeach ?>
  </table>
</section>
<section class="facts">
  <dl class="card">
    <div>
      <dt>Id</dt>
      <dd><code><?= e(substr(session_id(), 0, 4)) ?>…</code>
        <?= e(strlen(session_id())) ?> characters</dd>
    </div>
    <div>
      <dt>Size</dt>
      <dd><?= e(size(Session::bytes())) ?>,
        serialized by <?= e(ini_get('session.serialize_handler')) ?></dd>
    </div>
    <div>
      <dt>Expires</dt>
      <dd>at <?= e(date('H:i:s', time() + $lifetime_s)) ?>,
        <?= e(intdiv($lifetime_s, 60)) ?> minutes after the last request</dd>
    </div>
    <div>
      <dt>Save path</dt>
      <dd><code><?= e(ini_get('session.save_path') ?: '(default)') ?></code></dd>
    </div>
    <div>
      <dt>Cookie</dt>
      <dd><?= e(session_name()) ?>; HttpOnly <?= $cookie['httponly'] ? 'on' : 'off' ?>,
        SameSite=<?= e($cookie['samesite']) ?>,
        strict mode <?= ini_get('session.use_strict_mode') ? 'on' : 'off' ?></dd>
    </div>
<?php foreach ($nodes as $node): ?>
    <div>
      <dt>Stored in</dt>
      <dd>
<?php foreach ($node as $name => $value): ?>
        <span class="fact"><?= e($name) ?> <code><?= e(is_string($value) ? $value : json_encode($value)) ?></code></span>
<?php endforeach ?>
      </dd>
    </div>
<?php endforeach ?>
  </dl>
</section>
<section class="status">
  <h1>All workers together</h1>
<?php if ($counters === []): ?>
  <p class="empty">This save handler keeps no counters.</p>
<?php else: ?>
  <dl class="counters" id="counters">
<?php foreach ($counters as $name => $value): ?>
<?php $text = str_ends_with($name, '_us') ? duration($value) : number_format($value) ?>
    <div>
      <dt><?= e(strtr($name, ['_us' => ' time', '_' => ' '])) ?></dt>
      <dd data-counter="<?= e($name) ?>"><?= e($text) ?></dd>
    </div>
<?php endforeach ?>
  </dl>
<?php endif ?>
</section>
