--TEST--
session_start(['sessclust_lock' => ...]) is put before sessclust.lock for this request
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';
store();
function lock(): string
{
    ob_start();
    phpinfo(INFO_MODULES);
    preg_match('/^sessclust\.lock => (\w+) => on or off$/m', ob_get_clean(), $line);
    return $line[1];
}
// PHP passes false as an empty text, which leaves the choice to the setting.
foreach (['on', 'off'] as $setting) {
    ini_set('sessclust.lock', $setting);
    foreach (['off', '0', 0, 'on', true, '', false] as $option) {
        show("$setting, " . json($option), function () use ($option) {
            $started = session_start(['sessclust_lock' => $option]);
            session_write_close();
            return [$started, lock()];
        });
    }
}
echo "-- refused\n";
ini_set('session.sessclust_lock', 'off');
foreach (['never', '2', "off\0"] as $option) {
    show(json($option), function () use ($option) {
        $started = session_start(['sessclust_lock' => $option]);
        session_write_close();
        return [$started, lock()];
    });
}
ini_set('sessclust.lock', 'on');
ini_restore('session.sessclust_lock');
var_dump(lock());
echo run('var_dump(ini_get("session.sessclust_lock"));', ['session.sessclust_lock' => 'maybe']);
--EXPECT--
on, "off": [true,"off"]
on, "0": [true,"off"]
on, 0: [true,"off"]
on, "on": [true,"on"]
on, true: [true,"on"]
on, "": [true,"on"]
on, false: [true,"on"]
off, "off": [true,"off"]
off, "0": [true,"off"]
off, 0: [true,"off"]
off, "on": [true,"on"]
off, true: [true,"on"]
off, "": [true,"off"]
off, false: [true,"off"]
-- refused
"never": [true,"off"]
Warning: session_start(): session.sessclust_lock: "never" is not a value of it (on, off or empty)
Warning: session_start(): Setting option "sessclust_lock" failed
"2": [true,"off"]
Warning: session_start(): session.sessclust_lock: "2" is not a value of it (on, off or empty)
Warning: session_start(): Setting option "sessclust_lock" failed
"off\u0000": [true,"off"]
Warning: session_start(): session.sessclust_lock: "off\x00" is not a value of it (on, off or empty)
Warning: session_start(): Setting option "sessclust_lock" failed
string(2) "on"

Warning: PHP Startup: session.sessclust_lock: "maybe" is not a value of it (on, off or empty) in Unknown on line 0
string(0) ""
