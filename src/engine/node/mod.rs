//! One endpoint of a pool: its connection, what it is asked, and what it answers.
//!
//! ```text
//! mod.rs          Node: connects when needed, gives up a connection at the first doubt
//! connection.rs   a connection: greeting, and the protocol that the server speaks
//! buffered.rs     a stream with its buffers
//! pipeline.rs     the meta protocol over a stream: many requests in one write, answers in order
//! redis/          a Redis or Valkey: requests as commands and scripts; waiting for a lock there
//! classic.rs      the classic text protocol through memcache-async, for servers without meta
//! socket.rs       a socket that is waited for in the kernel
//! tls.rs          TLS over a stream
//! survey.rs       what an operator's tool asks: statistics, the list of keys
//! world.rs        what the engine takes from outside: time, randomness, connections
//! ```
//!
//! * A node has one connection, kept from request to request. It is opened when something is to be
//!   sent, and closed after a timeout, a cut or an answer that cannot be: what comes later on it
//!   might belong to anybody.
//! * CAS values are good for the connection that told them ([`Node::link`]): a node that was
//!   restarted counts from 1 again.
//! * Several nodes are asked at once: [`Node::send`] to each, then [`Node::receive`] from each.
//! * Answers need not be waited for: those of [`Node::post`] are kept, or read when the node is
//!   used next, and fetched with [`Node::late`].
//! * Nothing here decides what a failure means for a session, or tries again.

mod buffered;
pub mod classic;
mod connection;
mod pipeline;
mod redis;
mod socket;
mod survey;
mod tls;
mod world;

pub use redis::{Grant, Joined};
pub use survey::{Statistics, Survey};
pub use world::{Connecting, Stream, System, World};

use crate::config::redis::Service;
use crate::config::save_path::NodeAddress;
use crate::config::time_with_unit;
use crate::limits::{ASLEEP_MIN, LATE_ANSWER_GRACE};
use crate::machine::Birth;
use crate::wire::memcached::meta::{Condition, Opaque, Request, Wants};
use crate::wire::memcached::{Cas, Key, ServerError, Ttl};
use connection::Connection;
use rustix::io::Errno;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};
use tokio::time::{Instant, timeout_at};

/// What a node answered.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done; the item's CAS, if it has one now.
    Done {
        /// The item's CAS.
        cas: Option<Cas>,
    },
    /// The item.
    Value {
        /// Its value.
        bytes: Vec<u8>,
        /// Its CAS.
        cas: Option<Cas>,
        /// The time it has left; [`Duration::MAX`] if it has no end. The classic protocol does not
        /// tell it, and a Redis if it was asked for.
        time_left: Option<Duration>,
    },
    /// There is no such item.
    Missing,
    /// The condition does not hold: the item is there, or has another CAS.
    Refused,
    /// Nothing was stored, for somebody else has the lock. Only a Redis looks.
    Fenced,
    /// The server could not do it; why, and its own words, fit to be shown.
    ServerError(ServerError, String),
}

/// Without the value, which is a session's data.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { cas } => write!(f, "Done({cas:?})"),
            Self::Value { bytes, cas, .. } => write!(f, "Value({} bytes, {cas:?})", bytes.len()),
            Self::Missing => f.write_str("Missing"),
            Self::Refused => f.write_str("Refused"),
            Self::Fenced => f.write_str("Fenced"),
            Self::ServerError(error, text) => write!(f, "ServerError({error:?}, {text})"),
        }
    }
}

/// How long a node is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until a connection stands and the server has said what it is.
    pub connect: Duration,
    /// From sending requests to the last of their answers.
    pub request: Duration,
    /// From when a node was taken down until no server is expected any more to take the place of
    /// the one that has failed.
    pub failover: Duration,
}

/// What went wrong with a node, as far as it matters what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No connection could be had, or the server is none that can be used. Nothing was sent.
    Connect,
    /// No connection could be made for want of descriptors, ports or memory on this machine, which
    /// says nothing about the node. Nothing was sent.
    Shortage,
    /// The server that has the sessions is not to be had, and another one may be about to take its
    /// place. Nothing was sent.
    Failover,
    /// A connection that was idle turned out to be closed before anything was sent.
    Closed,
    /// A connection that was idle turned out to be closed: no answer to anything that was sent.
    /// That a request was carried out all the same is possible, and rare.
    Stale,
    /// The connection was closed, or failed, in the middle.
    Cut,
    /// No answer in time.
    Timeout,
    /// An answer that cannot be.
    Nonsense,
}

/// A node did not answer. Its connection is closed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What happened.
    pub cause: Cause,
    text: String,
    is_timeout: bool,
    /// This process itself stood still when the time was up, so that it cannot say whether the node
    /// has answered in time.
    was_asleep: bool,
    /// It is one server of several that the node is made of.
    is_of_a_part: bool,
}

impl Failure {
    fn new(cause: Cause, text: String, is_timeout: bool) -> Self {
        Self { cause, text, is_timeout, was_asleep: false, is_of_a_part: false }
    }

    /// The node was to have answered by `deadline`. A connection that was lost while nobody
    /// listened says as little about the node as one that was silent.
    fn after(mut self, deadline: Instant) -> Self {
        self.was_asleep = Instant::now() > deadline + ASLEEP_MIN;
        self
    }

    /// The same of a process that did not stand still, however late it was.
    pub fn awake(self) -> Self {
        Self { was_asleep: false, ..self }
    }

    /// Whether it is the node that could not be reached or has not answered, as far as can be told
    /// from here. What was cut may be connected to again. Of a cluster, other servers may answer.
    pub fn is_of_the_node(&self) -> bool {
        let is_silent = matches!(self.cause, Cause::Connect | Cause::Failover | Cause::Timeout);
        is_silent && !self.was_asleep && !self.is_of_a_part
    }

    /// Whether the node was waited for in vain, to connect or to answer.
    pub fn is_timeout(&self) -> bool {
        self.is_timeout
    }

    /// Whether the node may have carried out what it was sent, or may still.
    pub fn may_have_been_sent(&self) -> bool {
        use Cause::{Closed, Connect, Failover, Shortage};
        !matches!(self.cause, Connect | Shortage | Failover | Closed)
    }

    /// Whether a connection was to blame that had been closed while it was idle: another one may
    /// do.
    pub fn is_stale(&self) -> bool {
        matches!(self.cause, Cause::Closed | Cause::Stale)
    }

    /// Whether it says nothing about the node as it is now, so that asking again is worth it.
    pub fn is_worth_a_retry(&self) -> bool {
        self.is_stale() || self.was_asleep
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Names a request whose answer is not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub u64);

/// The answer to a request that was not waited for.
#[derive(Debug)]
pub struct Late {
    /// What it was sent with.
    pub tag: Tag,
    /// None if the connection was lost before it came.
    pub answer: Option<Answer>,
}

/// One connection of a node, as long as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(u64);

/// The key of an item that is added when it is missing: its value is when the server was first seen
/// empty, in microseconds of Unix time, behind a random number. A repair that has given the server
/// all that it should have adds that to it, [`whole`].
pub fn birth_key() -> Key<'static> {
    Key::new(b"sc:birth").expect("printable")
}

/// What a birth mark ends with if the server has got back all that it may have lost.
const WHOLE: &str = "whole";

/// What the birth mark is asked for with.
const BIRTH_TAG: Tag = Tag(0);

/// One endpoint of a pool.
pub struct Node {
    address: NodeAddress,
    /// Whether it is asked for its birth mark.
    marks_birth: bool,
    /// What the birth mark says, if it was read since somebody wanted to know.
    birth: Option<Birth>,
    connection: Option<Connection>,
    /// When it was last asked for something, if only to be connected to.
    asked: Instant,
    /// When the answers to what was sent have to be here.
    deadline: Instant,
    /// Connections so far.
    links: u64,
    /// Exchanges that were waited for.
    round_trips: u64,
    late: Vec<Late>,
}

impl Node {
    /// A node that is not connected yet.
    pub fn new(address: NodeAddress) -> Self {
        Self {
            address,
            marks_birth: false,
            birth: None,
            connection: None,
            asked: Instant::now(),
            deadline: Instant::now(),
            links: 0,
            round_trips: 0,
            late: Vec::new(),
        }
    }

    /// The same, which is asked for its birth mark when it is connected to, and gets one if it has
    /// none.
    pub fn with_birth(address: NodeAddress) -> Self {
        Self { marks_birth: true, ..Self::new(address) }
    }

    /// What a new connection has brought to light about the server's birth, once.
    pub fn news_of_birth(&mut self) -> Option<Birth> {
        self.birth.take()
    }

    /// Its address.
    pub fn address(&self) -> &NodeAddress {
        &self.address
    }

    /// The connection that stands; CAS values of an earlier one mean nothing any more.
    pub fn link(&self) -> Option<Link> {
        self.connection.as_ref().map(|connection| Link(self.links + connection.losses()))
    }

    /// The largest item that the connected server takes, in bytes as
    /// [`Key::item_bytes`](crate::wire::memcached::Key::item_bytes) counts them.
    pub fn item_bytes_max(&self) -> Option<usize> {
        self.connection.as_ref().map(Connection::item_bytes_max)
    }

    /// What raises that limit, to be said behind it; nothing does for a Redis.
    pub fn item_bytes_setting(&self) -> &'static str {
        match self.address.service {
            Service::Memcached => " (memcached -I)",
            Service::Redis(_) => "",
        }
    }

    /// The server's version and protocol, if it is connected.
    pub fn server(&self) -> Option<String> {
        self.connection.as_ref().map(Connection::server)
    }

    /// Whether another server takes the place of one that fails.
    pub fn has_failover(&self) -> bool {
        self.address.sentinel_name().is_some()
    }

    /// Whether a record counts as stored there only when replicas have it too.
    pub fn awaits_replicas(&self) -> bool {
        self.address.as_redis().is_some_and(|redis| redis.access.wait_replicas > 0)
    }

    /// When it was asked for what it has done, or failed to do, last.
    pub fn asked(&self) -> Instant {
        self.asked
    }

    /// How often an answer was waited for.
    pub fn round_trips(&self) -> u64 {
        self.round_trips
    }

    /// Connects, if no connection stands that can be trusted.
    ///
    /// # Errors
    /// [`Cause::Connect`], [`Cause::Shortage`], [`Cause::Failover`].
    pub async fn connect(&mut self, world: &dyn World, timeouts: &Timeouts) -> Result<(), Failure> {
        if self.connection.as_ref().is_some_and(Connection::has_unasked_input) {
            self.close();
        }
        if self.connection.is_some() {
            return Ok(());
        }
        self.asked = Instant::now();
        let deadline = self.asked + timeouts.connect;
        let mut has_tried = false;
        let broken = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let connecting = Connection::open(world, &self.address, left);
            self.round_trips += 1;
            match timeout_at(deadline, connecting).await {
                Ok(Ok(connection)) => {
                    self.links += 1;
                    self.connection = Some(connection);
                    return Ok(());
                }
                // Any connection may be cut; a server that lives takes another one.
                Ok(Err(Broken { cause: Cause::Cut, .. })) if !has_tried => has_tried = true,
                Ok(Err(broken)) => break broken,
                Err(_) => break Broken::late(),
            }
        };
        let reason = broken.within(timeouts.connect, "sessclust.connect_timeout");
        let text = format!("cannot connect to {}: {reason}", self.address);
        let cause = match broken.cause {
            cause @ (Cause::Shortage | Cause::Failover) => cause,
            _ => Cause::Connect,
        };
        let has_waited = matches!(broken.cause, Cause::Timeout | Cause::Failover);
        let failure = Failure::new(cause, text, has_waited);
        Err(failure.after(deadline))
    }

    /// How long a node takes to say what it is, on a connection of its own: for looking at one that
    /// did not answer, without touching what others use.
    ///
    /// # Errors
    /// As [`Node::connect`].
    pub async fn probe(
        world: &dyn World,
        address: &NodeAddress,
        timeouts: &Timeouts,
    ) -> Result<Duration, Failure> {
        let started = Instant::now();
        Self::new(address.clone()).connect(world, timeouts).await?;
        Ok(started.elapsed())
    }

    /// Sends requests in one write and waits for their answers, which come in the same order, one
    /// for each request that is not quiet. Connects first, if need be.
    ///
    /// # Errors
    /// [`Failure`]; the connection is closed then.
    pub async fn exchange(
        &mut self,
        world: &dyn World,
        timeouts: &Timeouts,
        requests: &[Request<'_>],
    ) -> Result<Vec<Answer>, Failure> {
        self.send(world, timeouts, requests).await?;
        self.receive(world, timeouts).await
    }

    /// The first half of [`Node::exchange`]: others can be sent to before this one is waited for.
    ///
    /// # Errors
    /// [`Failure`]; the connection is closed then.
    pub async fn send(
        &mut self,
        world: &dyn World,
        timeouts: &Timeouts,
        requests: &[Request<'_>],
    ) -> Result<(), Failure> {
        self.ready(world, timeouts).await?;
        self.allow(timeouts.request);
        let connection = self.connection.as_mut().expect("it was made ready");
        let result = timeout_at(self.deadline, connection.send(world, requests)).await;
        self.judge(result, timeouts)
    }

    /// The second half of [`Node::exchange`]: the answers to what was sent. What has arrived is
    /// read even if the time is up, for another node may have been waited for.
    ///
    /// # Errors
    /// [`Failure`]; the connection is closed then.
    pub async fn receive(
        &mut self,
        world: &dyn World,
        timeouts: &Timeouts,
    ) -> Result<Vec<Answer>, Failure> {
        let connection = self.connection.as_mut().expect("what was sent keeps it open");
        self.round_trips += 1;
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now).max(LATE_ANSWER_GRACE);
        connection.set_patience(left);
        let deadline = now + left;
        let result = timeout_at(deadline, connection.receive(world, &mut self.late)).await;
        let answers = self.judge(result, timeouts);
        self.take_birth();
        answers
    }

    /// Sends requests without waiting for their answers; those that are not quiet come back with
    /// `tag` from [`Node::late`].
    ///
    /// # Errors
    /// [`Failure`]; the connection is closed then.
    pub async fn post(
        &mut self,
        world: &dyn World,
        timeouts: &Timeouts,
        requests: &[Request<'_>],
        tag: Tag,
    ) -> Result<(), Failure> {
        self.ready(world, timeouts).await?;
        self.allow(timeouts.request);
        let connection = self.connection.as_mut().expect("it was made ready");
        let result =
            timeout_at(self.deadline, connection.post(world, requests, tag, &mut self.late)).await;
        self.judge(result, timeouts)
    }

    /// Waits for the answers that were not waited for. Without any, does nothing.
    ///
    /// # Errors
    /// [`Failure`]; the connection is closed then.
    pub async fn settle(&mut self, world: &dyn World, timeouts: &Timeouts) -> Result<(), Failure> {
        if !self.connection.as_ref().is_some_and(Connection::owes_answers) {
            return Ok(());
        }
        let asked = self.asked;
        self.allow(timeouts.request);
        // What is waited for was asked before.
        self.asked = asked;
        let connection = self.connection.as_mut().expect("it owes answers");
        self.round_trips += u64::from(!connection.has_input());
        let result = timeout_at(self.deadline, connection.settle(world, &mut self.late)).await;
        self.judge(result, timeouts)
    }

    /// Whether requests can wait there for a lock, and are told when they have it.
    pub fn has_queue(&self) -> bool {
        matches!(self.address.service, Service::Redis(_))
    }

    /// Joins those who wait for a lock: then the connection is for [`Node::await_grant`] only, and
    /// that for `patience` at most. Whoever gets it `is_to_write`, if that makes a difference.
    ///
    /// # Errors
    /// [`Failure`]; the connection is closed then.
    pub async fn join_queue(
        &mut self,
        world: &dyn World,
        timeouts: &Timeouts,
        lock: &Turn<'_>,
        patience: Duration,
        is_to_write: bool,
    ) -> Result<Joined, Failure> {
        self.ready(world, timeouts).await?;
        // What has to be sent again must not get behind what blocks.
        self.settle(world, timeouts).await?;
        self.allow(timeouts.request);
        let connection = self.connection.as_mut().expect("it was made ready");
        self.round_trips += 1;
        let joining = connection.join(world, lock, patience, is_to_write, &mut self.late);
        let result = timeout_at(self.deadline, joining).await;
        let joined = self.judge(result, timeouts);
        let blocks = |connection: &Connection| connection.owes_answers();
        if matches!(joined, Ok(Joined::Refused(_))) && self.connection.as_ref().is_some_and(blocks)
        {
            self.close();
        }
        joined
    }

    /// Waits for a grant for so long; none if it has not come yet. `Some(None)` when the server has
    /// ended the waiting, because its time is up.
    ///
    /// # Errors
    /// [`Failure`]; the connection is closed then.
    pub async fn await_grant(
        &mut self,
        piece: Duration,
        timeouts: &Timeouts,
    ) -> Result<Option<Option<Grant>>, Failure> {
        let connection = self.connection.as_mut().expect("who waits keeps it open");
        if connection.has_unasked_input() {
            let text = format!("node {}: another server may have taken its place", self.address);
            self.close();
            return Err(Failure::new(Cause::Closed, text, false));
        }
        self.allow(piece);
        let connection = self.connection.as_mut().expect("who waits keeps it open");
        match timeout_at(self.deadline, connection.granted()).await {
            Err(_) | Ok(Err(Broken { cause: Cause::Timeout, .. })) => Ok(None),
            result => self.judge(result, timeouts).map(Some),
        }
    }

    /// Has a lock that has ended handed on to the first who waits for it. Says whether a grant lies
    /// there that nobody has taken, though whoever waits would at once, and what the lock says now.
    /// To be asked over another connection than the one that waits.
    ///
    /// # Errors
    /// [`Failure`]; the connection is closed then.
    pub async fn poke_queue(
        &mut self,
        world: &dyn World,
        timeouts: &Timeouts,
        lock: &Turn<'_>,
        patience: Duration,
    ) -> Result<(bool, Answer), Failure> {
        self.ready(world, timeouts).await?;
        self.allow(timeouts.request);
        let connection = self.connection.as_mut().expect("it was made ready");
        let poking = connection.poke(world, lock, patience, &mut self.late);
        let result = timeout_at(self.deadline, poking).await;
        self.judge(result, timeouts)
    }

    /// Waits no more for a lock; nothing must be outstanding.
    ///
    /// # Errors
    /// [`Failure`]; the connection is closed then.
    pub async fn leave_queue(
        &mut self,
        world: &dyn World,
        timeouts: &Timeouts,
        lock: &Turn<'_>,
    ) -> Result<(), Failure> {
        self.allow(timeouts.request);
        let Some(connection) = self.connection.as_mut() else { return Ok(()) };
        let result = timeout_at(self.deadline, connection.leave(world, lock)).await;
        self.judge(result, timeouts)
    }

    /// Takes the answers that came late.
    pub fn late(&mut self) -> Vec<Late> {
        self.take_birth();
        std::mem::take(&mut self.late)
    }

    /// Something is asked for now, and to be answered within `patience`.
    fn allow(&mut self, patience: Duration) {
        self.asked = Instant::now();
        self.deadline = self.asked + patience;
        if let Some(connection) = &mut self.connection {
            connection.set_patience(patience);
        }
    }

    /// Connects, if no connection stands that can be trusted.
    async fn ready(&mut self, world: &dyn World, timeouts: &Timeouts) -> Result<(), Failure> {
        let links = self.links;
        self.connect(world, timeouts).await?;
        if self.links > links && self.marks_birth {
            self.ask_birth(world, timeouts).await?;
        }
        Ok(())
    }

    /// Asks when the server was born; the answer comes before that to anything else.
    async fn ask_birth(&mut self, world: &dyn World, timeouts: &Timeouts) -> Result<(), Failure> {
        let key = birth_key();
        let now_us = world.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let value = format!("{:016x} {now_us}", world.random() as u64);
        let opaque = Opaque(0);
        let asked = [
            Request::Set {
                key,
                value: value.as_bytes(),
                ttl: Ttl::UNLIMITED,
                condition: Condition::Absent,
                opaque,
            },
            Request::Get { key, wants: Wants::Value, opaque },
        ];
        self.allow(timeouts.request);
        let connection = self.connection.as_mut().expect("it was just made");
        let posted = connection.post(world, &asked, BIRTH_TAG, &mut self.late);
        let result = timeout_at(self.deadline, posted).await;
        self.judge(result, timeouts)
    }

    fn take_birth(&mut self) {
        for late in self.late.extract_if(.., |late| late.tag == BIRTH_TAG) {
            match late.answer {
                Some(Answer::Value { bytes, .. }) => self.birth = Some(birth_of(&bytes)),
                Some(Answer::Missing | Answer::ServerError(..)) => self.birth = Some(Birth::JUST),
                // Added, or there already; or lost with the connection.
                _ => {}
            }
        }
    }

    /// Closes the connection unless all went well.
    fn judge<T>(
        &mut self,
        result: Result<Result<T, Broken>, tokio::time::error::Elapsed>,
        timeouts: &Timeouts,
    ) -> Result<T, Failure> {
        let broken = match result {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(broken)) => broken,
            Err(_) => Broken::late(),
        };
        let reason = broken.within(timeouts.request, "sessclust.request_timeout");
        let text = format!("node {}: {reason}", self.address);
        self.close();
        let mut failure = Failure::new(broken.cause, text, broken.cause == Cause::Timeout);
        failure.is_of_a_part = self.connection.is_some();
        Err(failure.after(self.deadline))
    }

    /// Closes the connection; of those to a cluster, the one that is in use. What it still owed is
    /// never known.
    pub fn close(&mut self) {
        let late = &mut self.late;
        if self.connection.as_mut().is_some_and(|connection| connection.survives(late)) {
            return;
        }
        if let Some(connection) = self.connection.take() {
            self.links += connection.losses();
            let lost = connection.into_owed().into_iter();
            self.late.extend(lost.map(|tag| Late { tag, answer: None }));
        }
    }
}

/// What a birth mark says; a server whose mark cannot be read may have lost anything.
pub fn birth_of(value: &[u8]) -> Birth {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let mut words = text.split(' ').skip(1);
    match words.next().and_then(|word| word.parse().ok()) {
        Some(at_us) => Birth { at_us, is_whole: words.next() == Some(WHOLE), is_again: false },
        None => Birth::JUST,
    }
}

/// The birth mark of a server that has got back all that it may have lost.
pub fn whole(value: &[u8]) -> Vec<u8> {
    match birth_of(value).is_whole {
        true => value.to_vec(),
        false => [value, b" ", WHOLE.as_bytes()].concat(),
    }
}

/// A lock that is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Its key.
    pub key: Key<'a>,
    /// What it is to hold.
    pub value: &'a [u8],
    /// Its life.
    pub ttl: Ttl,
    /// Its CAS then.
    pub cas: Cas,
}

/// Why a connection cannot be used any more.
struct Broken {
    cause: Cause,
    reason: String,
}

impl Broken {
    fn of_io(error: &std::io::Error) -> Self {
        let cause = match error.kind() {
            std::io::ErrorKind::TimedOut => Cause::Timeout,
            _ => Cause::Cut,
        };
        Self::new(cause, error)
    }

    /// No connection could be made.
    fn of_connecting(error: &std::io::Error) -> Self {
        let cause = match error.raw_os_error().map(Errno::from_raw_os_error) {
            // What runs out here, source: socket(2), connect(2).
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
            | Some(Errno::ADDRNOTAVAIL) => Cause::Shortage,
            _ if error.kind() == std::io::ErrorKind::TimedOut => Cause::Timeout,
            _ => Cause::Connect,
        };
        Self::new(cause, error)
    }

    /// The reason of a time-out is what has not come [within](Broken::within) the time.
    fn new(cause: Cause, error: &std::io::Error) -> Self {
        let reason = match (cause, error.get_ref()) {
            (Cause::Timeout, None) => "no answer".into(),
            _ => error.to_string(),
        };
        Self { cause, reason }
    }

    /// No answer in time.
    fn late() -> Self {
        Self { cause: Cause::Timeout, reason: "no answer".into() }
    }

    /// What is said of it, `patience` being what `setting` allowed.
    fn within(&self, patience: Duration, setting: &str) -> String {
        match self.cause {
            Cause::Timeout => {
                format!("{} within {} ({setting})", self.reason, time_with_unit(patience))
            }
            _ => self.reason.clone(),
        }
    }

    fn nonsense(reason: impl fmt::Display) -> Self {
        Self { cause: Cause::Nonsense, reason: format!("nonsense instead of an answer: {reason}") }
    }
}
