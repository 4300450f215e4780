//! Finds PHP, checks that its session module is one that this extension was written for, and says
//! in a sentence what to do when it is not.
//!
//! `PHP_CONFIG` names the `php-config` of the PHP to build for; without it, `php-config` in the
//! PATH.

use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::process::Command;

/// `PHP_SESSION_API` of the versions whose session module was read: 8.1 to 8.5.
const SESSION_API_KNOWN: [&str; 1] = ["20161017"];

/// Compiles where PHP raises the error of a full memory later than it occurs: Debian's 8.2 from
/// 8.2.35 on, and versions of PHP that do the same.
const DELAYED_OOM_PROBE: &str = r#"
#include "php.h"
int sessclust_delayed_oom(void) { return EG(delayed_oom).state != ZEND_OOM_STATE_NONE; }
"#;

/// What the installed headers say. The assertions hold what `src/php/ffi.rs` takes for granted.
const PROBE: &str = r#"
#include "php.h"
#include "ext/session/php_session.h"
#include <stddef.h>
#define IS_SLOT(field, slot) \
    _Static_assert(offsetof(ps_module, field) == (slot) * sizeof(void *), #field)
_Static_assert(sizeof(ps_module) == 10 * sizeof(void *), "ps_module");
IS_SLOT(s_name, 0);
IS_SLOT(s_open, 1);
IS_SLOT(s_close, 2);
IS_SLOT(s_read, 3);
IS_SLOT(s_write, 4);
IS_SLOT(s_destroy, 5);
IS_SLOT(s_gc, 6);
IS_SLOT(s_create_sid, 7);
IS_SLOT(s_validate_sid, 8);
IS_SLOT(s_update_timestamp, 9);
#define TEXT(...) #__VA_ARGS__
#define EXPANDED(...) TEXT(__VA_ARGS__)
const char *sessclust_api = "sessclust_api=" EXPANDED(PHP_SESSION_API);
const char *sessclust_open = "sessclust_open=" EXPANDED(PS_OPEN_ARGS);
"#;

fn main() {
    if let Err(error) = check() {
        eprintln!("sessclust: {error:#}");
        std::process::exit(1);
    }
}

fn check() -> Result<()> {
    println!("cargo:rerun-if-env-changed=PHP_CONFIG");
    println!("cargo:rerun-if-changed=build.rs");
    // s_open takes its two texts as zend_string since PHP 8.6, as char pointers before.
    println!("cargo:rustc-check-cfg=cfg(php_session_open_zend_string)");
    println!("cargo:rustc-check-cfg=cfg(php_delayed_oom)");

    let includes = php_config("--includes")?;
    let includes: Vec<PathBuf> = includes
        .split_whitespace()
        .filter_map(|flag| flag.strip_prefix("-I"))
        .map(PathBuf::from)
        .collect();
    let header = "ext/session/php_session.h";
    ensure!(
        includes.iter().any(|include| include.join(header).exists()),
        "the PHP headers have no {header}: install the development package of your PHP (Debian: \
         apt-get install php8.2-dev), and see that PHP was built with its session extension"
    );

    // An upgrade of PHP changes the headers behind the same php-config.
    for changed in [header, "main/php_version.h", "Zend/zend_globals.h"] {
        for file in includes.iter().map(|include| include.join(changed)).filter(|f| f.exists()) {
            println!("cargo:rerun-if-changed={}", file.display());
        }
    }

    let compiler = probe("probe.c", PROBE, &includes)?;
    let expanded = compiler.try_expand().context(
        "the PHP headers cannot be compiled: install a C compiler and the development package of \
         your PHP (Debian: apt-get install gcc libc6-dev php8.2-dev)",
    )?;
    compiler.try_compile("sessclust_probe").context(
        "the session module of this PHP has another layout (ps_module) than PHP 8.1 to 8.6; see \
         README.md for the versions that are supported",
    )?;

    let expanded = String::from_utf8_lossy(&expanded);
    let api = value(&expanded, "sessclust_api=")?;
    let takes_zend_string = value(&expanded, "sessclust_open=")?.contains("zend_string");
    // With zend_string arguments it is PHP 8.6, whose number is not fixed while it is not released.
    ensure!(
        takes_zend_string || SESSION_API_KNOWN.contains(&api.as_str()),
        "this PHP has PHP_SESSION_API {api}, which sessclust does not know; see README.md for the \
         versions that are supported"
    );
    let delayed_oom = probe("delayed_oom.c", DELAYED_OOM_PROBE, &includes)?;
    if delayed_oom.try_compile("sessclust_delayed_oom").is_ok() {
        println!("cargo:rustc-cfg=php_delayed_oom");
    }
    if takes_zend_string {
        println!("cargo:rustc-cfg=php_session_open_zend_string");
    }
    Ok(())
}

/// A compiler for one of the probes.
fn probe(name: &str, code: &str, includes: &[PathBuf]) -> Result<cc::Build> {
    let file = PathBuf::from(std::env::var("OUT_DIR")?).join(name);
    std::fs::write(&file, code)?;
    let mut compiler = cc::Build::new();
    compiler.file(file).includes(includes).warnings(false).cargo_metadata(false);
    Ok(compiler)
}

/// The text behind `name` in the probe's expansion, where string literals still stand side by side.
fn value(expanded: &str, name: &str) -> Result<String> {
    let (_, rest) = expanded.split_once(name).context("the probe's expansion lacks a value")?;
    let mut literals = rest.split('"');
    Ok(literals.nth(2).context("the probe's value is not a text")?.to_owned())
}

fn php_config(argument: &str) -> Result<String> {
    let program = std::env::var("PHP_CONFIG").unwrap_or_else(|_| "php-config".into());
    let output = match Command::new(&program).arg(argument).output() {
        Ok(output) => output,
        Err(error) => bail!(
            "{program} cannot be run ({error}): install the development package of your PHP \
             (Debian: apt-get install php8.2-dev), or set PHP_CONFIG to its php-config"
        ),
    };
    ensure!(output.status.success(), "{program} {argument} failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
