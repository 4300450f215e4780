//! One PHP warning for one failure.
//!
//! The text is set while Rust code runs and raised when nothing with a destructor is left on the
//! stack, because a user's error handler may end the request by jumping over us.

use super::log;
use ext_php_rs::ffi::php_error_docref;
use ext_php_rs::flags::ErrorType;
use sessclust_engine::stats::{self, Counter};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_int};

thread_local! {
    /// The text; replaced by the next one only, so that a pointer to it stays good while PHP
    /// formats it.
    static TEXT: RefCell<CString> = RefCell::default();
    static IS_PENDING: Cell<bool> = const { Cell::new(false) };
}

/// Sets the warning to raise. A NUL byte, which PHP could not show, ends the text.
pub(super) fn set(text: impl ToString) {
    let mut bytes = text.to_string().into_bytes();
    bytes.push(0);
    let text = CStr::from_bytes_until_nul(&bytes).map(CStr::to_owned).unwrap_or_default();
    TEXT.set(text);
    IS_PENDING.set(true);
}

/// Raises the warning that was set, if one was, and writes what there is for the server's log.
pub(super) fn raise() {
    log::write();
    if !IS_PENDING.replace(false) {
        return;
    }
    stats::counters().add(Counter::Warnings, 1);
    let text = TEXT.with_borrow(|text| text.as_ptr());
    let level = ErrorType::Warning.bits() as c_int;
    // SAFETY: both texts end with NUL; the message is an argument, never the format. PHP has
    // formatted it before it runs any user code that could set another one.
    unsafe { php_error_docref(std::ptr::null(), level, c"%s".as_ptr(), text) };
}

/// Forgets a warning that a request could not raise any more.
pub(super) fn forget() {
    IS_PENDING.set(false);
}
