//! What a process (under ZTS, a thread) keeps from one request to the next.

use super::keeper::Keeper;
use super::{call, ini, log, warning};
use sessclust_engine::config::save_path::{NodeAddress, SavePath};
use sessclust_engine::error::catch;
use sessclust_engine::machine::Health;
use sessclust_engine::node::{System, World};
use sessclust_engine::session::id::SessionId;
use sessclust_engine::session::{Access, Session, Store};
use sessclust_engine::stats::{self, Counter, RequestStats};
use sessclust_engine::{Error, ErrorKind, Result};
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::hint;
use std::os::unix::ffi::OsStringExt;
use std::rc::Rc;
use std::time::SystemTime;

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
    let run = |worker: &mut Worker| {
        let result = f(worker);
        worker.finish_callback();
        result
    };
    match catch(|| with(run)) {
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

/// How large a block the C library is to take from the heap, in bytes.
const HEAP_BLOCK_BYTES: usize = 1024 * 1024;

/// Has the C library keep what is freed at the end of the heap, up to twice [`HEAP_BLOCK_BYTES`] of
/// it, for all that use it in this process.
///
/// glibc gives it back to the system when it is more than 128 KB, so that each request with a
/// session of 100 KB would have some 100 page faults, which take longer than all else it does. When
/// a block is freed that had pages of its own, blocks of its size come from the heap from then on,
/// and twice as much is kept there. Other C libraries do as they like. Source: mallopt(3),
/// `M_MMAP_THRESHOLD`.
fn keep_heap() {
    drop(hint::black_box(Vec::<u8>::with_capacity(HEAP_BLOCK_BYTES)));
}

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
    /// What [`Worker::draw_near`] gives out a pointer to.
    drawn: Vec<u8>,
    keeper: Keeper,
    /// `session.gc_maxlifetime` in seconds, once a callback of this request was given it.
    lifetime_s: Option<u64>,
    /// What those sessions of this request cost that are closed.
    closed: RequestStats,
}

impl Worker {
    const fn new() -> Self {
        let closed = RequestStats::new();
        Self {
            stores: Vec::new(),
            base: None,
            session: None,
            drawn: Vec::new(),
            keeper: Keeper::new(),
            lifetime_s: None,
            closed,
        }
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

    /// MSHUTDOWN: what was written with `sessclust.write = delayed` shall arrive, and no thread of
    /// ours may run when PHP unloads this library.
    pub(super) fn shut_down(&mut self) {
        self.session = None;
        self.keeper.stop();
        let settings = ini::settings();
        for (_, store) in self.stores.drain(..) {
            store.settle(&settings);
        }
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
        self.keeper.forget_inherited();
        if let Some(session) = &mut self.session {
            session.forget_inherited();
        }
    }

    /// Opens the store that a save path names. A session that is open already stays so:
    /// session_reset() opens again with its lock held.
    pub(super) fn open(&mut self, save_path: &[u8]) -> Result<()> {
        let settings = ini::settings();
        let is_wanted =
            |(path, store): &(Vec<u8>, Rc<Store>)| path == save_path && store.is_for(&settings);
        match self.stores.iter().position(is_wanted) {
            Some(0) => {}
            found => {
                self.close();
                let store = match found {
                    Some(index) => self.stores.remove(index),
                    None => {
                        let path = SavePath::parse(save_path)?;
                        keep_heap();
                        let store = Store::open(path, &settings, stats::counters())?;
                        (save_path.to_vec(), Rc::new(store))
                    }
                };
                self.stores.insert(0, store);
                self.stores.truncate(STORES_MAX);
            }
        }
        if self.session.is_none() {
            let store = Rc::clone(&self.stores[0].1);
            let mut session = Session::new(store, settings, stats::counters());
            session.set_script(call::script());
            self.session = Some(session);
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
        // Negative is PHP's way of saying: at once. 0 has no end of its own, and gc removes it.
        let seconds = |lifetime: i64| u64::try_from(lifetime).unwrap_or(0);
        self.lifetime_s = lifetime.map(seconds).or(self.lifetime_s);
        let session = self
            .session
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::NotOpen, "the session handler is not open"))?;
        let lifetime_s = self.lifetime_s.unwrap_or_else(|| seconds(ini::session_lifetime()));
        session.set_lifetime(lifetime_s);
        Ok((session, lifetime_s))
    }

    /// After a callback, which may have locked a session or found that a node is down.
    fn finish_callback(&mut self) {
        if let Some(care) = self.session.as_ref().and_then(Session::care) {
            self.keeper.watch(care);
        }
        if let Some((_, store)) = self.stores.first() {
            log::add(store.notices());
        }
    }

    /// Whether the session of an id exists; see [`Session::validate`].
    pub(super) fn validate(&mut self, id: SessionId<'_>, access: Access) -> Result<bool> {
        Ok(self.session(None)?.0.validate(id, access))
    }

    /// The id to use in place of a newly drawn one, where sessions are to be kept on this machine's
    /// node; none where the drawn one is good.
    pub(super) fn draw_near(&mut self, id: SessionId<'_>) -> Result<Option<RawData>> {
        let Some(drawn) = self.session(None)?.0.draw_near(id)? else { return Ok(None) };
        self.drawn = drawn;
        Ok(Some(RawData { start: self.drawn.as_ptr(), length: self.drawn.len() }))
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

    /// The nodes of the store that was used last: names and values, for people.
    pub(super) fn nodes(&self) -> Vec<Vec<(&'static str, Value)>> {
        let state = |is_up| Value::text(if is_up { "up" } else { "down" });
        match self.stores.first().map(|(_, store)| &**store) {
            None => Vec::new(),
            Some(Store::Local(store)) => vec![vec![
                ("type", Value::text("local")),
                ("state", state(store.is_usable())),
                ("directory", Value::text(store.directory().to_string_lossy())),
            ]],
            Some(Store::Pool(pool)) => {
                let uptime = System.uptime();
                let now = System.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                // The board counts from the start of the machine.
                let unix_time = |at| now.saturating_sub(uptime.saturating_sub(at)).as_secs();
                let node = |(address, health, server): (NodeAddress, Health, Option<String>)| {
                    let service = if address.as_redis().is_some() { "redis" } else { "memcached" };
                    vec![
                        ("type", Value::text(service)),
                        ("state", state(!health.is_down)),
                        ("drained", Value::Flag(health.is_drained)),
                        ("failures", Value::Number(health.failures.into())),
                        ("since", Value::number(health.since.map(unix_time))),
                        ("reason", Value::text(health.reason.unwrap_or_default())),
                        (
                            "latency_us",
                            Value::number(health.latency.map(|time| time.as_micros() as u64)),
                        ),
                        ("address", Value::text(address.to_string())),
                        ("weight", Value::text(address.weight.to_string())),
                        ("server", Value::text(server.unwrap_or_default())),
                    ]
                };
                pool.nodes().into_iter().map(node).collect()
            }
        }
    }
}

/// What PHP code is told.
pub(super) enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    Unknown,
}

impl Value {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn number(number: Option<u64>) -> Self {
        number.map_or(Self::Unknown, Self::Number)
    }
}

/// What a save path names, and where that is, for phpinfo.
pub(super) fn describe_store(save_path: &[u8]) -> (&'static str, String) {
    match SavePath::parse(save_path) {
        Ok(SavePath::Local(base)) => {
            let directory = sessclust_engine::local::Store::directory_of(base.as_deref());
            ("Directory of this user's sessions", directory.display().to_string())
        }
        Ok(SavePath::Pool(nodes)) => {
            let nodes: Vec<String> = nodes.iter().map(NodeAddress::to_string).collect();
            ("Nodes", nodes.join(", "))
        }
        Err(error) => ("session.save_path", error.to_string()),
    }
}
