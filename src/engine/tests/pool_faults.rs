//! A pool behind a network that fails: whatever is delayed, cut, doubled, swapped or lost, no
//! request gets another session's data or older ones than were acknowledged, and what a request is
//! told about its own write is true.
//!
//! First each step with each fault at each of its messages, one at a time. Then many requests of
//! many processes with faults drawn at random, over both protocols; `script/chaos` runs that for
//! longer. Both with one copy, on a node that nothing can stand in for. Then two copies on three
//! nodes, of which one at a time fails in all these ways and more, and no request may notice. In
//! front of the servers stands the proxy of `support/proxy.rs`.

mod support;

use sessclust_engine::cluster::{Cluster, Copy, Origin, Repaired};
use sessclust_engine::config;
use sessclust_engine::config::save_path::{Endpoint, NodeAddress};
use sessclust_engine::config::{RingKind, Settings};
use sessclust_engine::machine::{Board, Queue};
use sessclust_engine::node::{System, World};
use sessclust_engine::session::{Access, Pool, Session, Store};
use sessclust_engine::stats::Counters;
use sessclust_engine::{Error, ErrorKind, Result};
use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use support::classic_only::ClassicOnly;
use support::memcached::Memcached;
use support::pool::{Server, Service, lock_key};
use support::proxy::{Address, Fault, Place, Proxy};
use support::{LIFETIME_S, PATIENCE, digest, id, seeded, wait_for};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

on_each_service! {
    one_fault_anywhere_is_told_for_what_it_is,
    a_commit_that_others_have_built_on_is_in_doubt,
    a_session_is_made_though_the_connection_was_closed_while_it_was_idle,
    random_faults_never_mix_or_lose_sessions,
    random_trouble_of_one_node_at_a_time_is_not_noticed,
}

fn counters() -> &'static Counters {
    Box::leak(Box::default())
}

/// The socket that a proxy listens on.
fn socket(proxy: &Proxy) -> PathBuf {
    match proxy.address() {
        Address::Unix(path) => path.clone(),
        Address::Tcp(_) => panic!("these proxies listen on Unix sockets"),
    }
}

fn nodes<'a>(service: Service, sockets: impl IntoIterator<Item = &'a Path>) -> Vec<NodeAddress> {
    let node = |socket: &Path| NodeAddress {
        endpoint: Endpoint::Unix(socket.into()),
        weight: NonZeroU32::MIN,
        service: match service {
            Service::Memcached => config::redis::Service::Memcached,
            Service::Redis => config::redis::Service::Redis(Box::default()),
        },
    };
    sockets.into_iter().map(node).collect()
}

// ---- One fault at a time ----

/// A process with a pool.
struct Process {
    runtime: Runtime,
    cluster: Cluster,
    board: Arc<Board>,
    settings: Settings,
}

impl Process {
    /// A process of a machine of its own with a pool of one node.
    fn new(service: Service, socket: &Path, settings: &Settings, queue: &Path) -> Self {
        Self::of_pool(nodes(service, [socket]), Arc::new(Board::private(&[0])), 1, settings, queue)
    }

    /// A process with a pool of these nodes, on the machine that has this board and this queue.
    fn of_pool(
        nodes: Vec<NodeAddress>,
        board: Arc<Board>,
        replicas: u32,
        settings: &Settings,
        queue: &Path,
    ) -> Self {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let cluster = Cluster::new(
            nodes,
            RingKind::KetamaWeighted,
            Arc::new(System),
            Queue::open_in(queue),
            Arc::clone(&board),
            replicas,
            counters(),
        );
        Self {
            runtime: runtime.expect("a runtime"),
            cluster: cluster.expect("a pool"),
            board,
            settings: settings.clone(),
        }
    }

    /// Tells its machine that a node answers, as probes do. It was waited for in vain perhaps, and
    /// would not be asked.
    fn trust(&self, node: usize) {
        // So far apart that nobody takes it for one that goes up and down.
        const FAR: Duration = Duration::from_secs(3600);
        let now = System.uptime();
        for time in [now, now + FAR] {
            self.board.answered(node, time);
        }
    }

    fn open(&mut self, name: &str, origin: Origin) -> Result<Option<Vec<u8>>> {
        let Self { runtime, cluster, settings, .. } = self;
        runtime.block_on(cluster.open(&digest(name), origin, b"/test.php", settings))?;
        Ok(owned(cluster.data(&digest(name))))
    }

    fn commit(&mut self, name: &str, data: &[u8]) -> Result<()> {
        let Self { runtime, cluster, settings, .. } = self;
        runtime.block_on(cluster.commit(&digest(name), data, LIFETIME_S, settings)).map(|_| ())
    }

    fn touch(&mut self, name: &str) -> Result<bool> {
        let Self { runtime, cluster, settings, .. } = self;
        runtime.block_on(cluster.touch(&digest(name), LIFETIME_S, settings))
    }

    fn destroy(&mut self, name: &str) -> Result<()> {
        let Self { runtime, cluster, settings, .. } = self;
        runtime.block_on(cluster.destroy(&digest(name), LIFETIME_S, settings))
    }

    fn overwrite(&mut self, name: &str, data: &[u8]) -> Result<()> {
        let Self { runtime, cluster, settings, .. } = self;
        runtime.block_on(cluster.overwrite(&digest(name), data, LIFETIME_S, settings))
    }

    fn make(&mut self, name: &str) -> Result<()> {
        let Self { runtime, cluster, settings, .. } = self;
        runtime.block_on(cluster.make(&digest(name), LIFETIME_S, settings))
    }

    fn release(&mut self, name: &str) {
        self.runtime.block_on(self.cluster.release(&digest(name)));
    }

    fn renew(&mut self) {
        self.runtime.block_on(self.cluster.renew());
    }

    fn repair(&mut self, name: &str, seen: usize) -> Repaired {
        let Self { runtime, cluster, settings, .. } = self;
        runtime.block_on(cluster.repair(&digest(name), &[seen], false, settings))
    }

    /// Reads without the lock, and waits for the node as long as it takes.
    fn look(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        self.read(name, &patient(&self.settings))
    }

    fn read(&mut self, name: &str, settings: &Settings) -> Result<Option<Vec<u8>>> {
        let Self { runtime, cluster, .. } = self;
        let mut record = Vec::new();
        let found = runtime.block_on(cluster.peek(&digest(name), settings, &mut record))?;
        Ok(owned(found))
    }
}

#[track_caller]
fn owned(copy: Copy<'_>) -> Option<Vec<u8>> {
    match copy {
        Copy::Data(data) => Some(data.to_vec()),
        Copy::Absent => None,
        Copy::Damaged(error) => panic!("damaged: {error}"),
    }
}

/// The same settings, but a node is waited for as long as it takes.
fn patient(settings: &Settings) -> Settings {
    Settings { connect_timeout: PATIENCE, request_timeout: PATIENCE, ..settings.clone() }
}

/// What a process does with a session while one fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Open,
    /// With the commit: opening sends the lock and does not wait for it.
    Fresh,
    Commit,
    Touch,
    Read,
    Destroy,
    DestroyHeld,
    Overwrite,
    Release,
    /// With the commit: what is left of the lock shows there.
    Renew,
}

impl Step {
    /// Whether the session has been opened before.
    fn is_held(self) -> bool {
        matches!(self, Self::Commit | Self::Touch | Self::DestroyHeld | Self::Release | Self::Renew)
    }
}

/// The connection that a step finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// It has been used before.
    Warm,
    /// None.
    New,
    /// It was closed while it was idle.
    Closed,
}

const STEPS: [(Step, &[Start]); 10] = [
    (Step::Open, &[Start::Warm, Start::New, Start::Closed]),
    (Step::Fresh, &[Start::Warm, Start::New, Start::Closed]),
    (Step::Read, &[Start::Warm, Start::New, Start::Closed]),
    (Step::Destroy, &[Start::Warm, Start::New]),
    (Step::Overwrite, &[Start::Warm]),
    (Step::Commit, &[Start::Warm, Start::Closed]),
    (Step::Touch, &[Start::Warm, Start::Closed]),
    (Step::DestroyHeld, &[Start::Warm, Start::Closed]),
    (Step::Release, &[Start::Warm, Start::Closed]),
    (Step::Renew, &[Start::Warm]),
];

/// Longest wait for an answer. A delay of twice as much is too long, one of a tenth is not.
const TIMEOUT: Duration = Duration::from_millis(400);

/// Life of a lock in these tests.
const LEASE: Duration = Duration::from_secs(3);

/// Replies of Redis do not say what they answer, so no connection may lose one and go on, or have
/// one twice, and none does: where a byte is lost, so are all behind it.
fn faults(service: Service) -> Vec<Fault> {
    let mut faults = vec![
        Fault::Delay(TIMEOUT / 10),
        Fault::Delay(TIMEOUT * 2),
        Fault::CutBefore,
        Fault::CutInside(1),
        Fault::CutInside(7),
        Fault::CutInside(usize::MAX),
        Fault::CutAfter,
        Fault::Stall(0),
        Fault::Stall(7),
    ];
    let mut replies = vec![&b"\0\0\0\x01"[..]];
    if service == Service::Memcached {
        faults.extend([Fault::Duplicate, Fault::Swap, Fault::Swallow]);
        // As requests, Redis would just say that it knows no such command.
        replies.extend([&b"EN\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR unknown\r\n"]);
    }
    faults.extend(replies.into_iter().map(|reply| Fault::Replace(reply.to_vec())));
    faults
}

/// One run: a step, and a fault at one of its messages.
#[derive(Clone, Debug)]
struct Run {
    step: Step,
    start: Start,
    fault: Option<(Place, Fault)>,
}

/// What a session may be after a run: its counter, none for no session.
type Allowed = Vec<Option<u32>>;

fn data(name: &str, counter: u32) -> Vec<u8> {
    format!("{name} {counter}").into_bytes()
}

/// A server and what the runs have left on it.
struct Bench {
    service: Service,
    server: Server,
    queue: TempDir,
    /// To be looked at again when what was delayed has arrived.
    left: Mutex<Vec<(String, Allowed, Run)>>,
    names: AtomicU64,
}

impl Bench {
    fn settings() -> Settings {
        Settings {
            lock_wait: Duration::ZERO,
            lock_lease: LEASE,
            connect_timeout: TIMEOUT,
            request_timeout: TIMEOUT,
            ..Settings::default()
        }
    }

    /// A process that asks the server itself and waits for it as long as it takes.
    fn witness(&self) -> Process {
        self.process(&self.server.socket(), &patient(&Self::settings()))
    }

    fn process(&self, socket: &Path, settings: &Settings) -> Process {
        Process::new(self.service, socket, settings, self.queue.path())
    }

    /// Does a run and checks what comes of it. Says how many requests and replies there were.
    fn check(&self, proxy: &Proxy, run: &Run) -> [usize; 2] {
        let name = format!("run-{}", self.names.fetch_add(1, SeqCst));
        let name = name.as_str();
        let mut witness = self.witness();
        let mut process = self.process(&socket(proxy), &Self::settings());
        let is_there = run.step != Step::Fresh;
        if is_there {
            witness.overwrite(name, &data(name, 1)).expect("a session");
        }
        if run.start != Start::New {
            let before = process.look(name).expect("the session");
            assert_eq!(before, is_there.then(|| data(name, 1)));
        }
        if run.step.is_held() {
            // A slow machine may need another try, when the lock of the first has ended.
            wait_for("the session", || process.open(name, Origin::Sent).is_ok());
        }
        if run.step == Step::Renew {
            // A lock is renewed when a third of its life has passed.
            thread::sleep(LEASE / 3);
        }
        if run.start == Start::Closed {
            proxy.cut();
        }
        let link = process.cluster.nodes()[0].link();
        proxy.reset();
        if let Some((place, fault)) = &run.fault {
            proxy.plan(*place, fault.clone());
        }

        let result = self.do_step(&mut process, name, run);
        let allowed = match &result {
            Ok(allowed) => allowed.clone(),
            Err(error) => {
                // A connection with a doubt is not used again.
                let now = process.cluster.nodes()[0].link();
                assert!(now.is_none() || now != link, "{run:?}: still connected after {error}");
                allowed_after(run.step, error)
            }
        };
        assert!(run.fault.is_some() || result.is_ok(), "{run:?}: {result:?}");
        self.check_state(&mut witness, name, &allowed, run);
        // What a fault has left behind may fail one more request, and shows it nothing wrong.
        let check_data = |found: Option<Vec<u8>>| {
            let is_right =
                allowed.iter().any(|one| found == one.map(|counter| data(name, counter)));
            assert!(is_right, "{run:?}: {:?}", found.map(|data| data.escape_ascii().to_string()));
        };
        process.trust(0);
        match process.read(name, &Self::settings()) {
            Ok(found) => check_data(found),
            Err(error) => {
                assert!(
                    run.fault.is_some() && error.kind() == ErrorKind::NoNode,
                    "{run:?}: {error}"
                );
            }
        }
        let counts = proxy.counts();
        assert_eq!(counts.faults, usize::from(run.fault.is_some()), "{run:?}");
        proxy.heal();
        process.trust(0);
        check_data(process.look(name).unwrap_or_else(|error| panic!("{run:?}: {error}")));
        self.left.lock().expect("no panic").push((name.into(), allowed, run.clone()));
        [counts.requests.values().sum(), counts.replies]
    }

    /// Does the step of a run. Says what the session may be afterwards, if it did not fail.
    fn do_step(&self, process: &mut Process, name: &str, run: &Run) -> Result<Allowed> {
        let before = |found: Option<Vec<u8>>| {
            let found = found.map(|data| data.escape_ascii().to_string());
            let expected = data(name, 1).escape_ascii().to_string();
            assert_eq!(found, Some(expected), "{run:?}");
            Ok(vec![Some(1)])
        };
        match run.step {
            Step::Open => {
                let found = process.open(name, Origin::Sent)?;
                process.release(name);
                before(found)
            }
            Step::Read => before(process.read(name, &process.settings.clone())?),
            Step::Fresh => {
                assert_eq!(process.open(name, Origin::Fresh)?, None, "{run:?}");
                process.commit(name, &data(name, 2)).map(|()| vec![Some(2)])
            }
            Step::Commit => process.commit(name, &data(name, 2)).map(|()| vec![Some(2)]),
            Step::Overwrite => process.overwrite(name, &data(name, 2)).map(|()| vec![Some(2)]),
            Step::Destroy | Step::DestroyHeld => process.destroy(name).map(|()| vec![None]),
            Step::Touch => {
                assert!(process.touch(name)?, "{run:?}: there is a record to touch");
                Ok(vec![Some(1)])
            }
            Step::Release => {
                process.release(name);
                Ok(vec![Some(1)])
            }
            Step::Renew => {
                process.renew();
                process.commit(name, &data(name, 2)).map(|()| vec![Some(2)])
            }
        }
    }

    /// What is stored is allowed, and a lock that was left behind ends by itself.
    fn check_state(&self, witness: &mut Process, name: &str, allowed: &Allowed, run: &Run) {
        let found = witness.look(name).expect("the server");
        let is_right = allowed.iter().any(|one| found == one.map(|counter| data(name, counter)));
        let found = found.map(|data| data.escape_ascii().to_string());
        assert!(is_right, "{run:?}: {found:?} is stored, not one of {allowed:?}");
        if let Some(left_s) = self.server.raw().left_s(&lock_key(name)) {
            let is_short = (0..=LEASE.as_secs() as i64).contains(&left_s);
            assert!(is_short, "{run:?}: locked for {left_s} s");
        }
    }
}

/// What a session may be after a step has failed like this.
fn allowed_after(step: Step, error: &Error) -> Allowed {
    let before = if step == Step::Fresh { None } else { Some(1) };
    let after = match step {
        Step::Destroy | Step::DestroyHeld => None,
        Step::Fresh | Step::Commit | Step::Overwrite | Step::Renew => Some(2),
        Step::Open | Step::Touch | Step::Read | Step::Release => before,
    };
    match error.kind() {
        ErrorKind::NoNode => vec![before],
        ErrorKind::Indeterminate if after != before => vec![before, after],
        // Nobody else is there who could have changed or locked anything.
        kind => panic!("{step:?}: {kind:?}: {error}"),
    }
}

/// Every step with every fault at every request and every reply.
fn one_fault_anywhere_is_told_for_what_it_is(service: Service) {
    let Some(server) = Server::start(service, &[]) else { return };
    let queue = tempfile::tempdir().expect("a temporary folder");
    let bench = Bench { service, server, queue, left: Mutex::default(), names: AtomicU64::new(0) };
    let new_proxy = || Proxy::unix(Address::Unix(bench.server.socket()));

    // What each step says and hears when nothing happens.
    let proxy = new_proxy();
    let mut runs = Vec::new();
    for (step, starts) in STEPS {
        for start in starts {
            let calm = Run { step, start: *start, fault: None };
            let [requests, replies] = bench.check(&proxy, &calm);
            assert!(requests > 0 && replies > 0, "{calm:?}");
            let places = (0..requests).map(Place::Request).chain((0..replies).map(Place::Reply));
            for place in places {
                let fault = |fault| Run { fault: Some((place, fault)), ..calm.clone() };
                runs.extend(faults(service).into_iter().map(fault));
            }
        }
    }
    // Many at once, for most of the time they wait.
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let proxy = new_proxy();
                while let Some(run) = runs.get(next.fetch_add(1, SeqCst)) {
                    bench.check(&proxy, run);
                }
            });
        }
    });
    let mut witness = bench.witness();
    let left = bench.left.lock().expect("no panic");
    for (name, allowed, run) in left.iter() {
        bench.check_state(&mut witness, name, allowed, run);
    }
    println!("{} runs with a fault", runs.len());
}

/// The answer to a store is lost; before its writer can ask again, somebody else has read what it
/// stored and stored more.
fn a_commit_that_others_have_built_on_is_in_doubt(service: Service) {
    let Some(server) = Server::start(service, &[]) else { return };
    let queue = tempfile::tempdir().expect("a temporary folder");
    let proxy = Proxy::unix(Address::Unix(server.socket()));
    let settings = Settings { connect_timeout: PATIENCE, ..Bench::settings() };
    let mut one = Process::new(service, &socket(&proxy), &settings, queue.path());
    let mut other = Process::new(service, &server.socket(), &settings, queue.path());
    one.overwrite("a", b"1").expect("a session");
    assert_eq!(one.open("a", Origin::Sent).expect("the session"), Some(b"1".to_vec()));
    // The store and the unlocking are done, on Redis as a transaction, and the greeting of the next
    // connection waits.
    let (reply, greeting) = if service == Service::Memcached { (0, 2) } else { (6, 7) };
    proxy.reset();
    proxy.plan(Place::Reply(reply), Fault::CutBefore);
    proxy.plan(Place::Request(greeting), Fault::Hold);
    thread::scope(|scope| {
        let commit = scope.spawn(|| one.commit("a", b"2"));
        proxy.wait_for("the second try", |counts| counts.faults == 2);
        assert_eq!(other.open("a", Origin::Sent).expect("the session"), Some(b"2".to_vec()));
        other.commit("a", b"3").expect("a commit");
        proxy.release();
        let error = commit.join().expect("no panic").expect_err("nobody can tell");
        assert_eq!(error.kind(), ErrorKind::Indeterminate, "{error}");
    });
    assert_eq!(other.look("a").expect("the session"), Some(b"3".to_vec()));
}

/// A session that is made without a lock, for a script that only reads.
fn a_session_is_made_though_the_connection_was_closed_while_it_was_idle(service: Service) {
    let Some(server) = Server::start(service, &[]) else { return };
    let queue = tempfile::tempdir().expect("a temporary folder");
    let proxy = Proxy::unix(Address::Unix(server.socket()));
    let mut process = Process::new(service, &socket(&proxy), &Bench::settings(), queue.path());
    assert_eq!(process.look("a").expect("the server"), None);
    proxy.cut();
    process.make("a").expect("a session");
    assert_eq!(process.look("a").expect("the session"), Some(Vec::new()));
}

// ---- Many faults at random ----

/// What a random run consists of.
struct Plan {
    service: Service,
    requests: usize,
    /// Share of the requests before which a fault is planned.
    fault_share: f64,
    faults: fn(&mut fastrand::Rng, Duration) -> Fault,
}

/// Longest wait for an answer in random runs.
const SHORT_TIMEOUT: Duration = Duration::from_millis(50);

/// How many sessions there are. The last of them are destroyed now and then, the others count.
const SESSIONS: usize = 20;
const DESTROYED: usize = 4;

/// Processes at work.
const PROCESSES: usize = 8;

/// How often the faults are those of two rare kinds: one request in so many of those with a fault.
const RARE: usize = 20;

/// What has to be true of a session. Its data are its name, a counter that each request counts up,
/// and the number of the attempt, which is never the same twice.
#[derive(Default)]
struct Ledger {
    name: String,
    is_destroyed_at_times: bool,
    /// The highest counter that was acknowledged.
    acknowledged: u64,
    /// The highest counter that somebody has tried to store.
    attempted: u64,
    /// The counters whose commits were acknowledged, and of how many commits nobody knows.
    saved: HashSet<u64>,
    unknown: u64,
    /// Attempts before this one were destroyed: that was acknowledged.
    destroyed: u64,
    /// Attempts of which a request was told that they are not saved, and attempts that were read.
    refused: HashSet<u64>,
    seen: HashSet<u64>,
}

impl Ledger {
    fn new(prefix: &str, index: usize) -> Self {
        let name = format!("{prefix}{index}");
        Self { name, is_destroyed_at_times: index < DESTROYED, ..Self::default() }
    }

    /// Checks what was read. `floor` is what counted before the read began.
    #[track_caller]
    fn check(&mut self, data: &[u8], floor: Floor) -> u64 {
        let name = &self.name;
        if data.is_empty() {
            let is_lost = !self.is_destroyed_at_times && floor.acknowledged > 0;
            assert!(!is_lost, "{name} is lost, it was at {}", floor.acknowledged);
            return 0;
        }
        let text = std::str::from_utf8(data).expect("text");
        let words: Vec<&str> = text.split(' ').collect();
        let [found, counter, attempt] = words[..] else { panic!("{name}: {text}") };
        assert_eq!(found, name, "another session's data");
        let [counter, attempt]: [u64; 2] = [counter, attempt].map(|word| word.parse().expect(text));
        assert!(!self.refused.contains(&attempt), "{text} was refused");
        self.seen.insert(attempt);
        if self.is_destroyed_at_times {
            assert!(attempt > floor.destroyed, "{text} was destroyed before {}", floor.destroyed);
        } else {
            let known = floor.acknowledged..=self.attempted;
            assert!(known.contains(&counter), "{text} is not in {known:?}");
        }
        counter
    }

    /// What a read that begins now must not fall behind.
    fn floor(&self) -> Floor {
        Floor { acknowledged: self.acknowledged, destroyed: self.destroyed }
    }

    /// Somebody is about to store this counter. What he stores.
    fn attempt(&mut self, counter: u64, attempt: u64) -> Vec<u8> {
        self.attempted = self.attempted.max(counter);
        format!("{} {counter} {attempt}", self.name).into_bytes()
    }

    /// Notes what came of that.
    #[track_caller]
    fn conclude(&mut self, counter: u64, attempt: u64, result: &Result<()>) {
        let name = &self.name;
        match result {
            Ok(()) => {
                let is_new = self.saved.insert(counter);
                assert!(is_new || self.is_destroyed_at_times, "{name} {counter} is saved twice");
                self.acknowledged = self.acknowledged.max(counter);
            }
            Err(error) if error.kind() == ErrorKind::Indeterminate => self.unknown += 1,
            Err(error) => {
                assert!(!self.seen.contains(&attempt), "{name} {counter} is there: {error}");
                self.refused.insert(attempt);
            }
        }
    }

    /// Checks what was read when nobody was at work any more: each session has exactly what was
    /// acknowledged, and perhaps what nobody knows of.
    #[track_caller]
    fn check_end(&mut self, data: &[u8]) {
        let counter = self.check(data, self.floor());
        let saved = self.saved.len() as u64;
        let expected = saved..=saved + self.unknown;
        let is_right = self.is_destroyed_at_times || expected.contains(&counter);
        assert!(is_right, "{}: {counter} is not in {expected:?}", self.name);
    }
}

/// What a read that begins now must not fall behind.
#[derive(Clone, Copy)]
struct Floor {
    acknowledged: u64,
    destroyed: u64,
}

/// What all processes of a random run share.
struct Chaos<'a> {
    plan: Plan,
    proxies: &'a [Proxy; 2],
    ledgers: Vec<Mutex<Ledger>>,
    /// Counts down.
    left: AtomicI64,
    /// Counts up: the numbers of attempts.
    clock: AtomicU64,
    outcomes: Mutex<BTreeMap<String, usize>>,
    /// Faults that the proxies have counted before they forgot them.
    faults: AtomicUsize,
}

impl Chaos<'_> {
    fn settings() -> Settings {
        Settings {
            lock_lease: Duration::from_secs(2),
            lock_wait: SHORT_TIMEOUT / 10,
            connect_timeout: SHORT_TIMEOUT * 2,
            request_timeout: SHORT_TIMEOUT,
            ..Settings::default()
        }
    }

    /// A process. Its pools have a node each, so that the other one is no way out: with one copy a
    /// session would start anew there.
    fn stores(&self, settings: &Settings) -> [Rc<Store>; 2] {
        self.proxies.each_ref().map(|proxy| {
            let nodes = nodes(self.plan.service, [socket(proxy).as_path()]);
            Rc::new(Store::Pool(Pool::new(nodes, settings, counters()).expect("a pool")))
        })
    }

    fn ledger(&self, index: usize) -> MutexGuard<'_, Ledger> {
        self.ledgers[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of a session that is about to be read, and what is known of it.
    fn begin(&self, index: usize) -> (String, Floor) {
        let ledger = self.ledger(index);
        (ledger.name.clone(), ledger.floor())
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, SeqCst)
    }

    /// Notes how a step ended. Errors have to be of the kinds that its caller expects.
    #[track_caller]
    fn note<T>(&self, step: &str, result: Result<T>, expected: &[ErrorKind]) -> Result<T> {
        let outcome = match &result {
            Ok(_) => format!("{step}: done"),
            Err(error) => {
                assert!(expected.contains(&error.kind()), "{step}: {:?}: {error}", error.kind());
                format!("{step}: {:?}", error.kind())
            }
        };
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        *outcomes.entry(outcome).or_default() += 1;
        result
    }

    /// One process after its other: requests until all are done.
    fn work(&self, mut random: fastrand::Rng) {
        let settings = Self::settings();
        let mut stores = self.stores(&settings);
        while self.left.fetch_sub(1, SeqCst) > 0 {
            if random.f64() < self.plan.fault_share {
                self.disturb(&mut random);
            }
            // Processes end and others begin, and the proxies' logs must not grow for ever.
            if random.usize(..2000) == 0 {
                stores = self.stores(&settings);
                self.count_faults();
            }
            let index = random.usize(..SESSIONS);
            let store = &stores[index % stores.len()];
            let mut session = Session::new(Rc::clone(store), settings.clone(), counters());
            session.set_lifetime(LIFETIME_S);
            let result = match random.u8(..20) {
                0 => self.make(&mut session),
                1 if index < DESTROYED => self.destroy(&mut session, index),
                1..4 => self.look(&mut session, index),
                _ => self.count(&mut session, index, &mut random),
            };
            session.close(Some(LIFETIME_S));
            if result.is_err_and(|error| error.kind() == ErrorKind::NoNode) {
                look_after(store, SHORT_TIMEOUT);
            }
        }
    }

    fn count_faults(&self) {
        for proxy in self.proxies {
            self.faults.fetch_add(proxy.counts().faults, SeqCst);
            proxy.reset();
        }
    }

    /// Makes something go wrong soon, for whoever happens to be there.
    fn disturb(&self, random: &mut fastrand::Rng) {
        let proxy = &self.proxies[random.usize(..self.proxies.len())];
        let place = match random.bool() {
            true => Place::Request(random.usize(..8)),
            false => Place::Reply(random.usize(..8)),
        };
        match random.usize(..RARE) {
            0 => proxy.cut(),
            _ => proxy.plan(place, (self.plan.faults)(random, SHORT_TIMEOUT)),
        }
    }

    /// Reads without the lock.
    fn look(&self, session: &mut Session, index: usize) -> Result<()> {
        let (name, floor) = self.begin(index);
        let data = read(session, &name, Access::Unlocked);
        let data = self.note("look", data, &[ErrorKind::NoNode])?;
        self.ledger(index).check(&data, floor);
        Ok(())
    }

    /// Reads with the lock and, mostly, counts up.
    fn count(&self, session: &mut Session, index: usize, random: &mut fastrand::Rng) -> Result<()> {
        let (name, floor) = self.begin(index);
        let data = read(session, &name, Access::Locked);
        let data = self.note("open", data, &[ErrorKind::NoNode, ErrorKind::Locked])?;
        let counter = self.ledger(index).check(&data, floor) + 1;
        match random.u8(..8) {
            0 => return Ok(()),
            1 if !data.is_empty() => {
                // Unchanged data may have to be stored again.
                let result = session.touch(id(&name), &data, LIFETIME_S);
                return self.note("touch", result, &[ErrorKind::NoNode]);
            }
            _ => {}
        }
        let attempt = self.tick();
        let data = self.ledger(index).attempt(counter, attempt);
        let result = session.write(id(&name), &data, LIFETIME_S);
        let mut expected = vec![ErrorKind::NoNode, ErrorKind::LeaseLost, ErrorKind::Indeterminate];
        let ledger = &mut *self.ledger(index);
        expected.extend(ledger.is_destroyed_at_times.then_some(ErrorKind::Destroyed));
        ledger.conclude(counter, attempt, &result);
        self.note("commit", result, &expected)
    }

    fn destroy(&self, session: &mut Session, index: usize) -> Result<()> {
        let ((name, _), before) = (self.begin(index), self.tick());
        let result = session.destroy(id(&name));
        let expected = [ErrorKind::NoNode, ErrorKind::LeaseLost, ErrorKind::Indeterminate];
        self.note("destroy", result, &expected)?;
        let ledger = &mut *self.ledger(index);
        ledger.destroyed = ledger.destroyed.max(before);
        Ok(())
    }

    /// A new session, which is read again.
    fn make(&self, session: &mut Session) -> Result<()> {
        let attempt = self.tick();
        let name = format!("new-{attempt}");
        let data = format!("{name} 1 {attempt}").into_bytes();
        assert!(session.is_free(id(&name)).expect("nothing is asked"));
        let opened = read(session, &name, Access::Locked);
        let opened = self.note("open fresh", opened, &[ErrorKind::NoNode])?;
        assert_eq!(opened, b"", "{name} is new");
        let result = session.write(id(&name), &data, LIFETIME_S);
        let expected = [ErrorKind::NoNode, ErrorKind::Indeterminate];
        let result = self.note("commit fresh", result, &expected);
        session.close(Some(LIFETIME_S));
        let found = read(session, &name, Access::Unlocked);
        let found = self.note("look fresh", found, &[ErrorKind::NoNode])?;
        let is_there = found == data;
        assert!(is_there || found.is_empty(), "{name}: {}", found.escape_ascii());
        match &result {
            Ok(()) => assert!(is_there, "{name} is lost"),
            Err(error) if error.kind() == ErrorKind::NoNode => {
                assert!(!is_there, "{name} is there: {error}");
            }
            Err(_) => {}
        }
        result
    }
}

/// Looks whether a node that has not answered does so again, as a thread of each process does.
fn look_after(store: &Store, timeout: Duration) {
    let Store::Pool(pool) = store else { unreachable!("it is a pool") };
    if let Some(live) = pool.live().filter(|live| live.has_node_down()) {
        live.probe(0, timeout);
    }
}

/// What a request gets of a session; nothing for a new one.
fn read(session: &mut Session, name: &str, access: Access) -> Result<Vec<u8>> {
    let data = session.read(id(name), access)?;
    assert!(data.loss.is_none(), "{name}: {:?}", data.loss);
    let bytes = data.bytes.to_vec();
    session.delivered();
    Ok(bytes)
}

/// Runs a plan against two servers.
fn run(plan: Plan, proxies: [Proxy; 2]) {
    let mut random = seeded();
    let started = Instant::now();
    let requests = plan.requests;
    let chaos = Chaos {
        plan,
        proxies: &proxies,
        ledgers: (0..SESSIONS).map(|index| Mutex::new(Ledger::new("s", index))).collect(),
        left: AtomicI64::new(requests as i64),
        clock: AtomicU64::new(1),
        outcomes: Mutex::default(),
        faults: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        for _ in 0..PROCESSES {
            let (chaos, random) = (&chaos, random.fork());
            scope.spawn(move || chaos.work(random));
        }
    });
    chaos.count_faults();
    let faults = chaos.faults.load(SeqCst);
    let outcomes = chaos.outcomes.lock().expect("no panic").clone();
    println!("{requests} requests in {:?}, {faults} faults: {outcomes:#?}", started.elapsed());

    proxies.iter().for_each(Proxy::heal);
    // A lock that was left behind ends by itself, within its lease.
    let settings = patient(&Settings::default());
    let settings =
        Settings { lock_wait: Duration::from_secs(3), lock_lease: PATIENCE * 3, ..settings };
    let stores = chaos.stores(&settings);
    let session = |store| Session::new(Rc::clone(store), settings.clone(), counters());
    for store in &stores {
        // For this machine it may still be down, which a process finds out that has asked.
        let _ = read(&mut session(store), "nobody", Access::Unlocked);
        look_after(store, PATIENCE);
    }
    for index in 0..SESSIONS {
        let mut session = session(&stores[index % stores.len()]);
        let ledger = &mut *chaos.ledger(index);
        let data = read(&mut session, &ledger.name, Access::Locked).expect("the session");
        ledger.check_end(&data);
    }
    // Something has happened, and most of the time it has worked all the same.
    let done = ["open: done", "commit: done", "look: done"].map(|outcome| outcomes[outcome]);
    assert!(done.iter().sum::<usize>() > requests / 2, "{done:?}");
    assert!(faults > requests / 1000, "{faults} faults");
}

/// How many requests a random run has: `SESSCLUST_REQUESTS`, or as many as this.
fn requests(default: usize) -> usize {
    std::env::var("SESSCLUST_REQUESTS").map_or(default, |number| number.parse().expect("a number"))
}

/// Any fault of one message, with delays of up to twice as much as a process waits.
fn random_fault(random: &mut fastrand::Rng, timeout: Duration) -> Fault {
    match random.u8(..10) {
        0 => Fault::Duplicate,
        1 => Fault::Swap,
        2 => Fault::Replace(b"EN\r\n".to_vec()),
        3 => Fault::Swallow,
        _ => random_fault_without_opaque(random, timeout),
    }
}

/// The same where replies do not say what they answer, so none of them may come twice or be another
/// one's: on Redis, and in the classic protocol.
fn random_fault_without_opaque(random: &mut fastrand::Rng, timeout: Duration) -> Fault {
    match random.u8(..6) {
        0 => Fault::Delay(timeout.mul_f64(2.0 * random.f64())),
        1 => Fault::CutBefore,
        2 => Fault::CutInside(random.usize(1..60)),
        3 => Fault::CutAfter,
        4 => Fault::Replace(b"\0".to_vec()),
        _ => Fault::Stall(random.usize(..60)),
    }
}

fn random_fault_of(service: Service) -> fn(&mut fastrand::Rng, Duration) -> Fault {
    match service {
        Service::Memcached => random_fault,
        Service::Redis => random_fault_without_opaque,
    }
}

fn random_faults_never_mix_or_lose_sessions(service: Service) {
    let server = || Server::start(service, &[]);
    let Some(servers) = server().zip(server()) else { return };
    let proxies =
        [&servers.0, &servers.1].map(|server| Proxy::unix(Address::Unix(server.socket())));
    let faults = random_fault_of(service);
    run(Plan { service, requests: requests(40_000), fault_share: 0.01, faults }, proxies);
}

#[test]
fn random_faults_of_the_classic_protocol_never_mix_or_lose_sessions() {
    let Some(servers) = Memcached::start(&[]).zip(Memcached::start(&[])) else { return };
    let faults = |random: &mut fastrand::Rng, timeout: Duration| match random.u8(..7) {
        // One request at a time is sent, so that nothing can be taken for its answer.
        0 => Fault::Swallow,
        _ => random_fault_without_opaque(random, timeout),
    };
    let old = [&servers.0, &servers.1].map(ClassicOnly::before);
    let proxies = old.each_ref().map(|server| Proxy::unix(Address::Unix(server.socket())));
    let service = Service::Memcached;
    run(Plan { service, requests: requests(5_000), fault_share: 0.01, faults }, proxies);
}

// ---- One node of three at a time, at random ----

/// What a node does for the time of an episode.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// Single messages are late, cut, doubled, swapped or lost.
    Messages,
    /// It stands still, and goes on with what it was sent meanwhile.
    Hangs,
    /// It cannot be connected to.
    Refuses,
    /// It is restarted, with nothing in it.
    Restarts,
}

/// Longest wait for a node. All are asked with it, and those that are not in trouble have to answer
/// on a loaded machine too.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);

/// Requests of an episode.
const EPISODE: usize = 200;

/// How many groups of nodes and processes there are. They have nothing to do with each other, and
/// wait most of the time.
const GROUPS: usize = 4;

/// Machines of a group, and processes of each of them.
const MACHINES: usize = 2;
const PROCESSES_EACH: usize = 4;

/// Three nodes, which keep two copies of each session, and the processes of two machines, each with
/// its own idea of which node is down. While one node at a time is in trouble, every request is
/// served, and nothing that was acknowledged is lost.
struct Group {
    service: Service,
    number: usize,
    servers: [Mutex<Server>; 3],
    proxies: [Proxy; 3],
    ledgers: Vec<Mutex<Ledger>>,
    clock: AtomicU64,
    outcomes: Mutex<BTreeMap<String, usize>>,
}

impl Group {
    fn start(service: Service, number: usize) -> Option<Self> {
        let server = || Server::start(service, &[]);
        let servers = [server()?, server()?, server()?];
        let prefix = format!("g{number}-s");
        Some(Self {
            service,
            number,
            proxies: servers.each_ref().map(|server| Proxy::unix(Address::Unix(server.socket()))),
            servers: servers.map(Mutex::new),
            ledgers: (0..SESSIONS).map(|index| Mutex::new(Ledger::new(&prefix, index))).collect(),
            clock: AtomicU64::new(1),
            outcomes: Mutex::default(),
        })
    }

    fn settings() -> Settings {
        Settings {
            // For so long, a lock may be waited for that a node has granted to nobody any more.
            lock_lease: NODE_TIMEOUT * 3,
            lock_wait: PATIENCE,
            connect_timeout: NODE_TIMEOUT,
            request_timeout: NODE_TIMEOUT,
            ..Settings::default()
        }
    }

    /// All processes of a machine.
    fn machine(&self, queue: &Path) -> Vec<Process> {
        let sockets = self.proxies.each_ref().map(socket);
        let nodes = nodes(self.service, sockets.iter().map(PathBuf::as_path));
        let board = Arc::new(Board::private(&Cluster::names(&nodes)));
        let process =
            || Process::of_pool(nodes.clone(), Arc::clone(&board), 2, &Self::settings(), queue);
        std::iter::repeat_with(process).take(PROCESSES_EACH).collect()
    }

    fn ledger(&self, index: usize) -> MutexGuard<'_, Ledger> {
        self.ledgers[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, index: usize) -> (String, Floor) {
        let ledger = self.ledger(index);
        (ledger.name.clone(), ledger.floor())
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, SeqCst)
    }

    /// The value of a step that has to succeed, or fail because others destroy the session.
    #[track_caller]
    fn served<T>(
        &self,
        step: &str,
        name: &str,
        result: Result<T>,
        excuses: &[ErrorKind],
    ) -> Option<T> {
        let kind = result.as_ref().err().map(Error::kind);
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        *outcomes.entry(format!("{step}: {kind:?}")).or_default() += 1;
        drop(outcomes);
        match result {
            Err(error) if !excuses.contains(&error.kind()) => {
                panic!("{name}: {step}: {:?}: {error}", error.kind())
            }
            result => result.ok(),
        }
    }

    /// A node is in trouble for some hundred requests, and well again afterwards.
    fn episode(
        &self,
        processes: &mut [Process],
        node: usize,
        trouble: Trouble,
        random: &mut fastrand::Rng,
    ) {
        println!("group {}: node {node} {trouble:?}", self.number);
        let left = AtomicI64::new(EPISODE as i64);
        self.disturb(node, trouble, random);
        thread::scope(|scope| {
            for process in &mut *processes {
                let (left, random) = (&left, random.fork());
                scope.spawn(move || self.work(process, node, trouble, left, random));
            }
        });
        // Before and after it as well, when nobody is there to notice.
        self.disturb(node, trouble, random);
        self.proxies[node].heal();
        self.proxies[node].accept();
        // Who finds only later that a connection has stalled takes the node for one that hangs, and
        // by then another one is in trouble.
        self.proxies[node].cut();
        processes.iter().for_each(|process| process.trust(node));
        for index in 0..SESSIONS {
            if matches!(trouble, Trouble::Restarts) {
                self.mend(&mut processes[0], index, (node + 1) % self.proxies.len(), random);
            }
            let mut ledger = self.ledger(index);
            let name = ledger.name.clone();
            for process in processes.iter_mut().step_by(PROCESSES_EACH) {
                let data = process.read(&name, &Self::settings());
                let data = self.served("look", &name, data, &[]).flatten().unwrap_or_default();
                ledger.check_end(&data);
            }
        }
    }

    /// Gives a session the copy again that a node has lost, as the next trouble must not come
    /// before: the operator does that, or somebody who uses it. `seen` is a node that has it.
    fn mend(&self, process: &mut Process, index: usize, seen: usize, random: &mut fastrand::Rng) {
        let (name, floor) = self.begin(index);
        if random.bool() {
            let repaired = process.repair(&name, seen);
            assert!(repaired.is_whole, "{name}: {repaired:?}");
            return;
        }
        let data = process.open(&name, Origin::Sent).expect("all nodes answer");
        let data = data.unwrap_or_default();
        let counter = self.ledger(index).check(&data, floor);
        match data.is_empty() {
            true => self.commit(process, index, counter + 1),
            false => assert!(process.touch(&name).expect("all nodes answer")),
        }
    }

    /// What one process does while a node is in trouble.
    fn work(
        &self,
        process: &mut Process,
        node: usize,
        trouble: Trouble,
        left: &AtomicI64,
        mut random: fastrand::Rng,
    ) {
        while left.fetch_sub(1, SeqCst) > 0 {
            match random.usize(..50) {
                // Whether it is true or not.
                0 => process.trust(node),
                1..6 => self.disturb(node, trouble, &mut random),
                _ => {}
            }
            let index = random.usize(..SESSIONS);
            match random.u8(..20) {
                0 => self.make(process),
                1 if index < DESTROYED => self.destroy(process, index),
                1..4 => self.look(process, index),
                _ => self.count(process, index, &mut random),
            }
        }
    }

    /// Makes something go wrong at a node, or well again.
    fn disturb(&self, node: usize, trouble: Trouble, random: &mut fastrand::Rng) {
        let proxy = &self.proxies[node];
        match trouble {
            Trouble::Messages => {
                let place = match random.bool() {
                    true => Place::Request(random.usize(..8)),
                    false => Place::Reply(random.usize(..8)),
                };
                proxy.plan(place, random_fault_of(self.service)(random, NODE_TIMEOUT));
            }
            Trouble::Hangs => match random.u8(..4) {
                0 => proxy.plan(Place::EveryRequest, Fault::Hold),
                1 => proxy.plan(Place::EveryReply, Fault::Hold),
                _ => proxy.release(),
            },
            Trouble::Refuses => match random.bool() {
                true => {
                    proxy.refuse();
                    proxy.cut();
                }
                false => proxy.accept(),
            },
            Trouble::Restarts => {
                self.servers[node].lock().unwrap_or_else(PoisonError::into_inner).restart();
            }
        }
    }

    /// Reads without the lock.
    fn look(&self, process: &mut Process, index: usize) {
        let (name, floor) = self.begin(index);
        let data = process.read(&name, &Self::settings());
        let data = self.served("look", &name, data, &[]).flatten().unwrap_or_default();
        self.ledger(index).check(&data, floor);
    }

    /// Reads with the lock and, mostly, counts up.
    fn count(&self, process: &mut Process, index: usize, random: &mut fastrand::Rng) {
        let (name, floor) = self.begin(index);
        let data = process.open(&name, Origin::Sent);
        let data = self.served("open", &name, data, &[]).flatten().unwrap_or_default();
        let counter = self.ledger(index).check(&data, floor) + 1;
        match random.u8(..8) {
            0 => return process.release(&name),
            1 if !data.is_empty() => {
                let touched = process.touch(&name);
                let is_enough = self.served("touch", &name, touched, &[]);
                assert_eq!(is_enough, Some(true), "{name} is as old as this test");
                return;
            }
            2 if index < DESTROYED => return self.destroy(process, index),
            _ => {}
        }
        self.commit(process, index, counter);
    }

    fn commit(&self, process: &mut Process, index: usize, counter: u64) {
        let ((name, _), attempt) = (self.begin(index), self.tick());
        let data = self.ledger(index).attempt(counter, attempt);
        let result = process.commit(&name, &data);
        let ledger = &mut *self.ledger(index);
        ledger.conclude(counter, attempt, &result);
        let excuses = match ledger.is_destroyed_at_times {
            true => &[ErrorKind::Destroyed, ErrorKind::Indeterminate][..],
            false => &[],
        };
        self.served("commit", &name, result, excuses);
    }

    fn destroy(&self, process: &mut Process, index: usize) {
        let ((name, _), before) = (self.begin(index), self.tick());
        let result = process.destroy(&name);
        self.served("destroy", &name, result, &[]);
        let ledger = &mut *self.ledger(index);
        ledger.destroyed = ledger.destroyed.max(before);
    }

    /// A new session, which is read again.
    fn make(&self, process: &mut Process) {
        let name = format!("g{}-new-{}", self.number, self.tick());
        let opened = process.open(&name, Origin::Fresh);
        assert_eq!(self.served("open fresh", &name, opened, &[]), Some(None));
        let result = process.commit(&name, &data(&name, 1));
        self.served("commit fresh", &name, result, &[]);
        let found = process.read(&name, &Self::settings());
        let found = self.served("look fresh", &name, found, &[]);
        assert_eq!(found, Some(Some(data(&name, 1))), "{name}");
    }

    /// Does so many episodes.
    fn run(&self, episodes: usize, mut random: fastrand::Rng) {
        let queues = [(); MACHINES].map(|()| tempfile::tempdir().expect("a temporary folder"));
        let mut processes: Vec<Process> =
            queues.iter().flat_map(|queue| self.machine(queue.path())).collect();
        for index in 0..SESSIONS {
            // Later, with nodes so young of which one does not answer, nobody could say that there
            // is none.
            let opened = processes[0].open(&self.begin(index).0, Origin::Sent);
            assert_eq!(opened.expect("all nodes answer"), None);
            self.commit(&mut processes[0], index, 1);
        }
        for process in &mut processes {
            // Connected one after the other, for two hundred connections at once take their time.
            (0..SESSIONS).for_each(|index| self.look(process, index));
        }
        let mut node = 0;
        for _ in 0..episodes {
            // Another one each time: what the last one did not get back is missed then.
            node = (node + random.usize(1..self.proxies.len())) % self.proxies.len();
            let trouble = match random.u8(..5) {
                0 => Trouble::Messages,
                1 => Trouble::Hangs,
                2 => Trouble::Refuses,
                _ => Trouble::Restarts,
            };
            self.episode(&mut processes, node, trouble, &mut random);
        }
    }
}

fn random_trouble_of_one_node_at_a_time_is_not_noticed(service: Service) {
    let groups = (0..GROUPS).map(|number| Group::start(service, number));
    let Some(groups) = groups.collect::<Option<Vec<_>>>() else { return };
    let mut random = seeded();
    let started = Instant::now();
    let episodes = requests(3_200) / (GROUPS * EPISODE);
    thread::scope(|scope| {
        for group in &groups {
            let random = random.fork();
            scope.spawn(move || group.run(episodes, random));
        }
    });
    for group in &groups {
        println!("{:?}: {:#?}", started.elapsed(), group.outcomes.lock().expect("no panic"));
    }
}
