--TEST--
The save handler can be changed back and forth in one process
--FILE--
<?php
require __DIR__ . '/../config.inc';
// session_module_name() takes any registered handler; session_set_save_handler() makes it "user".
store();
$files = store() . '/files';
mkdir($files);
$memory = new class implements SessionHandlerInterface {
    public array $data = [];
    public function open(string $path, string $name): bool { return true; }
    public function close(): bool { return true; }
    public function read(string $id): string|false { return $this->data[$id] ?? ''; }
    public function write(string $id, string $data): bool { $this->data[$id] = $data; return true; }
    public function destroy(string $id): bool { unset($this->data[$id]); return true; }
    public function gc(int $lifetime): int|false { return 0; }
};

$use = [
    'tested' => function () {
        session_module_name(HANDLER);
        session_save_path(save_path(store()));
    },
    'files' => function () use ($files) {
        session_module_name('files');
        session_save_path($files);
    },
    'memory' => fn () => session_set_save_handler($memory, true),
];
$order = 'tested files memory tested memory files tested files memory';
foreach (explode(' ', $order) as $name) {
    $use[$name]();
    session_id('shop');
    session_start();
    $_SESSION[$name] = ($_SESSION[$name] ?? 0) + 1;
    session_write_close();
}
foreach ($use as $switch) {
    $switch();
    echo json_encode(get('shop')), "\n";
}
--EXPECT--
{"tested":3}
{"files":3}
{"memory":3}
