//! What the engine's tests share: a store in a temporary folder, requests on it, time that has
//! passed and processes.
//!
//! Nothing sleeps to let others go first: [`wait_for`] waits for a condition. Random tests print
//! their seed; `SESSCLUST_SEED` repeats one.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part of this module")]

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use rustix::process::{Pid, Signal, WaitOptions};
use sessclust_engine::config::Settings;
use sessclust_engine::local::Store;
use sessclust_engine::session;
use sessclust_engine::session::id::{Digest, SessionId};
use sessclust_engine::session::{Access, Session};
use sessclust_engine::stats::{Counter, Counters};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use std::{fs, panic};
use tempfile::TempDir;

pub mod certificates;
pub mod classic_only;
pub mod memcached;
pub mod pool;
pub mod proxy;
pub mod redis;
pub mod redis_cluster;
pub mod sentinels;

/// How long a test waits for anything before it fails: far above what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// `session.gc_maxlifetime` of most tests, in seconds: PHP's default.
pub const LIFETIME_S: u64 = 1440;

/// A checked session id.
pub fn id(text: &str) -> SessionId<'_> {
    SessionId::parse(text.as_bytes()).expect("a valid id")
}

/// The digest of a session id.
pub fn digest(text: &str) -> Digest {
    id(text).digest()
}

/// A store in a folder of its own, and the settings of those who use it.
pub struct Site {
    folder: TempDir,
    pub settings: Settings,
}

impl Site {
    /// Defaults, but nothing is swept unless a test asks for it.
    pub fn new() -> Self {
        Self::within(std::env::temp_dir())
    }

    /// The same in memory, for thousands of files: a disk takes a millisecond or two to make one.
    pub fn in_memory() -> Self {
        let memory = PathBuf::from("/dev/shm");
        Self::within(if memory.is_dir() { memory } else { std::env::temp_dir() })
    }

    fn within(parent: PathBuf) -> Self {
        let folder = tempfile::tempdir_in(parent).expect("a temporary folder");
        Self { folder, settings: Settings { auto_gc: false, ..Settings::default() } }
    }

    /// The directory above the store's.
    pub fn base(&self) -> &Path {
        self.folder.path()
    }

    /// The store, as a process of its own opens it.
    pub fn store(&self) -> Store {
        Store::open(Some(self.base())).expect("a store")
    }

    /// One request, as a process of its own has it.
    pub fn request(&self) -> Request {
        self.request_with(self.settings.clone())
    }

    /// A request that does not wait for locks.
    pub fn impatient(&self) -> Request {
        self.request_with(Settings { lock_wait: Duration::ZERO, ..self.settings.clone() })
    }

    /// A request with settings of its own.
    pub fn request_with(&self, settings: Settings) -> Request {
        let counters: &'static Counters = Box::leak(Box::default());
        let store = session::Store::Local(Rc::new(self.store()));
        Request { session: Session::new(Rc::new(store), settings, counters), counters }
    }

    /// A request that reads and writes the session.
    pub fn put(&self, id: &str, data: &[u8]) {
        let mut request = self.request();
        request.open(id);
        request.write(id, data).expect("a write");
        request.close();
    }

    /// What a request reads that takes no lock.
    pub fn get(&self, id: &str) -> Vec<u8> {
        self.request().peek(id)
    }

    /// Whether the session has a file.
    pub fn exists(&self, id: &str) -> bool {
        self.store().exists(&digest(id)).expect("a look")
    }

    /// Whether somebody holds the session's lock.
    pub fn is_locked(&self, id: &str) -> bool {
        let settings = Settings { lock_wait: Duration::ZERO, ..self.settings.clone() };
        match self.store().lock(&digest(id), sessclust_engine::local::Open::Existing, &settings) {
            Ok(locked) => {
                assert!(locked.is_some(), "{id} is gone");
                false
            }
            Err(error) => {
                assert_eq!(error.kind(), sessclust_engine::ErrorKind::Locked, "{error}");
                true
            }
        }
    }

    /// The file of the session.
    pub fn file(&self, id: &str) -> PathBuf {
        let hex = String::from_utf8(digest(id).to_hex().to_vec()).expect("hex is ASCII");
        self.store().directory().join(&hex[..2]).join(&hex[2..])
    }
}

/// One request and what it has counted.
pub struct Request {
    pub session: Session,
    pub counters: &'static Counters,
}

impl Request {
    /// Takes the lock and the data.
    #[track_caller]
    pub fn open(&mut self, text: &str) -> Vec<u8> {
        self.try_open(text).expect("the session's data")
    }

    /// As [`Request::open`], with the error.
    pub fn try_open(&mut self, text: &str) -> sessclust_engine::Result<Vec<u8>> {
        let data = self.session.read(id(text), Access::Locked)?;
        assert!(data.loss.is_none(), "{:?}", data.loss);
        let bytes = data.bytes.to_vec();
        self.session.delivered();
        Ok(bytes)
    }

    /// Reads without the lock.
    #[track_caller]
    pub fn peek(&mut self, text: &str) -> Vec<u8> {
        let data = self.session.read(id(text), Access::Unlocked).expect("the session's data");
        assert!(data.loss.is_none(), "{:?}", data.loss);
        let bytes = data.bytes.to_vec();
        self.session.delivered();
        bytes
    }

    pub fn write(&mut self, text: &str, data: &[u8]) -> sessclust_engine::Result<()> {
        self.session.write(id(text), data, LIFETIME_S)
    }

    pub fn touch(&mut self, text: &str, data: &[u8]) -> sessclust_engine::Result<()> {
        self.session.touch(id(text), data, LIFETIME_S)
    }

    /// Strict mode's question.
    pub fn knows(&mut self, text: &str) -> bool {
        self.session.validate(id(text), Access::Locked)
    }

    pub fn close(&mut self) {
        self.session.close(Some(LIFETIME_S));
    }

    pub fn count(&self, counter: Counter) -> u64 {
        self.counters.get(counter)
    }
}

/// Bytes that differ with `seed` and position.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}

/// A generator for one test. Prints its seed, which a failing test shows.
pub fn seeded() -> fastrand::Rng {
    let seed = match std::env::var("SESSCLUST_SEED") {
        Ok(seed) => seed.parse().expect("SESSCLUST_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("seed: SESSCLUST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Makes a file look as if it was last changed `seconds` ago.
pub fn age(path: &Path, seconds: u64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let then = Timespec { tv_sec: (now.as_secs() - seconds) as i64, tv_nsec: 0 };
    let times = Timestamps { last_access: then, last_modification: then };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("set times");
}

/// Seconds since a file was last changed.
pub fn idle_s(path: &Path) -> u64 {
    let changed = fs::metadata(path).and_then(|file| file.modified()).expect("a file's time");
    changed.elapsed().unwrap_or_default().as_secs()
}

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How many wait for the lock of this file, as far as the kernel knows.
pub fn waiters(file: &Path) -> usize {
    use std::os::unix::fs::MetadataExt;
    // 1: -> FLOCK  ADVISORY  WRITE 4242 fe:01:1311 0 EOF, see proc_locks(5).
    let inode = format!(":{} ", fs::metadata(file).expect("a file").ino());
    let locks = fs::read_to_string("/proc/locks").expect("/proc/locks");
    locks.lines().filter(|line| line.contains(" -> FLOCK ") && line.contains(&inode)).count()
}

/// A fork of this process; killed when dropped.
///
/// A test program has threads, of which only one goes on in a fork. So the fork does its task, says
/// something through a pipe and ends; it never returns into the test harness.
pub struct Child {
    pid: Option<Pid>,
    said: BufReader<PipeReader>,
    /// Closed when this is dropped: what the fork waits for with [`Parent::wait`].
    _parent: PipeWriter,
}

/// The fork's side.
pub struct Parent {
    says: PipeWriter,
    parent: PipeReader,
}

impl Parent {
    /// Sends a line.
    pub fn say(&mut self, line: impl std::fmt::Display) {
        writeln!(self.says, "{line}").expect("a pipe");
    }

    /// Waits until the parent lets go of this fork, which kills it.
    pub fn wait(&mut self) {
        let _ = self.parent.read(&mut [0]);
    }
}

impl Child {
    pub fn start(task: impl FnOnce(&mut Parent)) -> Self {
        let (said, says) = std::io::pipe().expect("a pipe");
        let (parent_end, parent) = std::io::pipe().expect("a pipe");
        match fork::fork().expect("a fork") {
            fork::Fork::Parent(pid) => {
                Self { pid: Pid::from_raw(pid), said: BufReader::new(said), _parent: parent }
            }
            fork::Fork::Child => {
                drop(parent);
                let mut side = Parent { says, parent: parent_end };
                let task = panic::AssertUnwindSafe(|| task(&mut side));
                let code = i32::from(panic::catch_unwind(task).is_err());
                std::process::exit(code);
            }
        }
    }

    pub fn pid(&self) -> Pid {
        self.pid.expect("not killed yet")
    }

    /// The next line that the fork says.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("a pipe");
        line.strip_suffix('\n').expect("a line; the fork has ended without").to_owned()
    }

    /// kill -9. Returns when the fork is gone, and all that the kernel kept for it.
    pub fn kill(&mut self) {
        if let Some(pid) = self.pid.take() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
