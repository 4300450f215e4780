# What the scripts of this folder share. Sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
export CARGO_TARGET_DIR=$target

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# The comment at the head of the calling script is its help.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# Sets $scratch: an empty directory that is removed when the script ends. It is outside of target/
# to keep its path short, because the path of a Unix socket may have 107 bytes at most.
make_scratch() {
    scratch=$(mktemp -d -t sessclust.XXXXXX)
    trap 'rm -rf "$scratch"' EXIT
}

# The PHP that php-config speaks for.
default_php() { "${PHP_CONFIG:-php-config}" --php-binary; }

# The file below the release directory that cargo makes of the extension.
default_extension() { echo "$target/release/libsessclust.so"; }

# php_directory PHP: where the PHP's own extensions are. A PHP that was unpacked into a folder
# (script/php84) still names the place it was built for, so the folder is put before it.
php_directory() {
    local directory
    directory=$("$1" -n -r 'echo PHP_EXTENSION_DIR;')
    case $1 in
        */usr/bin/*) echo "${1%/usr/bin/*}$directory" ;;
        *) echo "$directory" ;;
    esac
}

# run_phpt PHP EXTENSION HANDLER DIRECTORY [run-tests.php's options and tests]
#
# Runs the tests below DIRECTORY/tree in an environment of their own: no php.ini, an empty save
# path, temporary files below DIRECTORY, and, where the kernel lets us, a /var/tmp that no one else
# sees (an empty save path means a store there) and processes that end with the run. EXTENSION may
# be empty to try PHP alone. Leaves one line a test in DIRECTORY/results: its outcome, a tab and its
# path.
run_phpt() {
    local php=$1 extension=$2 handler=$3 directory=$4 extensions runner private=()
    shift 4
    extensions=$(php_directory "$php")
    # Debian's php-dev puts run-tests.php beside the extensions, PHP's `make install` two above.
    for runner in "$extensions"/build/run-tests.php "${extensions%/*/*}"/build/run-tests.php; do
        [ -e "$runner" ] && break
    done
    [ -e "$runner" ] || die "$php comes without run-tests.php: script/setup build installs it"
    # It writes beside itself, where an ordinary user may not.
    cp "$runner" "$directory/run-tests.php"
    mkdir -p "$directory"/{tmp,var-tmp}
    chmod 1777 "$directory"/{tmp,var-tmp}
    local settings=(-d "extension_dir=$extensions" -d "session.save_handler=$handler"
                    -d session.save_path=)
    [ -e "$extensions/posix.so" ] && settings+=(-d extension=posix)
    [ -n "$extension" ] && settings+=(-d "extension=$extension")
    # In name spaces of their own, what the tests start ends with them. The shell stays in between
    # as process 1, to which orphans go: it reaps them.
    # shellcheck disable=SC2016 # the inner shell expands
    unshare --mount --pid --fork --mount-proc true 2> /dev/null &&
        private=(unshare --mount --pid --fork --kill-child --mount-proc
                 sh -c 'mount --bind "$0" /var/tmp; "$@"; exit' "$directory/var-tmp")
    (   # run-tests.php leaves with failure when a test fails; the caller judges by the results.
        cd "$directory/tree" || exit
        unset PHP_INI_SCAN_DIR SKIP_SLOW_TESTS SKIP_PERF_SENSITIVE
        TMPDIR=$directory/tmp TEST_PHP_SRCDIR=$directory/tree NO_COLOR=1 \
            "${private[@]}" "$php" -n ../run-tests.php -n -q --no-progress --offline --show-diff \
            -p "$php" -g FAIL,BORK,WARN,LEAK,XFAIL,SKIP "${settings[@]}" -W ../results "$@" || true
    ) < /dev/null
}

# copy_phpt [TEST or directory ...]: copies our tests to $scratch/tree, because run-tests.php writes
# beside them, and sets $tests to those named, or all, in the copy.
copy_phpt() {
    local test
    mkdir "$scratch/tree"
    cp -R "$root"/{php-tests,stubs,README.md} "$scratch/tree/"
    tests=()
    for test in "${@:-$root/php-tests}"; do
        test=$(realpath "$test")
        [[ $test == "$root/php-tests"* ]] || die "$test is not in php-tests/"
        tests+=("$scratch/tree${test#"$root"}")
    done
}

# count RESULTS OUTCOME...: the number of tests with one of the outcomes.
count() {
    local results=$1
    shift
    cut -f1 "$results" | grep -cFx -f <(printf '%s\n' "$@") || true
}

# debian_apt SUITE: readies an apt that knows this Debian release only and keeps all that it writes
# below target/, and sets $apt, the options for it. It changes nothing of the machine and needs no
# privilege.
debian_apt() {
    local directory=$target/debian/$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg type
    local archive security
    # The mirrors that this machine has its own packages from.
    archive=$(apt_uri debian) security=$(apt_uri debian-security)
    apt=(-qq -c "$directory/apt.conf")
    mkdir -p "$directory"/{state/lists/partial,cache/archives/partial}
    : > "$directory/status"
    for type in deb deb-src; do
        echo "$type [signed-by=$keyring] $archive $1 main"
        echo "$type [signed-by=$keyring] $security $1-security main"
    done > "$directory/sources.list"
    cat > "$directory/apt.conf" << EOF
Dir::State "$directory/state";
Dir::State::status "$directory/status";
Dir::Cache "$directory/cache";
Dir::Etc::sourcelist "$directory/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Sandbox::User "$(id -un)";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
EOF
    apt-get "${apt[@]}" update || die "cannot read the package lists of Debian $1 from $archive"
}

# unpack_debian SUITE FOLDER PACKAGE...: unpacks packages of this Debian release, with all that they
# need, into FOLDER. Nothing is installed. Leaves $apt as debian_apt does.
unpack_debian() {
    local suite=$1 folder=$2 archives=$2/archives package
    shift 2
    debian_apt "$suite"
    mkdir -p "$archives/partial"
    # With an empty list of installed packages apt fetches all that they need, even the C library.
    apt-get "${apt[@]}" -o "Dir::Cache::archives=$archives" install -y --no-install-recommends \
        --download-only "$@"
    for package in "$archives"/*.deb; do
        dpkg-deb -x "$package" "$folder"
    done
    rm -r "$archives"
}

# use_libraries FOLDER PROGRAM...: tells programs that were unpacked into FOLDER to use the C library
# that came with them.
use_libraries() {
    local loader
    loader=$(find "$1/usr/lib" -name 'ld-linux*' | head -1)
    shift
    # RPATH, not RUNPATH: it holds for the libraries' own libraries as well.
    patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$(dirname "$loader")" "$@"
}

# apt_uri NAME: prints the address of the archive whose last component is NAME, as this machine's
# apt knows it.
apt_uri() {
    # shellcheck disable=SC2016 # apt expands
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
        awk -v name="$1" '{ sub("/$", "") } $0 ~ "/" name "$" { uri = $0 }
            END { print uri; exit uri == "" }' ||
        die "apt of this machine has no archive called $1"
}

# php_source MINOR: prints the path of PHP's source as Debian packages that version (such as 8.2),
# and fetches it at the first time. A mirror may list versions that it does not have (yet), so the
# newest that can be had is taken, and if that is none, one that was listed before. Its tests are
# those of another patch version then; php-suite compares handlers, not versions.
php_source() {
    local package=php$1 suite directory version before digest
    # Digests: SHA-256, as Debian's own list of sources had them.
    case $1 in
        8.2)
            suite=bookworm before=8.2.32
            digest=e02aa173c236c12791696254d607da680e6d5516f8f5c2339642de7c4f944bd2
            ;;
        8.4)
            suite=trixie before=8.4.24
            digest=e127be09a8506f4327c5cfa78a614b00d210714484ec215ce0011b4a03c00731
            ;;
        *) die "PHP $1 is in no Debian release that this script knows" ;;
    esac
    directory=$target/debian/$suite/$package
    if ! compgen -G "$directory/*.orig.tar.xz" > /dev/null; then
        debian_apt "$suite"
        mkdir -p "$directory"
        for version in $(apt-cache "${apt[@]}" showsrc --only-source "$package" |
            sed -n 's/^Version: //p' | sort -Vru); do
            (cd "$directory" && apt-get "${apt[@]}" source --download-only --tar-only \
                "$package=$version") > "$directory/log" 2>&1 && break
            say "The source of $package $version cannot be had:" \
                "$(grep -m1 404 "$directory/log" || tail -1 "$directory/log")"
        done
    fi
    if ! compgen -G "$directory/*.orig.tar.xz" > /dev/null; then
        local name=${package}_$before.orig.tar.xz
        # Compared with its digest before it has its name.
        /usr/lib/apt/apt-helper "${apt[@]}" download-file \
            "$(apt_uri debian)/pool/main/p/$package/$name" "$directory/$name" "SHA256:$digest" >&2 ||
            say "Nor can $name, which was listed before."
    fi
    compgen -G "$directory/*.orig.tar.xz" || die "no source of $package in Debian $suite"
}
