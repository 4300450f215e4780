//! A pool of nodes as one store.
//!
//! ```text
//! mod.rs      Cluster: the nodes, the sessions that this process has open, and what both are asked
//! ring.rs     which node a session belongs to, which nodes come next
//! open.rs     lock and read; give back; renew                      rules 1 to 4, 11, 14
//! read.rs     reading without a lock                               rule 3
//! commit.rs   store, touch, destroy, and what their answers mean   rules 5 to 10, 12, 13, 15
//! record.rs   the stored bytes of a session
//! holder.rs   the stored bytes of a lock
//! repair.rs   where the copies of a session are; giving it those again that it should have
//! ```
//!
//! A session has two items on a node, named by the digest of its id: its *record* `sc:r:<digest>`
//! and, while a request works on it, its *lock* `sc:l:<digest>`. Which nodes have them follows from
//! the save path and the digest alone: the first R of the session's *preference list* that are up,
//! R being `sessclust.replicas`. So it is the same on every web server, but for what they think of
//! the nodes; nothing is stored, asked or agreed on.
//!
//! * All nodes of a session are asked at once: the slowest counts, not the sum.
//! * The lock is an item that is added, so that one request has it at a time, and that ends by
//!   itself (the lease) if its holder dies. While a request lives, [`Cluster::renew`] extends it.
//! * A lock gives order; the CAS of the record gives safety. Every change of a record has the CAS
//!   that was read under the lock as its condition. So a request that was stopped for longer than
//!   its lease cannot write over what others have written since.
//! * Versions decide between copies. The newest is what a request works on; who stores it next
//!   gives the others the same.
//! * A lock, a CAS and what was read are good for the connection that told them. When that is lost,
//!   all of it is asked for again before anything is stored.
//! * *Absent* and *unknown* differ: a session is new only if enough nodes say that they have none.
//!
//! The numbers of rules are those of `docs/pool.md`. Where a node was added to the pool, sessions
//! that belong to it now are found on the next ones of their lists, where they were before, and
//! move with their next commit.

mod commit;
pub mod holder;
mod open;
mod read;
pub mod record;
mod repair;
pub mod ring;

pub use open::Origin;
pub use repair::{Found, Lives, Place, Repaired, digest_of_key};

use crate::config::save_path::{Endpoint, NodeAddress};
use crate::config::{RingKind, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{
    ASLEEP_TRIES, BIRTHS_TOGETHER_US, DRAWS_MAX, FAILOVER_MAX, FAILOVER_PAUSE, ID_BYTES_MAX,
    LIFETIME_DEFAULT_S, LOCK_LEASE_MARGIN,
};
use crate::machine::{Birth, Board, Queue, Ticket, Verdict};
use crate::node::{
    Answer, Cause, Failure, Late, Link, Node, Tag, Timeouts, World, birth_key, birth_of,
};
use crate::session::id::{Digest, SessionId};
use crate::stats::{Counter, Counters};
use crate::wire::memcached::meta::{Condition, Opaque, Request, Wants};
use crate::wire::memcached::{Cas, Key, Ttl};
use holder::Signature;
pub use record::Stamp;
use record::{Record, RecordError};
use ring::{Ketama, Ring, RingNode};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A pool, as one process sees it.
pub struct Cluster {
    nodes: Vec<Node>,
    ring: Ring,
    world: Arc<dyn World>,
    queue: Queue,
    board: Arc<Board>,
    /// How many nodes keep each session.
    copies: usize,
    /// Longest lifetime of a session that this process has heard of, in seconds.
    lifetime_s: u64,
    /// See [`Cluster::set_hopeful`].
    is_hopeful: bool,
    /// Waits for a node during which another one was waited for as well.
    shared_waits: u64,
    /// What the server's log should say.
    notices: Vec<String>,
    /// Tells the sessions of this pool from those of others in the queue.
    queue_salt: u64,
    counters: &'static Counters,
    signature: Option<Signature>,
    /// Where records are made; kept to save an allocation of their size.
    scratch: Vec<u8>,
    /// The sessions that this process has open: one, as a rule.
    held: Vec<Holding>,
    /// What was sent without waiting for the answer.
    posted: Vec<(Tag, Posted)>,
    last_tag: u64,
    /// What came of locks that were posted, by token and node.
    late_locks: Vec<(u128, usize, Option<Answer>)>,
    /// Delayed writes that turned out to have failed, and nobody was told.
    delayed_failures: Vec<Error>,
}

/// What a session's record is.
#[derive(Debug)]
pub enum Copy<'a> {
    /// Its data.
    Data(&'a [u8]),
    /// There is none: new, destroyed, or past its life.
    Absent,
    /// Bytes that fail their checks.
    Damaged(RecordError),
}

/// An item that was posted.
#[derive(Clone, Copy)]
enum Posted {
    /// The lock of a fresh session, by its token.
    Lock(u128),
    /// A commit that is not waited for.
    Commit(Digest),
    /// Nobody is interested.
    Nothing,
}

/// A session that this process has opened.
struct Holding {
    digest: Digest,
    /// What its lock holds on every node.
    lock_value: Vec<u8>,
    token: u128,
    /// Life of the lock.
    lease: Duration,
    timeouts: Timeouts,
    /// All nodes, in the order in which they are to keep it.
    list: Vec<usize>,
    /// The nodes it is held on, in the order of that list.
    seats: Vec<Seat>,
    /// The nodes that have not answered this request.
    silent: Vec<usize>,
    /// Why the last of them has not.
    failure: Option<Error>,
    /// The newest record of these nodes, which this request works on.
    base: Option<Base>,
    /// Which record the caller was given; none if there was none. Only that may be replaced.
    read: Option<Stamp>,
    /// Why a copy was not believed.
    damage: Option<RecordError>,
    /// When the last lock was granted.
    granted: Instant,
    /// The clock then: the version of what is stored under it.
    granted_us: u64,
    /// Its place among the requests of this machine.
    ticket: Option<Ticket>,
    /// What it means if a node fails now.
    stage: &'static str,
}

/// A record that was read or stored.
struct Base {
    record: Record,
    bytes: Vec<u8>,
}

/// One node's part in a session that is held.
struct Seat {
    node: usize,
    /// The connection that all else belongs to.
    link: Option<Link>,
    lock: Lock,
    /// The CAS of the record there; none if it is missing.
    cas: Option<Cas>,
    /// Which record it is; none if it is missing or cannot be believed.
    stamp: Option<Stamp>,
    /// Which one it was when the session was opened.
    read: Option<Stamp>,
    /// When it was asked for together with the lock.
    known: Instant,
    /// The record itself, until it is known which one is the newest.
    copy: Option<Base>,
    part: Part,
}

/// What a node has done of a store or a touch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Nothing yet.
    Due,
    /// What it was asked.
    Stored,
    /// It has not, and will not.
    Refused,
}

/// A session's lock on one node.
#[derive(Clone, Copy)]
enum Lock {
    None,
    /// Sent, and not answered yet.
    Asked(Lease),
    Held(Cas, Lease),
}

/// How long a lock can be relied on.
#[derive(Clone, Copy)]
struct Lease {
    /// When it was sent.
    since: Instant,
    /// By our own clock, with a margin for the node's.
    until: Instant,
}

impl Lease {
    fn of(since: Instant, span: Duration) -> Self {
        Self { since, until: since + span - LOCK_LEASE_MARGIN }
    }
}

/// A session's two keys.
struct Keys {
    record: [u8; Keys::BYTES],
    lock: [u8; Keys::BYTES],
}

impl Keys {
    const RECORD: &[u8; Self::PREFIX_BYTES] = b"sc:r:";
    const LOCK: &[u8; Self::PREFIX_BYTES] = b"sc:l:";
    const PREFIX_BYTES: usize = 5;
    const BYTES: usize = Self::PREFIX_BYTES + Digest::HEX_BYTES;

    fn of(digest: &Digest) -> Self {
        let hex = digest.to_hex();
        let key = |prefix: &[u8; Self::PREFIX_BYTES]| {
            let mut key = [0; Self::BYTES];
            key[..Self::PREFIX_BYTES].copy_from_slice(prefix);
            key[Self::PREFIX_BYTES..].copy_from_slice(&hex);
            key
        };
        Self { record: key(Self::RECORD), lock: key(Self::LOCK) }
    }

    fn record(&self) -> Key<'_> {
        Key::new(&self.record).expect("printable, and not too long")
    }

    fn lock(&self) -> Key<'_> {
        Key::new(&self.lock).expect("printable, and not too long")
    }
}

/// Requests get their numbers when they are sent.
const UNNUMBERED: Opaque = Opaque(0);

fn get(key: Key<'_>) -> Request<'_> {
    Request::Get { key, wants: Wants::Value, opaque: UNNUMBERED }
}

/// The same of an item that is to be written by whoever gets the lock, which is asked for before.
fn get_to_write(key: Key<'_>) -> Request<'_> {
    Request::Get { key, wants: Wants::Watch, opaque: UNNUMBERED }
}

/// The same with the time that the item has left.
fn get_with_life(key: Key<'_>) -> Request<'_> {
    Request::Get { key, wants: Wants::Life, opaque: UNNUMBERED }
}

fn set<'a>(key: Key<'a>, value: &'a [u8], ttl: Ttl, cas: Option<Cas>) -> Request<'a> {
    let condition = cas.map_or(Condition::Absent, Condition::Unchanged);
    Request::Set { key, value, ttl, condition, opaque: UNNUMBERED }
}

fn touch(key: Key<'_>, ttl: Ttl) -> Request<'_> {
    Request::Touch { key, ttl, opaque: UNNUMBERED }
}

/// Deletes without an answer.
fn delete(key: Key<'_>, cas: Cas) -> Request<'_> {
    Request::Delete { key, cas, is_quiet: true, opaque: UNNUMBERED }
}

/// The same with an answer.
fn unlock(key: Key<'_>, cas: Cas) -> Request<'_> {
    Request::Delete { key, cas, is_quiet: false, opaque: UNNUMBERED }
}

/// Which node of a pool has a position: for drawing ids that belong to a certain node.
pub fn ring_of(kind: RingKind, nodes: &[NodeAddress]) -> Result<Ring> {
    let nodes: Vec<RingNode<'_>> = nodes
        .iter()
        .map(|node| {
            let (host, port) = match (node.sentinel_name(), &node.endpoint) {
                // Which sentinel is listed first, and which server is the primary, may change.
                (Some(name), _) => (name.as_bytes(), 0),
                (None, Endpoint::Tcp { host, port }) => (host.as_bytes(), *port),
                (None, Endpoint::Unix(path)) => (path.as_os_str().as_encoded_bytes(), 0),
            };
            RingNode { host, port, weight: node.weight }
        })
        .collect();
    let kind = match kind {
        RingKind::KetamaWeighted => Ketama::Weighted,
        RingKind::Ketama => Ketama::Plain,
    };
    Ring::new(kind, &nodes)
}

/// Names a pool on this machine: the same for every order of its nodes. Two databases of a server
/// are two pools, and do not know each other's sessions.
pub fn salt_of(nodes: &[NodeAddress]) -> u64 {
    let salt = |node: &NodeAddress| {
        let database = node.as_redis().map_or(0, |redis| redis.database);
        xxh3_64_with_seed(node.to_string().as_bytes(), database.into())
    };
    nodes.iter().map(salt).fold(0, u64::wrapping_add)
}

impl Cluster {
    /// The pool of these nodes, `replicas` of which keep each session, or all if they are fewer.
    /// `board` is what this machine knows about them. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]: nodes that make no ring.
    pub fn new(
        nodes: Vec<NodeAddress>,
        kind: RingKind,
        world: Arc<dyn World>,
        queue: Queue,
        board: Arc<Board>,
        replicas: u32,
        counters: &'static Counters,
    ) -> Result<Self> {
        let copies = nodes.len().min(replicas as usize);
        // Only where others may have what a node has lost does it matter that it has.
        let node = if copies > 1 { Node::with_birth } else { Node::new };
        Ok(Self {
            queue_salt: salt_of(&nodes),
            ring: ring_of(kind, &nodes)?,
            nodes: nodes.into_iter().map(node).collect(),
            world,
            queue,
            board,
            copies,
            lifetime_s: LIFETIME_DEFAULT_S,
            is_hopeful: false,
            shared_waits: 0,
            notices: Vec::new(),
            counters,
            signature: None,
            scratch: Vec::new(),
            held: Vec::new(),
            posted: Vec::new(),
            last_tag: 0,
            late_locks: Vec::new(),
            delayed_failures: Vec::new(),
        })
    }

    /// What the board of a machine calls nodes.
    pub fn names(nodes: &[NodeAddress]) -> Vec<u64> {
        nodes.iter().map(|node| xxh3_64(node.to_string().as_bytes())).collect()
    }

    /// How long sessions live after their last use, in seconds; 0: without end. Of several, the
    /// longest counts.
    pub fn expect_lifetime(&mut self, lifetime_s: u64) {
        self.lifetime_s = self.lifetime_s.max(if lifetime_s == 0 { u64::MAX } else { lifetime_s });
    }

    /// Whether nodes that were waited for in vain are to be waited for again where all of them are
    /// down: another process may have been answered, and the board not have heard of it. Where one
    /// answers, nobody waits for others.
    pub fn set_hopeful(&mut self, is_hopeful: bool) {
        self.is_hopeful = is_hopeful;
    }

    /// The nodes, in the order of the save path.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Index of the node that a session belongs to.
    pub fn primary(&self, digest: &Digest) -> usize {
        self.ring.primary(&digest.to_hex())
    }

    /// An id that begins with `id` and belongs to `node`, by some random digits at its end.
    ///
    /// The end has 16 random bits, and a node with a share of one in n leaves log2(n) fewer to
    /// chance. So the id is at least as hard to guess as the one it is made of, for every node with
    /// a share of a 65,536th or more.
    pub fn draw_near(&self, id: SessionId<'_>, node: usize) -> Vec<u8> {
        const END_DIGITS: usize = 4;
        let length = id.as_bytes().len().min(ID_BYTES_MAX - END_DIGITS);
        let mut drawn = id.as_bytes()[..length].to_vec();
        for _ in 0..DRAWS_MAX {
            drawn.truncate(length);
            // Hexadecimal digits are in the alphabet of every session.sid_bits_per_character.
            drawn.extend_from_slice(format!("{:04x}", self.world.random() as u16).as_bytes());
            let digest = SessionId::parse(&drawn).map(SessionId::digest);
            if digest.is_ok_and(|digest| self.primary(&digest) == node) {
                break;
            }
        }
        // A node with next to no share: any other one will do as well.
        drawn
    }

    /// How often a node was waited for.
    pub fn round_trips(&self) -> u64 {
        self.nodes.iter().map(Node::round_trips).sum::<u64>() - self.shared_waits
    }

    /// Whether there are any [`notices`](Cluster::notices).
    pub fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }

    /// What the server's log should be told, once.
    pub fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// The data of a session that is held, as they were read under its lock.
    pub fn data(&self, digest: &Digest) -> Copy<'_> {
        match self.holding(digest) {
            Some(Holding { base: Some(base), .. }) if !base.record.is_tombstone => {
                Copy::Data(&base.bytes[Record::BYTES..])
            }
            Some(Holding { base: None, damage: Some(error), .. }) => Copy::Damaged(*error),
            _ => Copy::Absent,
        }
    }

    /// Which record of a session that is held this process works on; none if there is none.
    pub fn stamp(&self, digest: &Digest) -> Option<Stamp> {
        self.holding(digest)?.read
    }

    /// Whether this process has the lock of a session, as far as it knows.
    pub fn is_held(&self, digest: &Digest) -> bool {
        self.holding(digest).is_some()
    }

    /// What delayed writes have failed since the last call.
    pub fn delayed_failures(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.delayed_failures)
    }

    /// Waits for all answers that were not waited for; to be called before the process ends.
    pub async fn settle(&mut self, timeouts: &Timeouts) {
        for node in 0..self.nodes.len() {
            // What was lost with the connection comes back as an answer that never came.
            let _ = self.nodes[node].settle(&*self.world, timeouts).await;
            self.take_late(node);
        }
    }

    fn holding(&self, digest: &Digest) -> Option<&Holding> {
        self.held.iter().find(|holding| holding.digest == *digest)
    }

    /// Takes a session out of those that are held, for the time of a call.
    fn take(&mut self, digest: &Digest) -> Option<Holding> {
        let index = self.held.iter().position(|holding| holding.digest == *digest)?;
        Some(self.held.swap_remove(index))
    }

    /// All nodes, in the order in which they are to keep a session.
    fn list(&self, digest: &Digest) -> Vec<usize> {
        if self.nodes.len() == 1 {
            return vec![0];
        }
        self.ring.preference(self.ring.position(&digest.to_hex())).collect()
    }

    /// Whether a node answers, as far as this machine knows; see [`Board::is_up`]. The clock is
    /// read only where one is down.
    fn is_up(&self, node: usize) -> bool {
        !self.board.is_down(node) || self.board.is_up(node, self.world.uptime())
    }

    /// Whether a node is to be used, as far as this machine knows.
    fn is_usable(&self, node: usize) -> bool {
        !self.board.is_drained(node) && self.is_up(node)
    }

    /// Whether a node may have what others do not, and need not be waited for in vain. One that has
    /// begun to answer may have been given it while no other did.
    fn is_worth_asking(&self, node: usize) -> bool {
        self.is_up(node) || self.board.is_recovering(node)
    }

    /// The next node of a list to be used, of those that are not `taken`. A drained one is better
    /// than none, and so is one that has begun to answer.
    fn next_usable(&self, list: &[usize], taken: impl Fn(usize) -> bool) -> Option<usize> {
        let others = || list.iter().copied().filter(|node| !taken(*node));
        let is_drained_and_up = |node: &usize| self.board.is_drained(*node) && self.is_up(*node);
        let usable = others().find(|node| self.is_usable(*node));
        let usable = usable.or_else(|| others().find(is_drained_and_up));
        let usable = usable.or_else(|| others().find(|node| self.board.is_recovering(*node)));
        let are_all_down = || {
            list.iter().all(|node| self.board.is_down(*node) && !self.board.is_recovering(*node))
        };
        usable.or_else(|| others().next().filter(|_| self.is_hopeful && are_all_down()))
    }

    /// The nodes that are to keep a session, in the order of its list: the first ones that are up.
    fn set_of(&self, list: &[usize], timeouts: &Timeouts) -> Vec<usize> {
        let mut set: Vec<usize> = Vec::with_capacity(self.copies);
        let first = list.iter().copied().find(|node| !self.board.is_drained(*node));
        set.extend(first.filter(|node| self.may_fail_over(*node, timeouts)));
        while set.len() < self.copies
            && let Some(node) = self.next_usable(list, |node| set.contains(&node))
        {
            set.push(node);
        }
        if set.iter().all(|node| self.board.is_recovering(*node)) {
            // None is known to be there. Those that refuse cost nothing to ask; and what one
            // request was given by a node that begins to answer, the next must not miss.
            let is_worth_it =
                |node: &usize| !self.board.has_hung(*node) || self.board.is_recovering(*node);
            return list.iter().copied().filter(is_worth_it).take(self.copies).collect();
        }
        set.sort_by_key(|node| list.iter().position(|listed| listed == node));
        set
    }

    /// The nodes that are asked for what `set` does not have, rule 3, whatever the board says: one
    /// fewer than a session has copies, but at least one.
    fn further<'a>(
        &self,
        list: &'a [usize],
        set: impl Fn(usize) -> bool + 'a,
    ) -> impl Iterator<Item = usize> + 'a {
        let wanted = (self.copies - 1).max(1);
        list.iter().copied().filter(move |node| !set(*node)).take(wanted)
    }

    /// The nodes without whose answer nobody can say that there is no session, where those that
    /// `has_answered` speaks of have no record that can be used; rule 3. One of them may have a
    /// damaged one. A round trip more where it depends on what a repair has noted on the nodes.
    async fn doubtful(
        &mut self,
        list: &[usize],
        has_answered: impl Fn(usize) -> bool,
        is_damaged: bool,
        timeouts: &Timeouts,
    ) -> Vec<usize> {
        let of_interest = &list[..list.len().min(2 * self.copies - 1)];
        let (answered, silent): (Vec<usize>, Vec<usize>) =
            of_interest.iter().partition(|node| has_answered(**node));
        let [only] = silent[..] else { return silent };
        let all_know =
            |this: &Self| answered.iter().all(|node| !is_damaged && this.knows_what(*node, only));
        if all_know(self) {
            return Vec::new();
        }
        let ask = |node: &usize| (*node, vec![get(birth_key())]);
        let asked: Vec<_> = answered.iter().map(ask).collect();
        for (node, result) in answered.iter().zip(self.exchange_all(timeouts, &asked).await) {
            if let Ok([Answer::Value { bytes, .. }]) = result.as_deref() {
                self.born(*node, birth_of(bytes));
            }
        }
        if all_know(self) { Vec::new() } else { silent }
    }

    /// Whether a node that answers has all sessions that it should have of those that `silent` has:
    /// it has lost none in their lifetime, has got them back, or both have just begun to be used.
    fn knows_what(&self, node: usize, silent: usize) -> bool {
        let Some(birth) = self.board.birth(node) else { return false };
        let lifetime_us = self.lifetime_s.saturating_mul(1_000_000);
        let is_together = |other: Birth| {
            let apart_us = birth.at_us.abs_diff(other.at_us);
            !birth.is_again && !other.is_again && apart_us <= BIRTHS_TOGETHER_US
        };
        birth.is_whole
            || birth.at_us.saturating_add(lifetime_us) < self.now_us()
            || self.board.birth(silent).is_some_and(is_together)
    }

    /// None of these nodes has answered, and the session needs one of them.
    fn no_node(
        &self,
        digest: &Digest,
        stage: &str,
        failure: Option<&Failure>,
        nodes: &[usize],
    ) -> Error {
        let text = match failure {
            Some(failure) => failure.to_string(),
            None => {
                let address = |node: &usize| self.nodes[*node].address().to_string();
                let nodes: Vec<String> = nodes.iter().map(address).collect();
                format!("no answer from {}", nodes.join(", "))
            }
        };
        Error::new(ErrorKind::NoNode, format!("session {digest} {stage}: {text}"))
    }

    /// What requests of this machine queue for when they want a session. Another pool may have one
    /// of the same id, for browsers send a cookie to all servers of a host.
    fn place(&self, digest: &Digest) -> u64 {
        digest.short() ^ self.queue_salt
    }

    fn now_us(&self) -> u64 {
        since_epoch(self.world.now()).as_micros() as u64
    }

    fn now_s(&self) -> u64 {
        since_epoch(self.world.now()).as_secs()
    }

    fn ttl(&self, seconds: Option<u64>) -> Ttl {
        match seconds {
            None => Ttl::UNLIMITED,
            Some(seconds) => Ttl::new(Duration::from_secs(seconds), || self.world.now()),
        }
    }

    /// Whether a node that does not answer is one that others need not take the place of: it keeps
    /// the only copy of its sessions, and another server may have them at any moment.
    fn may_fail_over(&self, node: usize, timeouts: &Timeouts) -> bool {
        if self.copies > 1 || !self.nodes[node].has_failover() || timeouts.failover.is_zero() {
            return false;
        }
        // Of all requests of this machine, none waits beyond that.
        let down = self.board.down_since(node);
        down.is_none_or(|since| self.world.uptime().abs_diff(since) < timeouts.failover)
    }

    /// Waits for the server that takes the place of one that has failed, and connects to it, where
    /// that may happen.
    async fn reach(&mut self, node: usize, timeouts: &Timeouts) -> Result<(), Failure> {
        if !self.may_fail_over(node, timeouts) {
            return Ok(());
        }
        let until = Instant::now() + timeouts.failover;
        let mut has_tried = false;
        loop {
            let mut result = self.nodes[node].connect(&*self.world, timeouts).await;
            let is_expected = result.as_ref().is_err_and(|error| error.cause == Cause::Failover);
            if is_expected && has_tried {
                // It is not this process that is late time and again, but who resolves names.
                result = result.map_err(Failure::awake);
            }
            has_tried = true;
            let is_over = Instant::now() >= until || !self.may_fail_over(node, timeouts);
            if !is_expected || is_over {
                return result;
            }
            // Others have to know as well, and since when.
            let _ = self.noted(node, result);
            sleep(FAILOVER_PAUSE).await;
        }
    }

    /// Whether asking again is worth it, where that does no harm.
    fn is_worth_a_retry(&self, node: usize, failure: &Failure, timeouts: &Timeouts) -> bool {
        let is_lost = matches!(failure.cause, Cause::Timeout | Cause::Cut | Cause::Failover);
        failure.is_worth_a_retry() || is_lost && self.may_fail_over(node, timeouts)
    }

    /// Sends requests to a node and waits for the answers.
    async fn exchange(
        &mut self,
        node: usize,
        timeouts: &Timeouts,
        requests: &[Request<'_>],
    ) -> Result<Vec<Answer>, Failure> {
        let result = match self.reach(node, timeouts).await {
            Ok(()) => self.nodes[node].exchange(&*self.world, timeouts, requests).await,
            Err(failure) => Err(failure),
        };
        if result.is_ok() {
            self.answered(node);
        }
        self.noted(node, result)
    }

    /// As [`Cluster::exchange`], for requests that do no harm when they are carried out twice: a
    /// connection that was closed while it was idle is replaced, a failover is followed, and a node
    /// is not blamed for a process that stood still.
    async fn exchange_again(
        &mut self,
        node: usize,
        timeouts: &Timeouts,
        requests: &[Request<'_>],
    ) -> Result<Vec<Answer>, Failure> {
        let mut result = self.exchange(node, timeouts, requests).await;
        for _ in 1..ASLEEP_TRIES {
            match &result {
                Err(failure) if self.is_worth_a_retry(node, failure, timeouts) => {
                    result = self.exchange(node, timeouts, requests).await;
                }
                _ => break,
            }
        }
        result
    }

    /// Sends requests to several nodes and waits for all of them.
    async fn exchange_all(
        &mut self,
        timeouts: &Timeouts,
        asked: &[(usize, Vec<Request<'_>>)],
    ) -> Vec<Result<Vec<Answer>, Failure>> {
        let mut sent = Vec::with_capacity(asked.len());
        for (node, requests) in asked {
            sent.push(match self.reach(*node, timeouts).await {
                Ok(()) => self.nodes[*node].send(&*self.world, timeouts, requests).await,
                Err(failure) => Err(failure),
            });
        }
        let waits = sent.iter().filter(|sent| sent.is_ok()).count() as u64;
        self.shared_waits += waits.saturating_sub(1);
        let mut results = Vec::with_capacity(asked.len());
        for ((node, _), sent) in asked.iter().zip(sent) {
            let result = match sent {
                Ok(()) => self.nodes[*node].receive(&*self.world, timeouts).await,
                Err(failure) => Err(failure),
            };
            if result.is_ok() {
                self.answered(*node);
            }
            results.push(self.noted(*node, result));
        }
        results
    }

    /// As [`Cluster::exchange_all`], with the promise of [`Cluster::exchange_again`].
    async fn exchange_all_again(
        &mut self,
        timeouts: &Timeouts,
        asked: &[(usize, Vec<Request<'_>>)],
    ) -> Vec<Result<Vec<Answer>, Failure>> {
        let mut results = self.exchange_all(timeouts, asked).await;
        for ((node, requests), result) in asked.iter().zip(&mut results) {
            if let Err(failure) = result
                && self.is_worth_a_retry(*node, failure, timeouts)
            {
                *result = self.exchange_again(*node, timeouts, requests).await;
            }
        }
        results
    }

    /// Sends requests to a node without waiting for the answers.
    async fn post(
        &mut self,
        node: usize,
        timeouts: &Timeouts,
        requests: &[Request<'_>],
        posted: Posted,
    ) -> Result<(), Failure> {
        self.last_tag += 1;
        let tag = Tag(self.last_tag);
        if requests.iter().any(|request| !request.is_quiet()) {
            self.posted.push((tag, posted));
        }
        let result = match self.reach(node, timeouts).await {
            Ok(()) => self.nodes[node].post(&*self.world, timeouts, requests, tag).await,
            Err(failure) => Err(failure),
        };
        if result.is_err() {
            // The caller knows by now.
            self.posted.retain(|(posted, _)| *posted != tag);
        }
        self.noted(node, result)
    }

    /// As [`Cluster::post`], with the promise of [`Cluster::exchange_again`].
    async fn post_again(
        &mut self,
        node: usize,
        timeouts: &Timeouts,
        requests: &[Request<'_>],
        posted: Posted,
    ) -> Result<(), Failure> {
        match self.post(node, timeouts, requests, posted).await {
            Err(failure) if failure.is_stale() => self.post(node, timeouts, requests, posted).await,
            result => result,
        }
    }

    /// Counts a failure, tells the board, and looks at what came late.
    fn noted<T>(&mut self, node: usize, result: Result<T, Failure>) -> Result<T, Failure> {
        let asked = self.nodes[node].asked();
        self.noted_of(node, asked, result)
    }

    /// The same of what the node was asked over a connection of its own.
    fn noted_of<T>(
        &mut self,
        node: usize,
        asked: Instant,
        result: Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.take_late(node);
        let Err(failure) = &result else { return result };
        self.counters.add(
            match failure.cause {
                Cause::Connect | Cause::Shortage | Cause::Failover => Counter::ConnectFailures,
                Cause::Closed | Cause::Stale => Counter::Reconnects,
                Cause::Timeout => Counter::Timeouts,
                Cause::Cut | Cause::Nonsense => Counter::BrokenConnections,
            },
            1,
        );
        if failure.is_of_the_node() {
            let now = self.world.uptime();
            let asked = now.saturating_sub(asked.elapsed());
            let verdict = self.board.failed(node, asked, now);
            if verdict != Verdict::Outdated {
                self.board.set_hung(node, failure.is_timeout());
            }
            if verdict == Verdict::Down {
                self.counters.add(Counter::NodesDown, 1);
                self.board.explain(node, &failure.to_string());
                self.notices.push(format!("node is down: {failure}"));
            }
        }
        result
    }

    /// A node has answered what it was asked.
    fn answered(&mut self, node: usize) {
        if self.board.is_down(node) && self.board.answered(node, self.world.uptime()) {
            let address = self.nodes[node].address();
            self.notices.push(format!("node {address} is back"));
        }
    }

    /// A node has told when it was born. Whoever wrote that may have had a clock that is ahead.
    fn born(&self, node: usize, birth: Birth) {
        self.board.born(node, Birth { at_us: birth.at_us.min(self.now_us()), ..birth });
    }

    /// Deals with the answers that were not waited for.
    fn take_late(&mut self, node: usize) {
        let late = self.nodes[node].late();
        if let Some(birth) = self.nodes[node].news_of_birth() {
            self.born(node, birth);
        }
        for Late { tag, answer } in late {
            let Some(index) = self.posted.iter().position(|(posted, _)| *posted == tag) else {
                continue;
            };
            match self.posted.swap_remove(index).1 {
                Posted::Lock(token) => self.late_locks.push((token, node, answer)),
                Posted::Commit(digest) => self.take_late_commit(&digest, node, answer),
                Posted::Nothing => {}
            }
        }
    }

    fn take_late_commit(&mut self, digest: &Digest, node: usize, answer: Option<Answer>) {
        let address = self.nodes[node].address();
        let (kind, text) = match answer {
            Some(Answer::Done { .. }) => return,
            Some(Answer::ServerError(_, text)) => {
                (ErrorKind::Node, format!("is not saved: node {address} says: {text}"))
            }
            Some(Answer::Missing) => {
                let text = format!("is not saved: node {address} has lost it meanwhile");
                (ErrorKind::LeaseLost, text)
            }
            Some(_) => {
                let text = "is not saved: another request has changed it meanwhile";
                (ErrorKind::LeaseLost, text.into())
            }
            None => {
                let text = format!("may or may not have been saved: node {address} was lost");
                (ErrorKind::Indeterminate, text)
            }
        };
        self.counters.add(Counter::DelayedFailures, 1);
        let text = format!("session {digest}, written with sessclust.write = delayed, {text}");
        self.delayed_failures.push(Error::new(kind, text));
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The timeouts of these settings.
pub fn timeouts(settings: &Settings) -> Timeouts {
    Timeouts {
        connect: settings.connect_timeout,
        request: settings.request_timeout,
        failover: settings.lock_wait.min(FAILOVER_MAX),
    }
}
