//! Real php-fpm with 200 sessions on three real servers, under a steady load, while something
//! breaks: what was acknowledged is compared with what is there.

#![allow(dead_code, unreachable_pub, reason = "the program and the test use their own parts")]

mod checker;
mod ctl;
pub mod faults;
mod link;
mod servers;

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use checker::{Losses, Session};
pub use faults::Fault;
use servers::{Kind, Node};

use crate::support::{Answer, Fpm, Pool, Setup, extension, in_parallel};

/// Sessions, each with a counter.
pub const SESSIONS: usize = 200;

/// Processes of php-fpm, and threads that ask them: no request waits for a process but for its
/// session.
pub const WORKERS: usize = 8;

/// How long sessions are used before the fault, and after it.
pub const BEFORE: Duration = Duration::from_secs(3);
pub const AFTER: Duration = Duration::from_secs(3);

/// The throughput after a fault is that of the second which begins so much later.
const SECOND: Duration = Duration::from_secs(1);

/// A save handler with its copies and its locks on.
pub struct Handler {
    /// On the command line.
    pub name: &'static str,
    /// In the table.
    pub title: &'static str,
    /// Loaded in this order; that of the handler is the last one. None: our own.
    extensions: &'static [&'static str],
    pub settings: &'static [&'static str],
    servers: Kind,
    nodes: usize,
    /// Before an address in the save path.
    prefix: &'static str,
    /// Comes with a program that makes the missing copies.
    can_repair: bool,
}

pub const HANDLERS: [Handler; 5] = [
    Handler {
        name: "sessclust",
        title: "sessclust",
        extensions: &[],
        settings: &["sessclust.replicas=2"],
        servers: Kind::Memcached,
        nodes: 3,
        prefix: "memcached://",
        can_repair: true,
    },
    Handler {
        name: "sessclust-redis",
        title: "sessclust, redis",
        extensions: &[],
        settings: &["sessclust.replicas=2"],
        servers: Kind::Redis,
        nodes: 3,
        prefix: "redis://",
        can_repair: true,
    },
    Handler {
        name: "memcached",
        title: "php-memcached",
        // It needs the first two.
        extensions: &["igbinary", "msgpack", "memcached"],
        settings: &[
            "memcached.sess_locking=1",
            "memcached.sess_consistent_hash=1",
            // Beside the first copy; only in the binary protocol.
            "memcached.sess_number_of_replicas=1",
            "memcached.sess_binary_protocol=1",
            "memcached.sess_remove_failed_servers=1",
        ],
        servers: Kind::Memcached,
        nodes: 3,
        prefix: "",
        can_repair: false,
    },
    Handler {
        name: "memcache",
        title: "php-memcache",
        extensions: &["memcache"],
        // It always locks.
        settings: &["memcache.session_redundancy=2", "memcache.allow_failover=1"],
        servers: Kind::Memcached,
        nodes: 3,
        prefix: "tcp://",
        can_repair: false,
    },
    Handler {
        name: "redis",
        // With several servers, it unlocks on another one than it locks on.
        title: "php-redis, one server",
        extensions: &["igbinary", "redis"],
        // Waits for a lock for 500 ms; by default 20 ms, which parallel requests exceed.
        settings: &["redis.session.locking_enabled=1", "redis.session.lock_retries=250"],
        servers: Kind::Redis,
        nodes: 1,
        prefix: "tcp://",
        can_repair: false,
    },
];

impl Handler {
    pub fn is_ours(&self) -> bool {
        self.extensions.is_empty()
    }

    /// What `session.save_handler` calls it, and what its extension is called.
    fn save_handler(&self) -> &'static str {
        self.extensions.last().unwrap_or(&"sessclust")
    }

    fn setup(&self, save_path: &str) -> Setup {
        let ours = [extension().to_str().expect("UTF-8")];
        let extensions = if self.is_ours() { &ours[..] } else { self.extensions };
        let setup = Setup::of_handler(self.save_handler(), extensions, save_path);
        self.settings.iter().fold(setup, |setup, setting| setup.with(setting))
    }

    /// The version of its extension; none where that is not installed.
    pub fn version(&self) -> Option<String> {
        let version = self.setup("").eval(&format!("echo phpversion('{}');", self.save_handler()));
        Some(version).filter(|version| version.starts_with(|first: char| first.is_ascii_digit()))
    }
}

/// What one run has shown.
#[derive(Debug, Default)]
pub struct Outcome {
    pub requests: usize,
    /// Requests with an HTTP error, a warning or a session function that returned false.
    pub failed: usize,
    /// Sessions that began anew.
    pub restarted: usize,
    /// Sessions that went back to an older count, or in which two increments counted as one.
    pub rolled_back: usize,
    /// Sessions among both without a failed request before.
    pub silent: usize,
    /// Increments that were acknowledged and are no longer counted.
    pub increments: usize,
    /// Of the requests that ended after the fault's beginning.
    pub longest: Duration,
    /// Acknowledged requests in the second that begins one second after a fault, per second before
    /// the first fault; the least of several.
    pub throughput: f64,
    /// Sessions that a new PHP process reads at the end, without a warning.
    pub readable: usize,
    /// What failed requests said, and how often.
    pub complaints: BTreeMap<String, usize>,
}

/// One request.
struct Sample {
    sent: Duration,
    took: Duration,
    is_good: bool,
}

/// The use of the sessions.
struct Load<'a> {
    handler: &'a Handler,
    save_path: String,
    fpm: &'a Fpm,
    sessions: Vec<Mutex<Session>>,
    started: Instant,
    samples: Mutex<Vec<Sample>>,
    complaints: Mutex<BTreeMap<String, usize>>,
    is_over: AtomicBool,
}

/// Uses sessions of a handler at this rate, in requests a second, while a fault happens. The fault
/// lasts as long as said, or half as long, if nothing stands still in it.
///
/// None where a program is missing, with a message.
pub fn run(handler: &Handler, fault: Fault, rate: u32, longest: Duration) -> Option<Outcome> {
    if fault == Fault::Rolling && handler.can_repair && ctl::program().is_none() {
        eprintln!("left out: script/build has made no sessclustctl, which repairs");
        return None;
    }
    let mut nodes = Vec::new();
    for number in 0..handler.nodes {
        let with_link = number == 0 && fault.needs_link();
        nodes.push(Node::start(handler.servers, fault == Fault::Full, with_link)?);
    }
    let urls: Vec<_> = nodes.iter().map(|node| node.url(handler.prefix)).collect();
    let save_path = urls.join(", ");
    let setup = handler.setup(&save_path);
    let fpm = Fpm::start(&setup, &[Pool::new(WORKERS)])?;
    let mut load = Load {
        handler,
        save_path,
        fpm: &fpm,
        sessions: (0..SESSIONS).map(|_| Mutex::default()).collect(),
        started: Instant::now(),
        samples: Mutex::default(),
        complaints: Mutex::default(),
        is_over: AtomicBool::new(false),
    };
    for number in 0..SESSIONS {
        load.increment(number);
    }
    let complaints = load.complaints.get_mut().unwrap();
    assert!(complaints.is_empty(), "{} does not work at all: {complaints:?}", handler.name);
    load.samples.get_mut().unwrap().clear();
    load.started = Instant::now();
    let mut broken = Vec::new();
    let happened = thread::scope(|scope| {
        let load = &load;
        let used = if fault.spares_half() { SESSIONS / 2 } else { SESSIONS };
        for client in 0..WORKERS {
            scope.spawn(move || load.use_sessions(client, used, rate));
        }
        thread::sleep(BEFORE);
        let breaks = || broken.push(load.started.elapsed());
        let happened = fault.happen(&mut nodes, load, longest, breaks);
        thread::sleep(AFTER);
        load.is_over.store(true, Ordering::Relaxed);
        happened
    });
    happened.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    load.outcome(&setup, &broken)
}

impl Load<'_> {
    /// Increments the counters of sessions, as one of several clients that send `rate` requests a
    /// second together. The order of the sessions is the same in each run. A client that has to
    /// wait sends fewer.
    fn use_sessions(&self, client: usize, sessions: usize, rate: u32) {
        let period = Duration::from_secs(1) * WORKERS as u32 / rate;
        let mut random = fastrand::Rng::with_seed(client as u64);
        let mut next = self.started + period * client as u32 / WORKERS as u32;
        while !self.is_over.load(Ordering::Relaxed) {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            self.increment(random.usize(..sessions));
            next = Instant::now().max(next + period);
        }
    }

    fn increment(&self, number: usize) {
        let session = || self.sessions[number].lock().unwrap();
        let before = session().before();
        let answer = self.ask(&format!("increment s{number}"));
        match answer.as_ref().and_then(|answer| Some((life(&answer.value)?, answer))) {
            Some(((life, count), answer)) => {
                session().incremented(&before, life, count, !is_good(answer));
            }
            None => session().failed(),
        }
    }

    /// Opens each session and closes it without a change.
    fn read_all(&self) {
        for number in 0..SESSIONS {
            if !self.ask(&format!("touch s{number}")).as_ref().is_some_and(is_good) {
                self.sessions[number].lock().unwrap().failed();
            }
        }
    }

    /// Sends a request and keeps what it took; none if there was no answer of the page.
    fn ask(&self, command: &str) -> Option<Answer> {
        let sent = self.started.elapsed();
        let answer = ask(self.fpm, command);
        let took = self.started.elapsed() - sent;
        let complaint = match &answer {
            Ok(answer) if is_good(answer) => None,
            Ok(answer) => Some(format!("{answer:?}")),
            Err(error) => Some(format!("no answer: {error}")),
        };
        self.samples.lock().unwrap().push(Sample { sent, took, is_good: complaint.is_none() });
        if let Some(complaint) = complaint {
            *self.complaints.lock().unwrap().entry(complaint).or_default() += 1;
        }
        answer.ok()
    }

    /// Reads all sessions in a new processes and sums up.
    fn outcome(self, setup: &Setup, broken: &[Duration]) -> Option<Outcome> {
        let fresh = Fpm::start(setup, &[Pool::new(WORKERS)])?;
        let readable = AtomicUsize::new(0);
        in_parallel(WORKERS, |reader| {
            for number in (reader..SESSIONS).step_by(WORKERS) {
                let answer = ask(&fresh, &format!("life s{number}"));
                if let Some(answer) = answer.ok().filter(is_good) {
                    let found = life(&answer.value);
                    self.sessions[number].lock().unwrap().read(found);
                    readable.fetch_add(usize::from(found.is_some()), Ordering::Relaxed);
                }
            }
        });
        let sessions = self.sessions.into_iter();
        let losses: Vec<Losses> =
            sessions.map(|session| session.into_inner().unwrap().losses).collect();
        let count = |is: fn(&Losses) -> bool| losses.iter().filter(|losses| is(losses)).count();
        let samples = self.samples.into_inner().unwrap();
        let good_in = |from: Duration, to: Duration| {
            let good = samples.iter().filter(|sample| {
                sample.is_good && (from..to).contains(&(sample.sent + sample.took))
            });
            good.count() as f64 / (to - from).as_secs_f64()
        };
        let first = broken[0];
        let rate = good_in(Duration::ZERO, first);
        let after = broken.iter().map(|at| good_in(*at + SECOND, *at + 2 * SECOND) / rate);
        let late = samples.iter().filter(|sample| sample.sent + sample.took >= first);
        Some(Outcome {
            requests: samples.len(),
            failed: samples.iter().filter(|sample| !sample.is_good).count(),
            restarted: count(|losses| losses.is_restarted),
            rolled_back: count(|losses| losses.is_rolled_back),
            silent: count(|losses| losses.is_silent),
            increments: losses.iter().map(|losses| losses.increments).sum(),
            longest: late.map(|sample| sample.took).max().unwrap_or_default(),
            throughput: after.fold(f64::INFINITY, f64::min),
            readable: readable.into_inner(),
            complaints: self.complaints.into_inner().unwrap(),
        })
    }
}

/// Sends a request; an error if there is no answer of the page.
fn ask(fpm: &Fpm, command: &str) -> io::Result<Answer> {
    let mut body = String::new();
    fpm.try_send("www", command)?.read_to_string(&mut body)?;
    let is_answer = ["ok\t", "false\t"].iter().any(|result| body.starts_with(result));
    if is_answer { Ok(Answer::parse(&body)) } else { Err(io::Error::other(body)) }
}

/// Success, and no warning of anybody.
fn is_good(answer: &Answer) -> bool {
    answer.ok && answer.ours.is_empty() && answer.php.is_empty()
}

/// The token and the count that a page has found.
fn life(value: &str) -> Option<(&str, u64)> {
    let (life, count) = value.split_once(' ')?;
    Some((life, count.parse().ok()?))
}
