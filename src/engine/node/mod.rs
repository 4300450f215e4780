//! One endpoint of a pool: its connection, what it is asked, and what it answers.
//!
//! ```text
//! mod.rs          Node: connects when needed, gives up a connection at the first doubt
//! connection.rs   a connection: greeting, and the protocol that the server speaks
//! pipeline.rs     the meta protocol over a stream: many requests in one write, answers in order
//! classic.rs      the classic text protocol through memcache-async, for servers without meta
//! socket.rs       a socket that is waited for in the kernel
//! world.rs        what the engine takes from outside: time, randomness, connections
//! ```
//!
//! * A node has one connection, kept from request to request. It is opened when something is to be
//!   sent, and closed after a timeout, a cut or an answer that cannot be: what comes later on it
//!   might belong to anybody.
//! * CAS values are good for the connection that told them ([`Node::link`]): a node that was
//!   restarted counts from 1 again.
//! * Answers need not be waited for: those of [`Node::post`] are kept, or read when the node is
//!   used next, and fetched with [`Node::late`].
//! * Nothing here decides what a failure means for a session, or tries again.

pub mod classic;
mod connection;
mod pipeline;
mod socket;
mod world;

pub use world::{Connecting, Stream, System, World};

use crate::config::save_path::NodeAddress;
use crate::wire::memcached::meta::Request;
use crate::wire::memcached::{Cas, ServerError};
use connection::Connection;
use std::fmt;
use std::time::Duration;
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
    },
    /// There is no such item.
    Missing,
    /// The condition does not hold: the item is there, or has another CAS.
    Refused,
    /// The server could not do it; why, and its own words, fit to be shown.
    ServerError(ServerError, String),
}

/// Without the value, which is a session's data.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { cas } => write!(f, "Done({cas:?})"),
            Self::Value { bytes, cas } => write!(f, "Value({} bytes, {cas:?})", bytes.len()),
            Self::Missing => f.write_str("Missing"),
            Self::Refused => f.write_str("Refused"),
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
}

/// What went wrong with a node, as far as it matters what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No connection could be had, or the server is none that can be used. Nothing was sent.
    Connect,
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
}

impl Failure {
    fn new(cause: Cause, text: String) -> Self {
        Self { cause, text }
    }

    /// Whether the node may have carried out what it was sent, or may still.
    pub fn may_have_been_sent(&self) -> bool {
        !matches!(self.cause, Cause::Connect | Cause::Closed)
    }

    /// Whether a connection was to blame that had been closed while it was idle: another one may
    /// do.
    pub fn is_stale(&self) -> bool {
        matches!(self.cause, Cause::Closed | Cause::Stale)
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

/// One endpoint of a pool.
pub struct Node {
    address: NodeAddress,
    connection: Option<Connection>,
    /// Connections so far.
    links: u64,
    /// Exchanges that were waited for.
    round_trips: u64,
    late: Vec<Late>,
}

impl Node {
    /// A node that is not connected yet.
    pub fn new(address: NodeAddress) -> Self {
        Self { address, connection: None, links: 0, round_trips: 0, late: Vec::new() }
    }

    /// Its address.
    pub fn address(&self) -> &NodeAddress {
        &self.address
    }

    /// The connection that stands; CAS values of an earlier one mean nothing any more.
    pub fn link(&self) -> Option<Link> {
        self.connection.as_ref().map(|_| Link(self.links))
    }

    /// The largest item that the connected server takes, in bytes as
    /// [`Key::item_bytes`](crate::wire::memcached::Key::item_bytes) counts them.
    pub fn item_bytes_max(&self) -> Option<usize> {
        self.connection.as_ref().map(Connection::item_bytes_max)
    }

    /// The server's version and protocol, if it is connected.
    pub fn server(&self) -> Option<String> {
        self.connection.as_ref().map(Connection::server)
    }

    /// How often an answer was waited for.
    pub fn round_trips(&self) -> u64 {
        self.round_trips
    }

    /// Connects, if no connection stands.
    ///
    /// # Errors
    /// [`Cause::Connect`].
    pub async fn connect(&mut self, world: &dyn World, timeouts: &Timeouts) -> Result<(), Failure> {
        if self.connection.is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + timeouts.connect;
        let connecting = Connection::open(world, &self.address, timeouts.connect);
        self.round_trips += 1;
        let reason = match timeout_at(deadline, connecting).await {
            Ok(Ok(connection)) => {
                self.links += 1;
                self.connection = Some(connection);
                return Ok(());
            }
            Ok(Err(Broken { cause, reason })) if cause != Cause::Timeout => reason,
            Ok(Err(_)) | Err(_) => {
                let spent = crate::config::time_with_unit(timeouts.connect);
                format!("no answer within {spent} (sessclust.connect_timeout)")
            }
        };
        let text = format!("cannot connect to {}: {reason}", self.address);
        Err(Failure::new(Cause::Connect, text))
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
        self.ready(world, timeouts).await?;
        let connection = self.connection.as_mut().expect("it was made ready");
        self.round_trips += 1;
        connection.set_patience(timeouts.request);
        let deadline = Instant::now() + timeouts.request;
        let result = timeout_at(deadline, connection.exchange(requests, &mut self.late)).await;
        self.judge(result, timeouts)
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
        let connection = self.connection.as_mut().expect("it was made ready");
        connection.set_patience(timeouts.request);
        let deadline = Instant::now() + timeouts.request;
        let result = timeout_at(deadline, connection.post(requests, tag, &mut self.late)).await;
        self.judge(result, timeouts)
    }

    /// Waits for the answers that were not waited for. Without any, does nothing.
    ///
    /// # Errors
    /// [`Failure`]; the connection is closed then.
    pub async fn settle(&mut self, timeouts: &Timeouts) -> Result<(), Failure> {
        let Some(connection) = self.connection.as_mut().filter(|link| link.owes_answers()) else {
            return Ok(());
        };
        self.round_trips += u64::from(!connection.has_input());
        connection.set_patience(timeouts.request);
        let deadline = Instant::now() + timeouts.request;
        let result = timeout_at(deadline, connection.settle(&mut self.late)).await;
        self.judge(result, timeouts)
    }

    /// Takes the answers that came late.
    pub fn late(&mut self) -> Vec<Late> {
        std::mem::take(&mut self.late)
    }

    /// Connects, if no connection stands that can be trusted.
    async fn ready(&mut self, world: &dyn World, timeouts: &Timeouts) -> Result<(), Failure> {
        if self.connection.as_ref().is_some_and(Connection::has_unasked_input) {
            self.close();
        }
        self.connect(world, timeouts).await
    }

    /// Closes the connection unless all went well.
    fn judge<T>(
        &mut self,
        result: Result<Result<T, Broken>, tokio::time::error::Elapsed>,
        timeouts: &Timeouts,
    ) -> Result<T, Failure> {
        let address = &self.address;
        let (cause, text) = match result {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(Broken { cause, reason })) if cause != Cause::Timeout => {
                (cause, format!("node {address}: {reason}"))
            }
            Ok(Err(_)) | Err(_) => {
                let spent = crate::config::time_with_unit(timeouts.request);
                let text =
                    format!("node {address}: no answer within {spent} (sessclust.request_timeout)");
                (Cause::Timeout, text)
            }
        };
        self.close();
        Err(Failure::new(cause, text))
    }

    /// Closes the connection. What it still owed is never known.
    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            let lost = connection.into_owed().into_iter();
            self.late.extend(lost.map(|tag| Late { tag, answer: None }));
        }
    }
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
        Self { cause, reason: error.to_string() }
    }

    fn nonsense(reason: impl fmt::Display) -> Self {
        Self { cause: Cause::Nonsense, reason: format!("nonsense instead of an answer: {reason}") }
    }
}
