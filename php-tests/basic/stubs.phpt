--TEST--
stubs/sessclust.stub.php declares what the extension has, with the same names and types
--SKIPIF--
<?php
require __DIR__ . '/../skipif.inc';
needs_sessclust();
--FILE--
<?php
require __DIR__ . '/../config.inc';

/** A function as one would declare it. */
function declaration(ReflectionFunction $function): string
{
    $parameters = array_map(function (ReflectionParameter $parameter): string {
        $default = $parameter->isDefaultValueAvailable() ? ' = ' . var_export($parameter->getDefaultValue(), true) : '';
        $name = ($parameter->isPassedByReference() ? '&' : '') . ($parameter->isVariadic() ? '...' : '')
            . '$' . $parameter->getName();
        return ltrim($parameter->getType() . " $name$default");
    }, $function->getParameters());
    return $function->getShortName() . '(' . implode(', ', $parameters) . '): ' . $function->getReturnType();
}

$stub = file_get_contents(__DIR__ . '/../../stubs/sessclust.stub.php');
// In a namespace of their own, so that they can be declared beside the real ones.
eval('namespace Stub; ?>' . preg_replace('/declare\(strict_types=1\);/', '', $stub));
$functions = get_defined_functions()['user'];
$declared = array_map(fn ($name) => declaration(new ReflectionFunction($name)), preg_grep('/^stub\\\\/', $functions));

$extension = new ReflectionExtension('sessclust');
$loaded = array_map('declaration', $extension->getFunctions());
sort($declared);
sort($loaded);
var_dump(array_values($declared) === array_values($loaded));
echo implode("\n", array_diff($declared, $loaded)), implode("\n", array_diff($loaded, $declared)), "\n";
echo implode("\n", $loaded), "\n";
// The stubs have none, so there must be none.
var_dump($extension->getClassNames(), $extension->getConstants());
--EXPECT--
bool(true)

sessclust_nodes(): array
sessclust_stats(): array
array(0) {
}
array(0) {
}
