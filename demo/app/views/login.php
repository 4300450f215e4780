<form method="post" action="/login" class="card">
  <h1>Log in</h1>
  <p>A small shop whose sessions live in sessclust. The fields are filled in for you.</p>
  <?= csrf_field() ?>

  <label>Name <input name="user" value="demo" autocomplete="username" required></label>
  <label>Password
    <input name="password" type="password" value="demo" autocomplete="current-password" required>
  </label>
  <button autofocus>Log in</button>
</form>
