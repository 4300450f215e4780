//! The nine callbacks of the save handler, in the order in which PHP calls them.
//!
//! ```text
//! session start   open, (no id: create_sid; strict mode: validate_sid, create_sid), read, (gc)
//! session end     write, or update_timestamp if nothing has changed; close
//! regenerate id   write or destroy the old, close, open, create_sid, (validate_sid,) read
//! ```
//!
//! PHP's obligations are those of `ext/session/mod_files.c`, its reference for save handlers. Every
//! callback is the same three steps: borrow the arguments, [`run`] the engine, then, with nothing
//! left on the stack that has a destructor, allocate or warn.

use super::ffi::{ModData, OpenText, PsModule, bytes};
use super::worker::run;
use super::{FAILURE, SUCCESS, call, ffi, ini, warning};
use ext_php_rs::ffi::{
    ext_php_rs_zend_string_init, ext_php_rs_zend_string_release, zend_long, zend_string,
};
use sessclust_engine::Result;
use sessclust_engine::session::Session;
use sessclust_engine::session::id::SessionId;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

/// How often a new id may be in use already. Two that collide mean a broken random source.
const CREATE_TRIES: u32 = 3;

static MODULE: PsModule = PsModule {
    name: c"sessclust".as_ptr(),
    open,
    close,
    read,
    write,
    destroy,
    gc,
    create_sid,
    validate_sid,
    update_timestamp,
};

/// What `mod_data` points at while a session is open. The state itself is the process's own (see
/// [`super::worker`]); PHP only asks whether the pointer is null.
static OPEN: u8 = 0;

/// Makes the save handler known to PHP. Says whether there was room for it.
pub(super) fn register() -> bool {
    // SAFETY: the table is static, and PHP only reads it.
    unsafe { ffi::php_session_register_module(&MODULE) >= 0 }
}

/// Runs an engine call on the session whose id PHP passes, and warns if it fails.
///
/// # Safety
/// `key` is a valid `zend_string`.
unsafe fn with_session(
    key: *mut zend_string,
    lifetime: Option<zend_long>,
    f: impl FnOnce(&mut Session, SessionId<'_>, u64) -> Result<()>,
) -> c_int {
    // SAFETY: the caller's; PHP holds the id for the length of the callback.
    let id = unsafe { bytes(key) };
    let done = run(|worker| {
        let (session, lifetime_s) = worker.session(lifetime)?;
        f(session, SessionId::parse(id)?, lifetime_s)
    });
    warning::raise();
    if done.is_some() { SUCCESS } else { FAILURE }
}

/// Opens the store.
///
/// PARAMETERS: `save_path`, never null; the session's name is not used, since two applications with
/// different names have different ids. RETURN VALUE: SUCCESS with `*mod_data` set, or FAILURE.
unsafe extern "C" fn open(mod_data: ModData, save_path: OpenText, _name: OpenText) -> c_int {
    // SAFETY: PHP passes a valid text that it holds for the length of the callback.
    let save_path = unsafe { open_text(save_path) };
    if ini::save_path_was_changed() {
        let Some(base) = run(|worker| worker.local_base(save_path)) else {
            warning::raise();
            return FAILURE;
        };
        // SAFETY: a path that the worker keeps; the function only reads it.
        if !base.is_null() && unsafe { ffi::php_check_open_basedir(base) } != 0 {
            return FAILURE;
        }
    }
    let opened = run(|worker| worker.open(save_path));
    let data = match opened {
        Some(()) => (&raw const OPEN).cast_mut().cast::<c_void>(),
        None => null_mut(),
    };
    // SAFETY: PHP passes a valid place for the pointer.
    unsafe { *mod_data = data };
    warning::raise();
    if opened.is_some() { SUCCESS } else { FAILURE }
}

/// Gives the session's lock back. Never fails.
unsafe extern "C" fn close(mod_data: ModData) -> c_int {
    run(|worker| {
        worker.close();
        Ok(())
    });
    // SAFETY: PHP passes a valid place for the pointer.
    unsafe { *mod_data = null_mut() };
    warning::raise();
    SUCCESS
}

/// Locks and reads a session; a new one is empty, which is no failure.
///
/// RETURN VALUE: SUCCESS with `*val` set, or FAILURE, and session_start() fails.
unsafe extern "C" fn read(
    _mod_data: ModData,
    key: *mut zend_string,
    val: *mut *mut zend_string,
    lifetime: zend_long,
) -> c_int {
    // SAFETY: PHP passes a valid id that it holds for the length of the callback.
    let id = unsafe { bytes(key) };
    let access = call::access();
    let Some(data) = run(|worker| worker.read(id, access, lifetime)) else {
        warning::raise();
        return FAILURE;
    };
    // SAFETY: the bytes are the worker's, unchanged until it is called again. Zend may jump out of
    // this call when memory runs out; the session then stays undelivered and is not overwritten.
    let string = unsafe { ext_php_rs_zend_string_init(data.start.cast(), data.length, false) };
    // SAFETY: PHP passes a valid place for the string.
    unsafe { *val = string };
    run(|worker| {
        worker.session(None)?.0.delivered();
        Ok(())
    });
    // Damage to the record, if there was any. Last, for the user's error handler may use the
    // session.
    warning::raise();
    SUCCESS
}

/// Stores a session unconditionally.
unsafe extern "C" fn write(
    _mod_data: ModData,
    key: *mut zend_string,
    val: *mut zend_string,
    lifetime: zend_long,
) -> c_int {
    // SAFETY: PHP passes valid strings that it holds for the length of the callback.
    unsafe {
        let data = bytes(val);
        with_session(key, Some(lifetime), |session, id, lifetime_s| {
            session.write(id, data, lifetime_s)
        })
    }
}

/// Marks an unchanged session as used; one that is not stored yet is written.
unsafe extern "C" fn update_timestamp(
    _mod_data: ModData,
    key: *mut zend_string,
    val: *mut zend_string,
    lifetime: zend_long,
) -> c_int {
    // SAFETY: PHP passes valid strings that it holds for the length of the callback.
    unsafe {
        let data = bytes(val);
        with_session(key, Some(lifetime), |session, id, lifetime_s| {
            session.touch(id, data, lifetime_s)
        })
    }
}

/// Removes a session unconditionally; one that does not exist is no failure.
///
/// Except when PHP was cut off while it decoded the session, by want of memory as a rule: it then
/// gives the session up as if its data were bad, which they are not. Nobody asked for it, and a
/// request with more memory can still read it.
unsafe extern "C" fn destroy(_mod_data: ModData, key: *mut zend_string) -> c_int {
    if call::is_decoding_cut_off() {
        return SUCCESS;
    }
    // SAFETY: PHP passes a valid id.
    unsafe { with_session(key, None, |session, id, _| session.destroy(id)) }
}

/// Removes sessions that have ended: all of them if the application asks by session_gc(), a bounded
/// step if it is by chance during a request.
///
/// RETURN VALUE: their number, also in `*nrdels`; -1 for failure.
unsafe extern "C" fn gc(
    _mod_data: ModData,
    lifetime: zend_long,
    nrdels: *mut zend_long,
) -> zend_long {
    let is_full = call::is_session_gc();
    let removed = run(|worker| {
        let (session, lifetime_s) = worker.session(Some(lifetime))?;
        if is_full { session.sweep_all(lifetime_s) } else { Ok(session.sweep_step(lifetime_s)) }
    });
    let removed = removed.map_or(-1, |removed| removed as zend_long);
    // SAFETY: PHP passes a valid place for the number.
    unsafe { *nrdels = removed };
    warning::raise();
    removed
}

/// Draws an id that is in nobody's use.
///
/// RETURN VALUE: the id, or null: PHP then draws one itself, or says that it cannot.
unsafe extern "C" fn create_sid(mod_data: ModData) -> *mut zend_string {
    for _ in 0..CREATE_TRIES {
        // SAFETY: PHP's own function, which looks at neither argument nor state of a save handler.
        let id = unsafe { ffi::php_session_create_id(mod_data) };
        if id.is_null() {
            return id;
        }
        // A store that cannot be looked at, or is not open (SessionHandler::create_sid() may be
        // called at any time), is no reason to have no id; the read that follows says what is
        // wrong.
        let is_free = run(|worker| {
            // SAFETY: the id was just made.
            let id = SessionId::parse(unsafe { bytes(id) })?;
            Ok(worker.session(None).and_then(|(session, _)| session.is_free(id)).unwrap_or(true))
        });
        if is_free == Some(true) {
            return near(id);
        }
        // SAFETY: ours, and not used any more.
        unsafe { ext_php_rs_zend_string_release(id) };
    }
    warning::set("every new session id was in use already: the random source repeats itself");
    warning::raise();
    null_mut()
}

/// The id whose session will be on this machine's node, in place of a newly drawn one, where
/// `sessclust.placement` asks for it.
fn near(id: *mut zend_string) -> *mut zend_string {
    let drawn = run(|worker| {
        // SAFETY: the id was just made.
        let id = SessionId::parse(unsafe { bytes(id) })?;
        // As above: without a store any id is good.
        let drawn = worker.draw_near(id).unwrap_or(None);
        Ok(drawn)
    });
    let Some(Some(drawn)) = drawn else { return id };
    // SAFETY: the id is ours, and not used any more; the new one's bytes are the worker's,
    // unchanged until it is called again.
    unsafe {
        ext_php_rs_zend_string_release(id);
        ext_php_rs_zend_string_init(drawn.start.cast(), drawn.length, false)
    }
}

/// Whether a session exists, for strict mode. Locks and reads it on the way, for the read that
/// follows.
///
/// RETURN VALUE: SUCCESS if it does; FAILURE, and PHP draws a new id.
unsafe extern "C" fn validate_sid(_mod_data: ModData, key: *mut zend_string) -> c_int {
    // SAFETY: PHP passes a valid id that it holds for the length of the callback.
    let id = unsafe { bytes(key) };
    let access = call::access();
    let exists = run(|worker| {
        // An id that cannot exist is no failure here: strict mode replaces it.
        SessionId::parse(id).map_or(Ok(false), |id| worker.validate(id, access))
    });
    warning::raise();
    if exists == Some(true) { SUCCESS } else { FAILURE }
}

/// The bytes of an argument of `s_open`.
///
/// # Safety
/// `text` is valid and stays so while the result is used.
#[cfg(php_session_open_zend_string)]
unsafe fn open_text<'a>(text: OpenText) -> &'a [u8] {
    // SAFETY: the caller's.
    unsafe { bytes(text) }
}

/// The bytes of an argument of `s_open`.
///
/// # Safety
/// `text` is valid and stays so while the result is used.
#[cfg(not(php_session_open_zend_string))]
unsafe fn open_text<'a>(text: OpenText) -> &'a [u8] {
    // SAFETY: the caller's; PHP before 8.6 ends it with NUL.
    unsafe { std::ffi::CStr::from_ptr(text) }.to_bytes()
}
