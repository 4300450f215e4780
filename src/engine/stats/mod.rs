//! What sessclust counts: for one request, and for all processes of a server.

mod segment;

pub use segment::{counters, map_counters};

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

/// What one request's session has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestStats {
    /// Microseconds spent waiting for other requests that held the session.
    pub lock_wait_us: u64,
    /// Microseconds spent opening and reading, without the wait.
    pub read_us: u64,
    /// Microseconds spent writing or touching.
    pub write_us: u64,
    /// Bytes of session data read.
    pub read_bytes: u64,
    /// Bytes of session data written.
    pub written_bytes: u64,
    /// How often a node of the pool was waited for.
    pub round_trips: u64,
}

impl RequestStats {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            lock_wait_us: 0,
            read_us: 0,
            write_us: 0,
            read_bytes: 0,
            written_bytes: 0,
            round_trips: 0,
        }
    }

    /// The figures with the names that `sessclust_stats()` shows.
    pub fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("lock_wait_us", self.lock_wait_us),
            ("read_us", self.read_us),
            ("write_us", self.write_us),
            ("read_bytes", self.read_bytes),
            ("written_bytes", self.written_bytes),
            ("round_trips", self.round_trips),
        ]
    }
}

impl AddAssign for RequestStats {
    fn add_assign(&mut self, other: Self) {
        self.lock_wait_us += other.lock_wait_us;
        self.read_us += other.read_us;
        self.write_us += other.write_us;
        self.read_bytes += other.read_bytes;
        self.written_bytes += other.written_bytes;
        self.round_trips += other.round_trips;
    }
}

/// Declares the counters: the enum, their names and their meaning from one list.
macro_rules! counters {
    ($($variant:ident $name:literal $meaning:literal,)*) => {
        /// A counter. It only ever grows, from the start of the server.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter { $(#[doc = $meaning] $variant,)* }

        impl Counter {
            /// All counters.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// The name that `sessclust_stats()` and phpinfo show.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What is counted, with its unit.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

counters! {
    Opens "opens" "sessions read",
    Hits "hits" "of these, sessions that had data",
    Waits "waits" "sessions that another request held first",
    WaitMicros "wait_us" "microseconds spent waiting for them",
    LockFailures "lock_failures" "sessions not obtained within sessclust.lock_wait",
    Commits "commits" "sessions written",
    Touches "touches" "sessions unchanged, marked as used",
    Destroys "destroys" "sessions destroyed",
    ReadBytes "read_bytes" "bytes of session data read",
    WrittenBytes "written_bytes" "bytes of session data written",
    Recovered "recovered" "sessions read from the version before, the newest being torn",
    Damaged "damaged" "sessions lost because their record failed its checks",
    Swept "swept" "ended sessions removed",
    SweepErrors "sweep_errors" "automatic removals that failed",
    ConnectFailures "connect_failures" "nodes that could not be connected to",
    Reconnects "reconnects" "connections that a node had closed while they were idle",
    Timeouts "timeouts" "answers that did not come within sessclust.request_timeout",
    BrokenConnections "broken_connections" "connections that were cut, or closed after nonsense",
    NodesDown "nodes_down" "times that a node was found not to answer, for all of this machine",
    Failovers "failovers" "nodes replaced by the next one while a request went on",
    Repairs "repairs" "copies brought up to date",
    ServerErrors "server_errors" "sessions that a node could not store",
    Renewals "renewals" "locks renewed while a request went on",
    Takeovers "takeovers" "locks taken from processes of this machine that had died",
    DelayedFailures "delayed_failures" "delayed writes that were not saved, or nobody knows",
    Outages "outages" "times that no node answered and sessions were kept on this machine",
    LocalSessions "local_sessions" "sessions read on this machine, as no node answered",
    LocalMoved "local_moved" "sessions of an outage moved to nodes that were back",
    LocalDropped "local_dropped" "sessions of an outage given up for what the nodes had",
    Warnings "warnings" "warnings raised",
    Panics "panics" "internal errors caught, each worth a bug report",
}

/// The counters' values.
#[derive(Debug)]
#[repr(transparent)]
pub struct Counters([AtomicU64; Counter::ALL.len()]);

impl Counters {
    /// All at zero.
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Counter::ALL.len()])
    }

    /// Adds to a counter; it wraps around after 2^64.
    pub fn add(&self, counter: Counter, amount: u64) {
        // Relaxed: counters say how much, not in which order.
        self.0[counter as usize].fetch_add(amount, Ordering::Relaxed);
    }

    /// A counter's value.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}
