<section>
  <h1>Things that keep other things safe</h1>
  <ul class="products">
<?php foreach (PRODUCTS as $id => [$name, $text, $cents, $drawing]): ?>
    <li class="card">
      <svg viewBox="0 0 48 48" class="drawing" aria-hidden="true"><?= $drawing ?></svg>
      <h2><?= e($name) ?></h2>
      <p><?= e($text) ?></p>
      <form method="post" action="/cart">
        <?= csrf_field() ?>

        <span class="price"><?= e(money($cents)) ?></span>
        <button name="product" value="<?= e($id) ?>"
          aria-label="Add <?= e($name) ?> to the cart">Add</button>
      </form>
    </li>
<?php endforeach ?>
  </ul>
</section>
<aside class="card cart">
  <h2>Your cart</h2>
<?php if (cart() === []): ?>
  <p class="empty">Nothing in it yet.</p>
<?php else: ?>
  <ul>
<?php foreach (cart() as $id => $count): ?>
    <li>
      <span><?= e(PRODUCTS[$id][0]) ?></span>
      <form method="post" action="/cart" class="stepper">
        <?= csrf_field() ?>

        <input type="hidden" name="product" value="<?= e($id) ?>">
        <button name="change" value="remove" aria-label="One less">−</button>
        <b><?= e($count) ?></b>
        <button name="change" value="add" aria-label="One more">+</button>
      </form>
      <span class="price"><?= e(money(PRODUCTS[$id][2] * $count)) ?></span>
    </li>
<?php endforeach ?>
  </ul>
  <p class="total">
    <span>Total</span> <span class="price"><?= e(money(cart_total_cents())) ?></span>
  </p>
<?php endif ?>
  <p class="note">The cart is in your session and nowhere else:
    <?= e(size(Session::bytes())) ?> in all.</p>
</aside>
