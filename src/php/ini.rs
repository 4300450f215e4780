//! The INI entries, made from the engine's table of settings.

use super::{FAILURE, SUCCESS, ffi, warning};
use ext_php_rs::ffi::{
    ext_php_rs_executor_globals, zend_hash_str_find, zend_ini_entry, zend_string,
};
use ext_php_rs::flags::IniEntryPermission;
use ext_php_rs::zend::{IniEntryDef, IniEntryDefs};
use sessclust_engine::Result;
use sessclust_engine::config::{self, SETTINGS, Settings};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};

/// One for each setting, the option of session_start(), and the end.
const ENTRIES: usize = SETTINGS.len() + 2;

/// PHP keeps pointers into this table for the life of the process.
static TABLE: IniEntryDefs<ENTRIES> = {
    let mut table = [IniEntryDef::end(); ENTRIES];
    let mut index = 0;
    while index < SETTINGS.len() {
        let setting = &SETTINGS[index];
        table[index] = IniEntryDef::new(setting.name, setting.default, IniEntryPermission::All);
        table[index].on_modify = Some(on_modify);
        table[index].mh_arg1 = std::ptr::without_provenance_mut(index);
        index += 1;
    }
    // session_start(['sessclust_lock' => 'off']) sets the entry of that name behind "session.".
    let name = c"session.sessclust_lock";
    table[index] = IniEntryDef::new(name, c"", IniEntryPermission::All);
    table[index].on_modify = Some(on_modify_lock_option);
    IniEntryDefs::new(table)
};

thread_local! {
    /// The settings in effect; PHP calls [`on_modify`] for every change, also at the start of a
    /// thread.
    static IN_EFFECT: RefCell<Settings> = RefCell::default();
    /// What session.sessclust_lock says instead of sessclust.lock.
    static LOCK_OPTION: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Registers the entries. Part of MINIT.
pub(super) fn register(module_number: c_int) {
    IniEntryDef::register(TABLE.as_slice(), module_number);
}

/// The settings in effect now.
pub(super) fn settings() -> Settings {
    let mut settings = IN_EFFECT.with_borrow(Settings::clone);
    settings.lock = LOCK_OPTION.get().unwrap_or(settings.lock);
    settings
}

/// Takes over a new value of a setting, whose index is the argument.
unsafe extern "C" fn on_modify(
    _entry: *mut zend_ini_entry,
    value: *mut zend_string,
    index: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _stage: c_int,
) -> c_int {
    let setting = &SETTINGS[index.addr()];
    // SAFETY: PHP passes the new value, null or valid for the call.
    let text = unsafe { text(value) };
    answer(IN_EFFECT.with_borrow_mut(|settings| setting.apply(settings, text)))
}

/// Takes over a new value of session.sessclust_lock.
unsafe extern "C" fn on_modify_lock_option(
    _entry: *mut zend_ini_entry,
    value: *mut zend_string,
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _stage: c_int,
) -> c_int {
    // SAFETY: PHP passes the new value, null or valid for the call.
    let text = unsafe { text(value) };
    answer(config::parse_lock_option(text).map(|option| LOCK_OPTION.set(option)))
}

/// The text of a new value.
///
/// # Safety
/// It is null or valid for `'a`.
unsafe fn text<'a>(value: *mut zend_string) -> &'a [u8] {
    match value.is_null() {
        true => b"",
        // SAFETY: the caller's.
        false => unsafe { ffi::bytes(value) },
    }
}

/// Warns of a value that was refused: PHP then keeps the value before, at start the default.
fn answer(result: Result<()>) -> c_int {
    let Err(error) = result else { return SUCCESS };
    warning::set(error);
    warning::raise();
    FAILURE
}

/// Whether `session.save_path` was changed for this request by the application or a directory's
/// configuration, as opposed to the administrator's, also where that is for one site only.
pub(super) fn save_path_was_changed() -> bool {
    save_path_entry().is_some_and(|entry| {
        // A change that PHP refused leaves the mark, and the value as it was.
        let was_changed = entry.modified != 0 && entry.value != entry.orig_value;
        // php_admin_value and the sections of php.ini take the right to change it away.
        was_changed && u32::from(entry.modifiable) != IniEntryPermission::System.bits()
    })
}

/// `session.save_path` as it is now.
pub(super) fn save_path() -> Vec<u8> {
    // SAFETY: an entry's value is null or a valid string.
    let value = |entry: &zend_ini_entry| unsafe { entry.value.as_ref().map(|v| ffi::bytes(v)) };
    save_path_entry().and_then(value).unwrap_or_default().to_vec()
}

/// `session.gc_maxlifetime` as it is now, in seconds.
pub(super) fn session_lifetime() -> i64 {
    const NAME: &CStr = c"session.gc_maxlifetime";
    // SAFETY: the name is a C string of this length.
    unsafe { ffi::zend_ini_long(NAME.as_ptr(), NAME.count_bytes(), 0) }
}

fn save_path_entry() -> Option<&'static zend_ini_entry> {
    const NAME: &[u8] = b"session.save_path";
    // SAFETY: the table of INI entries is valid while PHP runs; its values are pointers to entries.
    unsafe {
        let entries = (*ext_php_rs_executor_globals()).ini_directives;
        let entry = zend_hash_str_find(entries, NAME.as_ptr().cast(), NAME.len());
        entry.as_ref().and_then(|entry| entry.value.ptr.cast::<zend_ini_entry>().as_ref())
    }
}
