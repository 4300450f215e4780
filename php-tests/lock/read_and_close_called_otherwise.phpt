--TEST--
read_and_close waits for nobody however session_start is called
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
put('shop', ['n' => 1]);
$holder = hold('shop');
ini_set('sessclust.lock_wait', '0');
$option = ['read_and_close' => true];
function wrapped(array $options)
{
    return session_start($options);
}
$calls = [
    'named' => fn () => session_start(options: $option),
    'unpacked' => fn () => session_start(...[$option]),
    'call_user_func' => fn () => call_user_func('session_start', $option),
    'call_user_func_array' => fn () => call_user_func_array('session_start', [$option]),
    'callable' => fn () => (session_start(...))($option),
    'array_map' => fn () => array_map('session_start', [$option])[0],
    'in a function' => fn () => wrapped($option),
    'in a fiber' => function () use ($option) {
        $fiber = new Fiber(fn () => session_start($option));
        $fiber->start();
        return $fiber->getReturn();
    },
    'with other options' => fn () => session_start(['use_strict_mode' => '1'] + $option),
    'through a SessionHandler' => function () use ($option) {
        session_set_save_handler(new SessionHandler, true);
        return session_start($option);
    },
];
foreach ($calls as $name => $call) {
    session_id('shop');
    echo $name, ': ', json_encode($call()), ' ', json_encode($_SESSION), "\n";
}
--EXPECT--
named: true {"n":1}
unpacked: true {"n":1}
call_user_func: true {"n":1}
call_user_func_array: true {"n":1}
callable: true {"n":1}
array_map: true {"n":1}
in a function: true {"n":1}
in a fiber: true {"n":1}
with other options: true {"n":1}
through a SessionHandler: true {"n":1}
