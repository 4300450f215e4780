//! What a process (under ZTS, a thread) keeps from one request to the next.

use super::{ini, warning};
use sessclust_engine::config::save_path::SavePath;
use sessclust_engine::local::Store;
use sessclust_engine::session::id::SessionId;
use sessclust_engine::session::{Access, Session};
use sessclust_engine::stats::{Counter, RequestStats, Segment};
use sessclust_engine::{Error, ErrorKind, Result};
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::os::unix::ffi::OsStringExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    match catch_unwind(AssertUnwindSafe(|| with(f))) {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            warning::set(error);
            None
        }
        Err(_) => {
            Segment::counters().add(Counter::Panics, 1);
            warning::set(
                "internal error of sessclust, please report it with the text in the error log",
            );
            None
        }
    }
}

/// What was read, for the caller to copy. Valid until the next call of [`with`].
#[derive(Clone, Copy)]
pub(super) struct RawData {
    pub(super) start: *const u8,
    pub(super) length: usize,
}

/// The state.
pub(super) struct Worker {
    /// The store in use and the save path that named it. Kept from request to request.
    store: Option<(Vec<u8>, Rc<Store>)>,
    /// What [`Worker::local_base`] gives out a pointer to.
    base: Option<CString>,
    session: Option<Session>,
    /// `session.gc_maxlifetime` in seconds, as the last callback was given it.
    lifetime_s: u64,
    /// What those sessions of this request cost that are closed.
    closed: RequestStats,
}

impl Worker {
    const fn new() -> Self {
        let closed = RequestStats::new();
        Self { store: None, base: None, session: None, lifetime_s: 0, closed }
    }

    /// RINIT.
    pub(super) fn begin_request(&mut self) {
        self.closed = RequestStats::new();
        warning::forget();
    }

    /// After all RSHUTDOWN functions: drops what a request has left open.
    pub(super) fn end_request(&mut self) {
        self.session = None;
    }

    /// The directory that a save path names, for `open_basedir`; null if it names none. Valid until
    /// the next call.
    pub(super) fn local_base(&mut self, save_path: &[u8]) -> Result<*const c_char> {
        let base = SavePath::parse(save_path)?.local_base;
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
        let is_same =
            |(path, store): &(Vec<u8>, Rc<Store>)| path == save_path && store.uid() == uid;
        if !self.store.as_ref().is_some_and(is_same) {
            self.close();
            self.store = None;
            let base = SavePath::parse(save_path)?.local_base;
            self.store = Some((save_path.to_vec(), Rc::new(Store::open(base.as_deref())?)));
        }
        if let (None, Some((_, store))) = (&self.session, &self.store) {
            let (store, counters) = (Rc::clone(store), Segment::counters());
            self.session = Some(Session::new(store, ini::settings(), counters));
        }
        Ok(())
    }

    /// Closes the session, if one is open.
    pub(super) fn close(&mut self) {
        if let Some(mut session) = self.session.take() {
            session.close(self.lifetime_s);
            self.closed += session.stats();
        }
    }

    /// The open session, for a callback that was given `lifetime` (`session.gc_maxlifetime` in
    /// seconds).
    pub(super) fn session(&mut self, lifetime: Option<i64>) -> Result<(&mut Session, u64)> {
        if let Some(lifetime) = lifetime {
            // Negative is PHP's way of saying: at once. 0 has no end of its own, and gc removes it.
            self.lifetime_s = u64::try_from(lifetime).unwrap_or(0);
        }
        let session = self
            .session
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::Config, "the session's store is not open"))?;
        Ok((session, self.lifetime_s))
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

    /// The directory of the store in use.
    pub(super) fn directory(&self) -> Option<String> {
        let (_, store) = self.store.as_ref()?;
        Some(store.directory().to_string_lossy().into_owned())
    }
}
