//! memcached's classic text protocol, for servers that do not know the meta protocol: memcached
//! before 1.6.13, the memcached API of MySQL NDB Cluster, some proxies. The same requests, the same
//! answers.
//!
//! Chosen on a fresh connection, where [`is_spoken`](crate::wire::memcached::meta::is_spoken) says
//! no to the server's answers to `version` and `mn`. Such a server has answered `mn` with an error,
//! after which the connection is as good as before.
//!
//! The crate memcache-async writes the commands and reads their replies. Only three of its commands
//! are acknowledged and conditional, so all requests are made of these:
//!
//! ```text
//! Get              gets
//! Touch            gets, cas of the same value with the new time to live, gets
//! Set, absent      add, gets; where add is refused: gets, and if there is nothing add, gets
//! Set, unchanged   cas, gets
//! Delete           cas of an empty value that has ended in 1970
//! ```
//!
//! The `gets` at the end learns the new CAS, if the value is still ours: the values that sessions
//! write hold a random token, so equal bytes are the same write. One command is on its way at a
//! time, as one write; its reply is read and checked as a whole before memcache-async sees it.
//!
//! The second try of an `add` is for MySQL NDB Cluster, where an item that has ended is in the way
//! of a new one until somebody asks for it. MySQL's InnoDB plugin never removes such an item, so
//! there a key cannot be used again: it is no server for sessions. (Sources: `delete_expired_item`
//! in MySQL's `storage/ndb/memcache/src/ndb_worker.cc`, `innodb_api_store` in `innodb_api.cc`.)
//!
//! Two things are weaker than in the meta protocol. A touch changes the CAS. And a reply does not
//! say which request it answers, only, for a value, of which item it is: so a connection on which
//! anything unexpected has happened, a timeout too, must be closed.
//!
//! Source: memcached's `doc/protocol.txt`, "Storage commands", "Retrieval command" and "Error
//! strings".

use super::Answer;
use crate::error::shown;
use crate::limits::{MEMCACHED_KEY_BYTES_MAX, MEMCACHED_SPAN_S_MAX};
use crate::wire::memcached::meta::{Condition, Limits, Request};
use crate::wire::memcached::{Cas, Key, ServerError};
use memcache_async::ascii::Protocol;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{
    AsyncRead, AsyncWrite, BufWriter, Join, ReadBuf, ReadHalf, WriteHalf, join, split,
};

/// How often a touch is tried when others change the item between its `gets` and its `cas`. They
/// hold the session's lock for that, so even one is rare.
const TOUCH_TRIES: usize = 3;

/// An end in the past: beyond 30 days a number is a Unix time, and this one is in January 1970.
const LONG_AGO_S: u32 = MEMCACHED_SPAN_S_MAX as u32 + 1;

/// Most bytes of a command without its value: beside the key `cas`, numbers of 1, 10, 20 and 20
/// digits, spaces and the ends of two lines. With less a command would be two writes.
const COMMAND_BYTES_MAX: usize = MEMCACHED_KEY_BYTES_MAX + 80;

/// A connection to a server that speaks the classic protocol.
pub struct Classic<S> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Classic<S> {
    /// The stream.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Speaks the classic protocol on `stream`, on which no reply is outstanding.
    pub fn new(stream: S) -> Self {
        Self { stream }
    }

    /// Executes one request: up to four commands, or seven for a touch, one after the other. A
    /// quiet delete is answered like any other. When to give up is the caller's affair.
    ///
    /// A set whose value was replaced before its CAS was learnt is done, without a CAS; but a set
    /// of an absent item is refused then, since it is how a lock is taken.
    ///
    /// # Errors
    /// The connection failed, the server talks nonsense or gives no CAS, or `request` is not about
    /// an item. Whether the request was executed is unknown. The connection must be closed.
    pub async fn execute(&mut self, request: &Request<'_>, limits: &Limits) -> io::Result<Answer> {
        let mut commands = Commands { stream: &mut self.stream, limits };
        match commands.execute(request).await {
            Ok(answer) | Err(Failure::Answer(answer)) => Ok(answer),
            Err(Failure::Connection(error)) => Err(error),
        }
    }
}

/// Why a command was not done.
enum Failure {
    /// The server says so.
    Answer(Answer),
    /// The connection is of no use any more.
    Connection(io::Error),
}

/// What memcache-async's errors mean.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let text = error.to_string();
        let line = text.trim_end();
        match (error.kind(), line.strip_prefix("SERVER_ERROR ")) {
            // It looks for "NOT FOUND" after a `cas`, which no server says.
            (ErrorKind::Other, _) if line == "NOT_FOUND" => Self::Answer(Answer::Missing),
            (ErrorKind::Other, Some(reason)) => {
                let kind = ServerError::of(reason.as_bytes());
                Self::Answer(Answer::ServerError(kind, shown(reason.as_bytes())))
            }
            (ErrorKind::Other, None) => {
                let text = format!("the server says {}", shown(line.as_bytes()));
                Self::Connection(io::Error::other(text))
            }
            _ => Self::Connection(error),
        }
    }
}

/// The commands of one request.
struct Commands<'a, S> {
    stream: &'a mut S,
    limits: &'a Limits,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Commands<'_, S> {
    async fn execute(&mut self, request: &Request<'_>) -> Result<Answer, Failure> {
        match *request {
            Request::Get { key, .. } => Ok(match self.gets(key).await? {
                Some((bytes, cas)) => Answer::Value { bytes, cas: Some(cas), time_left: None },
                None => Answer::Missing,
            }),
            Request::Touch { key, ttl, .. } => {
                for _ in 0..TOUCH_TRIES {
                    let Some((bytes, cas)) = self.gets(key).await? else {
                        return Ok(Answer::Missing);
                    };
                    if self.cas(key, &bytes, cas, ttl.into()).await? {
                        return Ok(Answer::Done { cas: self.cas_of(key, &bytes).await? });
                    }
                }
                Ok(Answer::Refused)
            }
            Request::Set { key, value, ttl, condition: Condition::Absent, .. } => {
                // What is in the way without being there has ended, and is gone once asked for.
                let is_added = self.add(key, value, ttl.into()).await?
                    || self.gets(key).await?.is_none() && self.add(key, value, ttl.into()).await?;
                if !is_added {
                    return Ok(Answer::Refused);
                }
                match self.cas_of(key, value).await? {
                    Some(cas) => Ok(Answer::Done { cas: Some(cas) }),
                    None => Ok(Answer::Refused),
                }
            }
            Request::Set { key, value, ttl, condition: Condition::Unchanged(cas), .. } => {
                if !self.cas(key, value, cas, ttl.into()).await? {
                    return Ok(Answer::Refused);
                }
                Ok(Answer::Done { cas: self.cas_of(key, value).await? })
            }
            Request::Delete { key, cas, .. } => {
                let is_done = self.cas(key, b"", cas, LONG_AGO_S).await?;
                Ok(if is_done { Answer::Done { cas: None } } else { Answer::Refused })
            }
            Request::Noop | Request::Version | Request::Settings | Request::Statistics => {
                let error = io::Error::new(ErrorKind::InvalidInput, "a request about no item");
                Err(Failure::Connection(error))
            }
        }
    }

    /// The value of an item and its CAS, if there is one.
    async fn gets(&mut self, key: Key<'_>) -> Result<Option<(Vec<u8>, Cas)>, Failure> {
        let mut protocol = self.protocol(Command::Gets, key, b"");
        match protocol.gets_cas(key.to_string()).await {
            Ok((bytes, cas)) => match Cas::new(cas) {
                Some(cas) => Ok(Some((bytes, cas))),
                None => Err(Failure::Connection(no_cas())),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores `value` where no item is; false where one is. `end` is what a
    /// [`Ttl`](crate::wire::memcached::Ttl) says.
    async fn add(&mut self, key: Key<'_>, value: &[u8], end: u32) -> Result<bool, Failure> {
        match self.protocol(Command::Add, key, value).add(key, value, end).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores `value` over an item that has still this CAS; false where it has another.
    async fn cas(
        &mut self,
        key: Key<'_>,
        value: &[u8],
        cas: Cas,
        end: u32,
    ) -> Result<bool, Failure> {
        let mut protocol = self.protocol(Command::Cas, key, value);
        Ok(protocol.cas(key, value, cas.into(), end).await?)
    }

    /// The CAS of an item that was just stored, if it still has this value.
    async fn cas_of(&mut self, key: Key<'_>, value: &[u8]) -> Result<Option<Cas>, Failure> {
        match self.gets(key).await {
            Ok(item) => Ok(item.and_then(|(bytes, cas)| (bytes == value).then_some(cas))),
            // It is stored, so this is not the request's answer.
            Err(Failure::Answer(answer)) => {
                let text = format!("stored, but then the server answers {answer:?}");
                Err(Failure::Connection(io::Error::other(text)))
            }
            Err(failure) => Err(failure),
        }
    }

    /// memcache-async, for one command. It writes a command in pieces, which are collected until it
    /// flushes.
    fn protocol<'b>(
        &'b mut self,
        command: Command,
        key: Key<'b>,
        value: &[u8],
    ) -> Protocol<Exchange<'b, S>> {
        let (read, write) = split(&mut *self.stream);
        let limits = self.limits;
        let reply = Reply { stream: read, command, key, limits, bytes: Vec::new(), taken: 0 };
        let command_bytes_max = COMMAND_BYTES_MAX + value.len();
        Protocol::new(join(reply, BufWriter::with_capacity(command_bytes_max, write)))
    }
}

/// The two ways of the stream, for one command.
type Exchange<'a, S> = Join<Reply<'a, ReadHalf<&'a mut S>>, BufWriter<WriteHalf<&'a mut S>>>;

/// A command of which the reply is awaited.
#[derive(Clone, Copy)]
enum Command {
    Gets,
    Add,
    Cas,
}

/// The reply to one command. It is read and checked as a whole before the first byte is handed out.
///
/// Left to itself, memcache-async would allocate whatever length a server names, and end the
/// process where that is too much. It would read lines without end, take any reply to `add` that is
/// no error for a success, and the value of any item for that of the one it has asked for.
struct Reply<'a, R> {
    stream: R,
    command: Command,
    /// The item that the command is about.
    key: Key<'a>,
    limits: &'a Limits,
    /// What has been read.
    bytes: Vec<u8>,
    /// How much of it has been handed out.
    taken: usize,
}

impl<R: AsyncRead + Unpin> AsyncRead for Reply<'_, R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !is_whole(&this.bytes, this.command, this.key, this.limits)? {
            // Room for as much again: memory follows what has come, not what was announced.
            let start = this.bytes.len();
            this.bytes.resize(start + start.clamp(READ_BYTES_MIN, READ_BYTES_MAX), 0);
            let mut room = ReadBuf::new(&mut this.bytes[start..]);
            let polled = Pin::new(&mut this.stream).poll_read(context, &mut room);
            let count = room.filled().len();
            this.bytes.truncate(start + count);
            ready!(polled)?;
            if count == 0 {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
        }
        let rest = &this.bytes[this.taken..];
        let count = rest.len().min(out.remaining());
        out.put_slice(&rest[..count]);
        this.taken += count;
        Poll::Ready(Ok(()))
    }
}

/// Smallest and largest piece that is read at once, in bytes.
const READ_BYTES_MIN: usize = 4096;
const READ_BYTES_MAX: usize = 64 * 1024;

/// Whether `reply` is a whole reply to `command`, or the beginning of one.
fn is_whole(reply: &[u8], command: Command, key: Key<'_>, limits: &Limits) -> io::Result<bool> {
    let seen = &reply[..reply.len().min(limits.line_bytes_max.saturating_add(b"\r\n".len()))];
    let Some(line_end) = seen.iter().position(|byte| *byte == b'\n') else {
        return if seen.len() < reply.len() { Err(nonsense("too long a line")) } else { Ok(false) };
    };
    let (line, rest) = reply.split_at(line_end + 1);
    let line = line.strip_suffix(b"\r\n").ok_or_else(|| nonsense("a line without CR"))?;
    let is_known = match (command, line) {
        (Command::Gets, [b'V', b'A', b'L', b'U', b'E', b' ', words @ ..]) => {
            return is_whole_value(words, rest, key, limits);
        }
        (Command::Gets, b"END")
        | (Command::Add, b"STORED" | b"NOT_STORED")
        | (Command::Cas, b"STORED" | b"NOT_STORED" | b"EXISTS" | b"NOT_FOUND") => true,
        _ => {
            let code = line.split(|byte| *byte == b' ').next();
            matches!(code, Some(b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR"))
        }
    };
    match rest {
        [] if is_known => Ok(true),
        [] => Err(nonsense("an unknown reply")),
        _ => Err(nonsense("more than a reply")),
    }
}

/// Whether `rest` is all that comes after a line `VALUE <key> <flags> <bytes> <cas>`, of which
/// `words` are those after the first.
fn is_whole_value(words: &[u8], rest: &[u8], key: Key<'_>, limits: &Limits) -> io::Result<bool> {
    const END: &[u8] = b"\r\nEND\r\n";
    let words: Vec<&[u8]> = words.split(|byte| *byte == b' ').collect();
    let is_ours = words[0] == key.to_string().as_bytes();
    let value_bytes = match words[..] {
        [_, _flags, value_bytes, _cas] if is_ours => value_bytes,
        [_, _flags, _value_bytes] if is_ours => return Err(no_cas()),
        _ => return Err(nonsense("another value than the one that was asked for")),
    };
    let value_bytes = std::str::from_utf8(value_bytes).ok().and_then(|digits| digits.parse().ok());
    let value_bytes: usize = value_bytes.ok_or_else(|| nonsense("a value without a length"))?;
    if value_bytes > limits.value_bytes_max {
        return Err(nonsense("too large a value"));
    }
    let Some(end) = rest.get(value_bytes..) else { return Ok(false) };
    if end == END {
        Ok(true)
    } else if END.starts_with(end) {
        Ok(false)
    } else {
        Err(nonsense("a value that does not end where it should"))
    }
}

/// An error of a server that does not keep to the protocol.
fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

fn no_cas() -> io::Error {
    io::Error::new(ErrorKind::Unsupported, "the server has no CAS (is it started with -C?)")
}
