//! The INI entries, made from the engine's table of settings.

use super::{FAILURE, SUCCESS, ffi, warning};
use ext_php_rs::ffi::{
    ext_php_rs_executor_globals, zend_hash_str_find, zend_ini_entry, zend_string,
};
use ext_php_rs::flags::IniEntryPermission;
use ext_php_rs::zend::{IniEntryDef, IniEntryDefs};
use sessclust_engine::config::{SETTINGS, Settings};
use std::cell::RefCell;
use std::ffi::{c_int, c_void};

const ENTRIES: usize = SETTINGS.len() + 1;

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
    IniEntryDefs::new(table)
};

thread_local! {
    /// The settings in effect; PHP calls [`on_modify`] for every change, also at the start of a
    /// thread.
    static IN_EFFECT: RefCell<Settings> = RefCell::default();
}

/// Registers the entries. Part of MINIT.
pub(super) fn register(module_number: c_int) {
    IniEntryDef::register(TABLE.as_slice(), module_number);
}

/// The settings in effect now.
pub(super) fn settings() -> Settings {
    IN_EFFECT.with_borrow(|settings| *settings)
}

/// Takes over a new value, or warns and refuses it: PHP then keeps the value before, at start the
/// default.
unsafe extern "C" fn on_modify(
    _entry: *mut zend_ini_entry,
    value: *mut zend_string,
    index: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _stage: c_int,
) -> c_int {
    let text: &[u8] = match value.is_null() {
        true => b"",
        // SAFETY: PHP passes the new value, valid for the call.
        false => unsafe { ffi::bytes(value) },
    };
    let setting = &SETTINGS[index.addr()];
    let result = IN_EFFECT.with_borrow_mut(|settings| setting.apply(settings, text));
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

fn save_path_entry() -> Option<&'static zend_ini_entry> {
    const NAME: &[u8] = b"session.save_path";
    // SAFETY: the table of INI entries is valid while PHP runs; its values are pointers to entries.
    unsafe {
        let entries = (*ext_php_rs_executor_globals()).ini_directives;
        let entry = zend_hash_str_find(entries, NAME.as_ptr().cast(), NAME.len());
        entry.as_ref().and_then(|entry| entry.value.ptr.cast::<zend_ini_entry>().as_ref())
    }
}
