//! Which PHP function is running, and with which arguments.
//!
//! PHP tells a save handler neither that a session is only going to be read nor who asks for a gc.
//! Both can be seen in the frame of the function that called the session module.

use ext_php_rs::ffi::{
    IS_ARRAY, IS_LONG, IS_STRING, IS_TRUE, ZEND_INTERNAL_FUNCTION, ext_php_rs_compiler_globals,
    ext_php_rs_executor_globals, ext_php_rs_sapi_globals, zend_execute_data, zend_hash_str_find,
    zval,
};
use sessclust_engine::session::Access;
use std::ffi::CStr;

/// Frames looked at, at most: a save handler written in PHP adds some between `session_start()` and
/// us.
const FRAMES_MAX: usize = 32;

/// Arguments begin behind a frame's header, at a whole zval. Source: `ZEND_CALL_FRAME_SLOT`.
const FRAME_SLOTS: usize = size_of::<zend_execute_data>().div_ceil(size_of::<zval>());

/// The path of the script that is running, for messages to others; empty if there is none.
pub(super) fn script<'a>() -> &'a [u8] {
    // SAFETY: the globals are valid for the thread that runs PHP. The path is null, or a text that
    // the SAPI keeps until the end of the request; the caller copies it at once.
    unsafe {
        let path = (*ext_php_rs_sapi_globals()).request_info.path_translated;
        if path.is_null() { b"" } else { CStr::from_ptr(path).to_bytes() }
    }
}

/// Whether the session that is being started is only read: `session_start(['read_and_close' =>
/// true])`.
pub(super) fn access() -> Access {
    const OPTION: &[u8] = b"read_and_close";
    let Some(frame) = running(b"session_start") else { return Access::Locked };
    // SAFETY: the frame of a running internal function: its header and as many arguments as it says
    // are valid, and an argument of type array holds a valid hash table.
    let option = unsafe {
        if (*frame).This.u2.num_args == 0 {
            return Access::Locked;
        }
        let options = frame.cast::<zval>().add(FRAME_SLOTS);
        if u32::from((*options).u1.v.type_) != IS_ARRAY {
            return Access::Locked;
        }
        zend_hash_str_find((*options).value.arr, OPTION.as_ptr().cast(), OPTION.len())
    };
    // SAFETY: null, or a valid zval of the array.
    match unsafe { option.as_ref() } {
        Some(option) if is_on(option) => Access::Unlocked,
        _ => Access::Locked,
    }
}

/// Whether `session_gc()` was called, as opposed to a chance by `session.gc_probability`.
pub(super) fn is_session_gc() -> bool {
    running(b"session_gc").is_some()
}

/// Whether PHP gives up the session that it is decoding because it was cut off, by want of memory
/// or another fatal error, and not because the data are bad.
pub(super) fn is_decoding_cut_off() -> bool {
    // SAFETY: the globals are valid from MINIT on, for the thread that runs PHP.
    let globals = unsafe { &*ext_php_rs_executor_globals() };
    if globals.current_execute_data.is_null() {
        // Every function was ended by the error.
        // SAFETY: as above.
        return unsafe { (*ext_php_rs_compiler_globals()).unclean_shutdown };
    }
    // Memory ran out, and the error waits until the function returns.
    #[cfg(php_delayed_oom)]
    if globals.delayed_oom.state != 0 {
        return [&b"session_start"[..], b"session_reset", b"session_decode"]
            .iter()
            .any(|function| running(function).is_some());
    }
    false
}

/// Whether PHP takes an option's value as true. In doubt it is not: locking is always right.
fn is_on(option: &zval) -> bool {
    // SAFETY: the type says which member of the value is valid.
    unsafe {
        match u32::from(option.u1.v.type_) {
            IS_TRUE => true,
            IS_LONG => option.value.lval > 0,
            IS_STRING => {
                let digits = super::ffi::bytes(option.value.str_);
                digits.iter().all(u8::is_ascii_digit) && digits.iter().any(|digit| *digit != b'0')
            }
            _ => false,
        }
    }
}

/// The frame of the internal function `name`, if it is running.
fn running(name: &[u8]) -> Option<*const zend_execute_data> {
    // SAFETY: the globals are valid from MINIT on, for the thread that runs PHP.
    let mut frame: *const zend_execute_data =
        unsafe { (*ext_php_rs_executor_globals()).current_execute_data };
    for _ in 0..FRAMES_MAX {
        // SAFETY: null, or a frame on Zend's stack, which stays while its function runs, as do we.
        let current = unsafe { frame.as_ref() }?;
        // SAFETY: null, or a valid function; `type_` and `common` are common to all members of the
        // union.
        let is_wanted = unsafe {
            current.func.as_ref().is_some_and(|function| {
                u32::from(function.type_) == ZEND_INTERNAL_FUNCTION
                    && function.common.scope.is_null()
                    && !function.common.function_name.is_null()
                    && super::ffi::bytes(function.common.function_name) == name
            })
        };
        if is_wanted {
            return Some(frame);
        }
        frame = current.prev_execute_data;
    }
    None
}
