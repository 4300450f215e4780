//! The PHP side: registration, lifecycle, and the walls around foreign code.
//!
//! When PHP calls what:
//!
//! * **MINIT**, once as a rule, before FPM and Apache fork; twice in one process when Apache
//!   restarts. Registers the save handler and the INI entries, maps the shared counters. Opens no
//!   file or socket, starts no thread, for the workers would share them.
//! * **fork**, by FPM, Apache or an application: the child lets go of a session that its parent
//!   holds.
//! * **RINIT**, before each request: the request's figures begin at zero.
//! * **the save handler's callbacks**, during the request and in RSHUTDOWN of PHP's session
//!   extension, which runs after ours would. So what a request leaves open is dropped in **post
//!   deactivate**.
//! * A worker's state ([`worker`]) is made at first use, in the process (under ZTS, the thread)
//!   that uses it.
//!
//! Zend may `longjmp` over Rust frames: when memory runs out while it allocates, and when a user's
//! error handler ends the request. So no function here holds anything with a destructor while it
//! calls Zend; bytes and texts that must live that long are kept in thread-local state.
#![allow(unsafe_code, reason = "the C ABI of PHP is spoken here and nowhere else")]

mod call;
mod ffi;
mod functions;
mod ini;
mod keeper;
mod log;
mod save_handler;
mod warning;
mod worker;

use ext_php_rs::prelude::*;
use ext_php_rs::zend::ModuleEntry;
use ext_php_rs::{info_table_end, info_table_header, info_table_row, info_table_start};
use sessclust_engine::config::SETTINGS;
use sessclust_engine::stats::{self, Counter};
use std::ffi::c_int;

const SUCCESS: c_int = 0;
const FAILURE: c_int = -1;

/// The module as PHP sees it.
#[php_module]
fn module(module: ModuleBuilder<'_>) -> ModuleBuilder<'_> {
    functions::add_to(module)
        .startup_function(startup)
        .request_startup_function(request_startup)
        .post_deactivate_function(post_deactivate)
        .shutdown_function(shutdown)
        .info_function(info)
}

/// MINIT.
unsafe extern "C" fn startup(_type: c_int, module_number: c_int) -> c_int {
    stats::map_counters();
    // Before our own hook for forks is set below, so that it finds the number of the process
    // forgotten: the C library calls the hooks in the order in which they were set.
    sessclust_engine::machine::process_id();
    // Twice in one process if MINIT runs twice; the second call finds nothing to forget.
    // SAFETY: the function is of this library, and the C library forgets it when that is unloaded.
    if unsafe { ffi::pthread_atfork(None, None, Some(worker::after_fork)) } != 0 {
        warning::set("the system has no memory for a fork handler");
        warning::raise();
        return FAILURE;
    }
    ini::register(module_number);
    if save_handler::register() {
        SUCCESS
    } else {
        warning::set("PHP has no room for another session save handler (at most 32)");
        warning::raise();
        FAILURE
    }
}

/// RINIT.
unsafe extern "C" fn request_startup(_type: c_int, _module_number: c_int) -> c_int {
    worker::with(worker::Worker::begin_request);
    SUCCESS
}

/// After every extension's RSHUTDOWN.
unsafe extern "C" fn post_deactivate() -> c_int {
    worker::with(worker::Worker::end_request);
    SUCCESS
}

/// MSHUTDOWN, in the process that ends.
unsafe extern "C" fn shutdown(_type: c_int, _module_number: c_int) -> c_int {
    worker::with(worker::Worker::shut_down);
    SUCCESS
}

/// phpinfo().
unsafe extern "C" fn info(module: *mut ModuleEntry) {
    info_table_start!();
    info_table_row!("sessclust support", "enabled");
    info_table_row!("Version", env!("CARGO_PKG_VERSION"));
    info_table_row!(
        "Stores",
        "embedded (local://), memcached (memcached://, memcached+unix://), Redis and Valkey \
         (redis://, rediss://, redis+unix://, redis+sentinel://, redis+cluster://)"
    );
    let (what, where_) = worker::describe_store(&ini::save_path());
    info_table_row!(what, where_);
    info_table_end!();

    info_table_start!();
    info_table_header!("Setting", "In effect", "Range");
    let settings = ini::settings();
    for setting in &SETTINGS {
        info_table_row!(
            setting.name.to_string_lossy().into_owned(),
            setting.effective(&settings),
            setting.range
        );
    }
    info_table_end!();

    info_table_start!();
    info_table_header!("Counter", "Value", "Counts, for all processes of this server");
    for counter in Counter::ALL {
        let value = stats::counters().get(counter).to_string();
        info_table_row!(counter.name(), value, counter.meaning());
    }
    info_table_end!();
    // SAFETY: PHP passes its own entry of this module, which is what the function asks for.
    unsafe { ffi::display_ini_entries(module) };
}
