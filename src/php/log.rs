//! Lines in the server's log: what an administrator wants to know and no request has to.
//!
//! As with warnings, the text is set while Rust code runs, and written when nothing with a
//! destructor is left on the stack: writing takes memory of PHP's, which may run out.

use super::ffi;
use std::cell::RefCell;
use std::ffi::{CString, c_int};

thread_local! {
    static LINES: RefCell<Vec<CString>> = const { RefCell::new(Vec::new()) };
    /// The line that PHP is writing; replaced by the next one only.
    static CURRENT: RefCell<CString> = RefCell::default();
}

/// `LOG_NOTICE` of syslog(3).
const NOTICE: c_int = 5;

/// Adds lines to be written.
pub(super) fn add(texts: Vec<String>) {
    // What the engine says can be printed, so it holds no NUL.
    let lines =
        texts.into_iter().filter_map(|text| CString::new(format!("sessclust: {text}")).ok());
    LINES.with_borrow_mut(|known| known.extend(lines));
}

/// Writes the lines that were added.
pub(super) fn write() {
    while let Some(line) =
        LINES.with_borrow_mut(|lines| (!lines.is_empty()).then(|| lines.remove(0)))
    {
        CURRENT.set(line);
        let text = CURRENT.with_borrow(|line| line.as_ptr());
        // SAFETY: the text ends with NUL, and stays until the next line is written.
        unsafe { ffi::php_log_err_with_severity(text, NOTICE) };
    }
}
