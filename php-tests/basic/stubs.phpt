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
        $default = '';
        if ($parameter->isDefaultValueAvailable()) {
            $default = ' = ' . var_export($parameter->getDefaultValue(), true);
        }
        $name = ($parameter->isPassedByReference() ? '&' : '')
            . ($parameter->isVariadic() ? '...' : '') . '$' . $parameter->getName();
        return ltrim($parameter->getType() . " $name$default");
    }, $function->getParameters());
    return $function->getShortName() . '(' . implode(', ', $parameters) . '): '
        . $function->getReturnType();
}

$stub = file_get_contents(__DIR__ . '/../../stubs/sessclust.stub.php');
// In a namespace of their own, so that they can be declared beside the real ones.
eval('namespace Stub; ?>' . preg_replace('/declare\(strict_types=1\);/', '', $stub));
$declared = [];
foreach (preg_grep('/^stub\\\\/', get_defined_functions()['user']) as $name) {
    $declared[] = declaration(new ReflectionFunction($name));
}

$extension = new ReflectionExtension('sessclust');
$loaded = array_map('declaration', $extension->getFunctions());
sort($declared);
sort($loaded);
var_dump(array_diff($declared, $loaded), array_diff($loaded, $declared));
echo implode("\n", $loaded), "\n";
// The stubs have none, so there must be none.
var_dump($extension->getClassNames(), $extension->getConstants());
--EXPECT--
array(0) {
}
array(0) {
}
sessclust_nodes(): array
sessclust_stats(): array
array(0) {
}
array(0) {
}
