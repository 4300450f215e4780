//! What a process (under ZTS, a thread) keeps from one request to the next.

use super::{ini, warning};
use sessclust_engine::config::save_path::SavePath;
use sessclust_engine::error::catch;
use sessclust_engine::local::Store;
use sessclust_engine::session::id::SessionId;
use sessclust_engine::session::{Access, Session};
use sessclust_engine::stats::{self, Counter, RequestStats};
use sessclust_engine::{Error, ErrorKind, Result};
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::os::unix::ffi::OsStringExt;
use std::rc::Rc;

thread_local! {
    static WORKER: RefCell<Worker> = const { RefCell::new(Worker::new()) };
}

/// Calls `f` with the state of this process. `f` must not call Zend.
pub(super) fn with<T>(f: impl FnOnce(&mut Worker) -> T) -> T {
    WORKER.with_borrow_mut(f)
}

/// To be called by the C library in the child of every fork.
pub(super) unsafe extern "C" fn after_fork() {
    // The thread that forks is the one whose state this is. It is not within `with`, which does not
    // fork; a thread that is going down has no state any more.
    let _ = WORKER.try_with(|worker| {
        if let Ok(mut worker) = worker.try_borrow_mut() {
            worker.forget_inherited();
        }
    });
}

/// Calls `f` for one of the save handler's callbacks. A failure or a panic becomes a warning, to be
/// raised by the caller when nothing with a destructor is left on its stack. `T` is `Copy` so that
/// nothing is.
pub(super) fn run<T: Copy>(f: impl FnOnce(&mut Worker) -> Result<T>) -> Option<T> {
    match catch(|| with(f)) {
        Ok(value) => Some(value),
        Err(error) => {
            if error.kind() == ErrorKind::Internal {
                stats::counters().add(Counter::Panics, 1);
            }
            warning::set(error);
            None
        }
    }
}

/// Stores that are kept open, at most: one for each save path, and a server has few of them.
const STORES_MAX: usize = 16;

/// What was read, for the caller to copy. Valid until the next call of [`with`].
#[derive(Clone, Copy)]
pub(super) struct RawData {
    pub(super) start: *const u8,
    pub(super) length: usize,
}

/// The state.
pub(super) struct Worker {
    /// The stores that were used last, each with the save path that named it; the one in use comes
    /// first. Kept from request to request.
    stores: Vec<(Vec<u8>, Rc<Store>)>,
    /// What [`Worker::local_base`] gives out a pointer to.
    base: Option<CString>,
    session: Option<Session>,
    /// `session.gc_maxlifetime` in seconds, once a callback of this request was given it.
    lifetime_s: Option<u64>,
    /// What those sessions of this request cost that are closed.
    closed: RequestStats,
}

impl Worker {
    const fn new() -> Self {
        let closed = RequestStats::new();
        Self { stores: Vec::new(), base: None, session: None, lifetime_s: None, closed }
    }

    /// RINIT.
    pub(super) fn begin_request(&mut self) {
        self.closed = RequestStats::new();
        self.lifetime_s = None;
        warning::forget();
    }

    /// After all RSHUTDOWN functions: drops what a request has left open.
    pub(super) fn end_request(&mut self) {
        self.session = None;
    }

    /// The directory that a save path names, for `open_basedir`; null if it names none. Valid until
    /// the next call.
    pub(super) fn local_base(&mut self, save_path: &[u8]) -> Result<*const c_char> {
        let base = match SavePath::parse(save_path)? {
            SavePath::Local(base) => base,
            SavePath::Pool(_) => None,
        };
        // A parsed path holds no NUL.
        self.base = base.and_then(|base| CString::new(base.into_os_string().into_vec()).ok());
        Ok(self.base.as_ref().map_or(std::ptr::null(), |base| base.as_ptr()))
    }

    /// In the child of a fork.
    fn forget_inherited(&mut self) {
        if let Some(session) = &mut self.session {
            session.forget_inherited();
        }
    }

    /// Opens the store that a save path names. A session that is open already stays so:
    /// session_reset() opens again with its lock held.
    pub(super) fn open(&mut self, save_path: &[u8]) -> Result<()> {
        let uid = Store::current_uid();
        let is_wanted =
            |(path, store): &(Vec<u8>, Rc<Store>)| path == save_path && store.uid() == uid;
        match self.stores.iter().position(is_wanted) {
            Some(0) => {}
            found => {
                self.close();
                let store = match found {
                    Some(index) => self.stores.remove(index),
                    None => {
                        let SavePath::Local(base) = SavePath::parse(save_path)? else {
                            let text = "memcached nodes are not supported by this version yet";
                            return Err(Error::new(ErrorKind::Config, text));
                        };
                        (save_path.to_vec(), Rc::new(Store::open(base.as_deref())?))
                    }
                };
                self.stores.insert(0, store);
                self.stores.truncate(STORES_MAX);
            }
        }
        if self.session.is_none() {
            let store = Rc::clone(&self.stores[0].1);
            self.session = Some(Session::new(store, ini::settings(), stats::counters()));
        }
        Ok(())
    }

    /// Closes the session, if one is open.
    pub(super) fn close(&mut self) {
        if let Some(mut session) = self.session.take() {
            self.closed += session.close(self.lifetime_s);
        }
    }

    /// The open session, for a callback that was given `lifetime` (`session.gc_maxlifetime` in
    /// seconds).
    pub(super) fn session(&mut self, lifetime: Option<i64>) -> Result<(&mut Session, u64)> {
        if let Some(lifetime) = lifetime {
            // Negative is PHP's way of saying: at once. 0 has no end of its own, and gc removes it.
            self.lifetime_s = Some(u64::try_from(lifetime).unwrap_or(0));
        }
        let session = self
            .session
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::NotOpen, "the session handler is not open"))?;
        Ok((session, self.lifetime_s.unwrap_or(0)))
    }

    /// Reads a session.
    pub(super) fn read(&mut self, id: &[u8], access: Access, lifetime: i64) -> Result<RawData> {
        let (session, _) = self.session(Some(lifetime))?;
        let data = session.read(SessionId::parse(id)?, access)?;
        if let Some(loss) = data.loss {
            warning::set(loss);
        }
        Ok(RawData { start: data.bytes.as_ptr(), length: data.bytes.len() })
    }

    /// What this request's sessions have cost so far.
    pub(super) fn stats(&self) -> RequestStats {
        let mut stats = self.closed;
        if let Some(session) = &self.session {
            stats += session.stats();
        }
        stats
    }

    /// The directory of the store used last, and whether it can be written.
    pub(super) fn node(&self) -> Option<(String, bool)> {
        let (_, store) = self.stores.first()?;
        Some((store.directory().to_string_lossy().into_owned(), store.is_usable()))
    }
}
