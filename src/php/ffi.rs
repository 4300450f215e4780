//! Declarations of PHP's session API, which ext-php-rs does not bind.
//!
//! Source: `ext/session/php_session.h`, `main/fopen_wrappers.h` `main/php.h` and
//! `Zend/zend_ini.h` of PHP 8.1 to 8.5,
//! and POSIX.
//! `build.rs` compiles the same layout as assertions against the installed headers.

use ext_php_rs::ffi::{zend_long, zend_string};
use ext_php_rs::zend::ModuleEntry;
use std::ffi::{c_char, c_int, c_void};

/// The text type of `s_open`'s arguments.
#[cfg(php_session_open_zend_string)]
pub(super) type OpenText = *mut zend_string;
/// The text type of `s_open`'s arguments.
#[cfg(not(php_session_open_zend_string))]
pub(super) type OpenText = *const c_char;

/// `void **mod_data`: where PHP keeps a save handler's pointer between callbacks.
pub(super) type ModData = *mut *mut c_void;

/// `ps_module`: a save handler's name and its nine callbacks.
#[repr(C)]
pub(super) struct PsModule {
    pub(super) name: *const c_char,
    pub(super) open: unsafe extern "C" fn(ModData, OpenText, OpenText) -> c_int,
    pub(super) close: unsafe extern "C" fn(ModData) -> c_int,
    pub(super) read:
        unsafe extern "C" fn(ModData, *mut zend_string, *mut *mut zend_string, zend_long) -> c_int,
    pub(super) write:
        unsafe extern "C" fn(ModData, *mut zend_string, *mut zend_string, zend_long) -> c_int,
    pub(super) destroy: unsafe extern "C" fn(ModData, *mut zend_string) -> c_int,
    pub(super) gc: unsafe extern "C" fn(ModData, zend_long, *mut zend_long) -> zend_long,
    pub(super) create_sid: unsafe extern "C" fn(ModData) -> *mut zend_string,
    pub(super) validate_sid: unsafe extern "C" fn(ModData, *mut zend_string) -> c_int,
    pub(super) update_timestamp:
        unsafe extern "C" fn(ModData, *mut zend_string, *mut zend_string, zend_long) -> c_int,
}

const _: () = assert!(size_of::<PsModule>() == 10 * size_of::<*const c_void>());

// SAFETY: the only pointer is to a static C string, and nothing is ever changed.
unsafe impl Sync for PsModule {}

unsafe extern "C" {
    /// Adds a save handler to PHP's table; -1 if all 32 places are taken. Keeps the pointer.
    pub(super) fn php_session_register_module(module: *const PsModule) -> c_int;
    /// Draws a session id from the system's random source; null, with an exception thrown, if that
    /// fails.
    pub(super) fn php_session_create_id(mod_data: ModData) -> *mut zend_string;
    /// Not 0, with a warning raised, if `open_basedir` forbids the path.
    pub(super) fn php_check_open_basedir(path: *const c_char) -> c_int;
    /// The value of an INI entry, 0 if there is none; `original` asks for the one before any
    /// change.
    pub(super) fn zend_ini_long(name: *const c_char, length: usize, original: c_int) -> zend_long;
    /// Writes a line to where `error_log` says, otherwise to the server's own log.
    pub(super) fn php_log_err_with_severity(line: *const c_char, severity: c_int);
    /// Calls `child` in the child of every later fork; 0 if it will. Forgotten when the extension
    /// is unloaded.
    pub(super) fn pthread_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
    ) -> c_int;
    /// Prints a module's INI entries for phpinfo.
    pub(super) fn display_ini_entries(module: *mut ModuleEntry);
}

/// The bytes of a `zend_string`.
///
/// # Safety
/// `string` is a valid `zend_string` that neither changes nor goes while the result is used.
pub(super) unsafe fn bytes<'a>(string: *const zend_string) -> &'a [u8] {
    // SAFETY: the caller's; `val` is the first of `len` bytes that follow the header.
    unsafe {
        let start = (&raw const (*string).val).cast();
        std::slice::from_raw_parts(start, (*string).len)
    }
}
