//! A connection to a Redis or Valkey: the engine's requests as commands and scripts.
//!
//! ```text
//! key                 value
//! sc:r:{<digest>}     a session's record    8 bytes of CAS, and the record
//! sc:l:{<digest>}     its lock              8 bytes of CAS, and who holds it
//! sc:q:{<digest>}     those who wait        what the lock is to say when it is theirs
//! sc:w:{<digest>}     a list with what the lock says, until the one has seen it who is given it
//! sc:birth            when the server was first seen empty, likewise with a CAS
//! ```
//!
//! The digest is a hash tag, so that all four are in one slot of a Redis Cluster. Redis has no CAS:
//! whoever stores a value draws one and puts it in front. A condition on it is a script's, for
//! nothing interrupts one. A server that has lost its scripts says so and has done nothing; what
//! was asked is sent again with the text of the script. What was watched since it was read is
//! written without one, see [`watched`].
//!
//! **Waiting for a lock.** Who does not get it puts what his lock would say at the end of a queue,
//! and blocks in a `BLPOP`, which Redis serves in the order of their coming, and forgets with the
//! connection. Who gives a lock back moves the first of the queue into the place of the lock, if
//! there is one, so that nobody gets in between, and a copy of it into the list: it wakes the first
//! who blocks. All of this needs no look at what is there, so a transaction can do it as well as a
//! script. A lock that was handed on is a list with one value, for `RPOPLPUSH` and `LMOVE` know no
//! other way. What a woken one reads to find out what he was given is behind his `BLPOP` already.
//! What death leaves behind ends so:
//!
//! * Somebody in the queue has died. Who is woken then finds the lock of another in the list: he
//!   leaves the queue, and has the lock if he is in time to make it his own. If nobody blocks, it
//!   lies there for who comes next.
//! * What he was given was lost on its way: it ends as a lock does. If it lies in the list, since
//!   the server has lost his connection and he has not heard of it, he sees that when he pokes the
//!   next time, and joins again.
//! * A lock has ended with its holder: those who wait [poke](Redis::poke) now and then, over a
//!   connection of their own, and it is handed on. A queue that was lost is put right by that too.

mod cluster;
mod sentinel;
mod survey;
mod watched;

pub(super) use cluster::RedisCluster;

use super::buffered::Buffered;
use super::tls::secure;
use super::{Answer, Broken, Cause, Late, Stream, Tag, Turn, World};
use crate::config::redis::{Login, Redis as Service, Topology};
use crate::config::save_path::Endpoint;
use crate::error::shown;
use crate::limits::MEMCACHED_SPAN_S_MAX;
use crate::wire::Decoded;
use crate::wire::memcached::meta::{Condition, Request, Wants};
use crate::wire::memcached::{Cas, Key, ServerError, Ttl};
use crate::wire::redis::ErrorCode;
use crate::wire::redis::cluster::{self as slots, ranges};
use crate::wire::redis::resp::{Limits, Reply, array, bulk, decode, encode, integer};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;
use tokio::time::Instant;
use watched::{Transaction, Watch, Write};

/// Bytes of CAS before each value.
const CAS_BYTES: usize = 8;

/// How much longer than the one who came last waits the queue is kept, in seconds.
const QUEUE_EXTRA_S: u64 = 60;

/// Life of a lock that is handed on over a connection that has not asked for one yet, in seconds.
const LEASE_S: u32 = 5;

/// What an error about an unknown command goes on with.
const ARGUMENTS: &[u8] = b", with args beginning with";

const LOCK: &str = "sc:l:";
const RECORD: &str = "sc:r:";

macro_rules! script {
    ($file:literal) => {
        concat!(include_str!("common.lua"), include_str!($file))
    };
}

/// What no command of Redis does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Look,
    Commit,
    Replace,
    Touch,
    Remove,
    Release,
    Join,
    Poke,
    Leave,
}

impl Script {
    /// Those that a server is told of beforehand.
    const ALL: [Self; 9] = [
        Self::Look,
        Self::Commit,
        Self::Replace,
        Self::Touch,
        Self::Remove,
        Self::Release,
        Self::Join,
        Self::Poke,
        Self::Leave,
    ];

    const fn text(self) -> &'static str {
        match self {
            Self::Look => script!("look.lua"),
            Self::Commit => script!("commit.lua"),
            Self::Replace => script!("replace.lua"),
            Self::Touch => script!("touch.lua"),
            Self::Remove => script!("remove.lua"),
            Self::Release => script!("release.lua"),
            Self::Join => script!("join.lua"),
            Self::Poke => script!("poke.lua"),
            Self::Leave => script!("leave.lua"),
        }
    }
}

/// A stream to one server, and what is expected on it.
pub(super) struct Redis {
    buffered: Buffered,
    limits: Limits,
    expected: VecDeque<Expected>,
    /// What the server calls each of [`Script::ALL`]; none where it has not said.
    names: [Option<Vec<u8>>; Script::ALL.len()],
    /// Where CAS come from.
    numbers: fastrand::Rng,
    /// Replicas that must have a record before it counts as stored, and how long they have for it.
    wait_replicas: u32,
    patience: Duration,
    /// Requests that were sent in one write have the same.
    batch: u32,
    /// The way of what is sent now, if the server is one of a cluster.
    route: Option<Route>,
    /// What was to be sent when others were answered, and they are: [`Expected::behind`].
    behind: Vec<Expected>,
    /// What was added before a command whose outcome that tells: [`Expected::asides`].
    asides: u32,
    /// The answer to a record that was stored, while replicas are waited for.
    stored: Option<Answer>,
    /// Whether the server is one that does transactions.
    has_transactions: bool,
    /// What the server watches, if anything.
    watch: Option<Watch>,
    /// The transaction that was not answered yet; there is one at most.
    transaction: Option<Transaction>,
    /// What was sent with it.
    sent: Vec<u8>,
    /// Life of the lock that was asked for last, in seconds: that of one that is handed on.
    lease_s: u32,
    /// The lock that this connection was given last, and how long it lasts, while it finds out what
    /// it was given.
    given: Option<(Cas, Duration)>,
    /// How many replicas the server had when it was connected to, if it is one of those that
    /// sentinels name.
    replicas: Option<usize>,
    /// On which a sentinel says that they name another one now.
    news: Option<Box<dyn Stream>>,
    version: String,
}

/// A command that was sent.
pub(super) struct Expected {
    step: Step,
    /// None: the exchange that is running waits for it.
    tag: Option<Tag>,
    /// Nobody wants to know.
    is_quiet: bool,
    batch: u32,
    /// What was sent, from the first script of its batch on; to a cluster, all of it.
    command: Vec<u8>,
    /// The script, and where its name ends in `command`.
    script: Option<(Script, usize)>,
    /// See [`Redis::route`].
    route: Option<Route>,
    /// What is to be sent to a cluster when this one is answered, for others may have to do it.
    behind: Vec<Expected>,
    /// How many commands before this one were sent whose outcome it tells.
    asides: u32,
}

/// The way of a command through a cluster.
#[derive(Clone, Copy)]
struct Route {
    /// The slot of its keys.
    slot: u16,
    /// Whether the server does it only if it was told [`Step::Asking`] before.
    asks: bool,
    /// How often it was not done by whom it was sent to.
    tries: u32,
    /// Until when it is sent to others; none if that was not needed yet.
    until: Option<Instant>,
}

impl Expected {
    /// Whether the exchange that is running waits for it.
    fn is_awaited(&self) -> bool {
        self.tag.is_none() && self.is_wanted()
    }

    /// Whether somebody wants to know what comes of it. What is sent later has the same tag.
    fn is_wanted(&self) -> bool {
        !self.is_quiet || self.behind.iter().any(Self::is_wanted)
    }
}

/// What the reply to a command means.
#[derive(Clone, Copy)]
enum Step {
    Get,
    Look,
    Add(Cas),
    /// 1: done, 0: refused, -1: missing, -2: not with this lock; the CAS of what was stored.
    Change(Option<Cas>),
    /// The same, and the next command says how many replicas have it.
    ChangeAndWait(Cas),
    Wait,
    Touch,
    Watch,
    /// A transaction in place of a script; the CAS that the record has then.
    Exec(Cas, Write),
    Join,
    /// What the lock says that this connection is given.
    Block,
    /// What it says in fact.
    Given,
    GivenLife,
    /// Its record.
    GivenRecord,
    Poke,
    /// The command behind it is for a slot that is on its way to the server.
    Asking,
    /// Which server of the cluster has which slots.
    Map,
}

/// What has come.
pub(super) enum Got {
    /// Nothing that anybody waits for.
    Nothing,
    Answer(Answer),
    /// What those who wait are told when they join or poke.
    Queued(bool, Answer),
    /// The CAS of a lock.
    Lock(Option<Cas>),
    Life(Duration),
    /// None: the time is up.
    Grant(Option<Grant>),
    /// So many replicas have it.
    Replicas(i64),
    Map(Vec<slots::Range>),
    /// Why this server of a cluster has not done these commands, which were sent in one write.
    Astray(Vec<u8>, Vec<Expected>),
}

/// A lock that was given to this connection, which has waited for it.
#[derive(Debug)]
pub struct Grant {
    /// The lock's CAS: that of the [`Turn`], or of one who seems to wait no more.
    pub cas: Cas,
    /// How long it lasts, and the record, if they were read.
    pub read: Option<(Duration, Answer)>,
}

/// What has come of joining those who wait for a lock.
#[derive(Debug)]
pub enum Joined {
    /// The server does not do it; its words.
    Refused(String),
    /// A [`Grant`] will come; this is what the lock says now.
    Waiting(Answer),
}

impl Joined {
    /// What a server has said.
    pub(super) fn of(lock: Answer) -> Self {
        match lock {
            Answer::ServerError(_, text) => Self::Refused(text),
            lock => Self::Waiting(lock),
        }
    }
}

/// The four keys of a session.
struct Names {
    /// The lock's name as an argument of a command. The others differ in [`Self::kind`] only.
    argument: Vec<u8>,
    /// Where the name is in it.
    range: Range<usize>,
}

impl Names {
    /// Those of the session that a lock or a record is of.
    fn of(key: &str) -> Self {
        let digest = &key.as_bytes()[LOCK.len()..];
        let mut argument = Vec::with_capacity(2 * key.len());
        bulk(&[b"sc:l:{", digest, b"}"], &mut argument);
        let end = argument.len() - b"\r\n".len();
        let start = end - digest.len() - b"sc:l:{}".len();
        Self { argument, range: start..end }
    }

    /// Where a name says what it is the name of.
    const fn kind(&self) -> usize {
        self.range.start + b"sc:".len()
    }

    fn digest(&self) -> &[u8] {
        &self.argument[self.kind() + b"l:{".len()..self.range.end - b"}".len()]
    }

    /// Encodes names as arguments of a command.
    fn put(&self, kinds: &[u8], output: &mut Vec<u8>) {
        for kind in kinds {
            let start = output.len();
            output.extend_from_slice(&self.argument);
            output[start + self.kind()] = *kind;
        }
    }

    fn name(&self, kind: u8) -> Vec<u8> {
        let mut name = self.argument[self.range.clone()].to_vec();
        name[b"sc:".len()] = kind;
        name
    }

    fn names<const COUNT: usize>(&self, kinds: &[u8; COUNT]) -> [Vec<u8>; COUNT] {
        kinds.map(|kind| self.name(kind))
    }
}

/// What an item is called in Redis.
fn name(key: &str) -> Vec<u8> {
    match key.starts_with(LOCK) || key.starts_with(RECORD) {
        true => [&key[..LOCK.len()], "{", &key[LOCK.len()..], "}"].concat().into(),
        false => key.into(),
    }
}

/// Encodes a `SET` of the item that is named by what is `put` there; the value is the bytes of its
/// parts. Says where the value ends in the output.
fn encode_set(
    put: impl FnOnce(&mut Vec<u8>),
    value: &[&[u8]],
    options: &[&[u8]],
    ttl: Ttl,
    output: &mut Vec<u8>,
) -> usize {
    let life = life(ttl);
    array(3 + options.len() + if life.is_some() { 2 } else { 0 }, output);
    bulk(&[b"SET"], output);
    put(output);
    bulk(value, output);
    let end = output.len() - b"\r\n".len();
    options.iter().for_each(|option| bulk(&[option], output));
    if let Some((option, number)) = life {
        bulk(&[option], output);
        integer(number, output);
    }
    end
}

/// How a new time to live is said: the command, and its number.
fn touching(ttl: Ttl) -> (&'static [u8], String) {
    match life(ttl) {
        None => (b"PERSIST", String::new()),
        Some((b"EX", number)) => (b"EXPIRE", number.to_string()),
        Some((_, number)) => (b"EXPIREAT", number.to_string()),
    }
}

/// How a time to live is said: the option of `SET`, and its number; none without an end.
fn life(ttl: Ttl) -> Option<(&'static [u8], u32)> {
    match u32::from(ttl) {
        0 => None,
        span if u64::from(span) <= MEMCACHED_SPAN_S_MAX => Some((b"EX", span)),
        end => Some((b"EXAT", end)),
    }
}

/// The same as two arguments of a script.
fn life_words(ttl: Ttl) -> (&'static [u8], String) {
    life(ttl).map_or_else(Default::default, |(option, number)| (option, number.to_string()))
}

impl Redis {
    /// Connects to the server that has the sessions.
    pub(super) async fn open(
        world: &dyn World,
        endpoint: &Endpoint,
        service: &Service,
        patience: Duration,
    ) -> Result<Self, Broken> {
        if let Topology::Sentinel { name, others } = &service.topology {
            return sentinel::open(world, name, (endpoint, others), service, patience).await;
        }
        let started = Instant::now();
        let stream = connect(world, endpoint, service, patience).await?;
        let left = patience.saturating_sub(started.elapsed());
        Self::greet(stream, service, world.random() as u64, left).await
    }

    /// Asks a server for what is needed before anything else: one round trip.
    pub(super) async fn greet(
        stream: Box<dyn Stream>,
        service: &Service,
        seed: u64,
        patience: Duration,
    ) -> Result<Self, Broken> {
        let mut redis = Self {
            buffered: Buffered::new(stream),
            limits: Limits::default(),
            expected: VecDeque::new(),
            names: Default::default(),
            numbers: fastrand::Rng::with_seed(seed),
            wait_replicas: service.access.wait_replicas,
            patience,
            batch: 0,
            route: None,
            behind: Vec::new(),
            asides: 0,
            stored: None,
            has_transactions: false,
            watch: None,
            transaction: None,
            sent: Vec::new(),
            lease_s: LEASE_S,
            given: None,
            replicas: None,
            news: None,
            version: String::new(),
        };
        redis.buffered.set_patience(patience);
        let database = service.database.to_string();
        let output = &mut redis.buffered.output;
        if let Some(login) = &service.access.login {
            log_in(login, output);
        }
        if service.database != 0 {
            encode(&[b"SELECT", database.as_bytes()], output);
        }
        let commands =
            usize::from(service.access.login.is_some()) + usize::from(service.database != 0);
        let may_change = matches!(service.topology, Topology::Sentinel { .. });
        if may_change {
            encode(&[b"ROLE"], output);
        }
        encode(&[b"INFO", b"server"], output);
        for script in Script::ALL {
            encode(&[b"SCRIPT", b"LOAD", script.text().as_bytes()], output);
        }
        // What is watched may move from one server of a cluster to another.
        let is_whole = !matches!(service.topology, Topology::Cluster { .. });
        if is_whole {
            watched::try_it(output);
        }
        if let Err(broken) = redis.buffered.flush().await {
            // A server that closes before it was asked anything says why.
            let said = redis.raw(|reply| match reply {
                Reply::Error(text) => Err(refusal(text)),
                _ => Ok(()),
            });
            return Err(match said.await {
                Err(said) if said.cause == Cause::Connect => said,
                _ => broken,
            });
        }
        for _ in 0..commands {
            redis
                .raw(|reply| match reply {
                    Reply::Error(text) => Err(refusal(text)),
                    _ => Ok(()),
                })
                .await?;
        }
        if may_change {
            redis.replicas = Some(redis.raw(replicas).await?);
        }
        redis.version = redis
            .raw(|reply| match reply {
                Reply::Bulk(text) => Ok(version(text)),
                // Who may not ask that may do all the rest.
                Reply::Error(text) if ErrorCode::of(text) == ErrorCode::NoPerm => {
                    Ok("unknown version".into())
                }
                Reply::Error(text) => Err(refusal(text)),
                _ => Err(Broken::nonsense("no text about the server")),
            })
            .await?;
        for index in 0..Script::ALL.len() {
            redis.names[index] = redis
                .raw(|reply| match reply {
                    Reply::Bulk(name) => Ok(Some(name.to_vec())),
                    // It does nothing else either.
                    Reply::Error(text) if ErrorCode::of(text) == ErrorCode::Loading => {
                        let cause = if may_change { Cause::Failover } else { Cause::Connect };
                        Err(Broken { cause, reason: sentence(text) })
                    }
                    // Who may not load scripts may send them.
                    _ => Ok(None),
                })
                .await?;
        }
        if is_whole {
            let mut may = true;
            for _ in 0..watched::TRIAL_COMMANDS {
                may &= redis.raw(|reply| Ok(watched::may(reply))).await?;
            }
            redis.has_transactions = may && watched::is_known(&redis.version);
        }
        Ok(redis)
    }

    /// The next reply.
    async fn raw<T>(
        &mut self,
        take: impl FnOnce(&Reply<'_>) -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        next(&mut self.buffered, &self.limits, take).await
    }

    /// The server's name and version, fit to be shown.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// How long from now on waiting for the server may take.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
        self.buffered.set_patience(patience);
    }

    /// Whether there is something to read, as far as can be told without waiting.
    pub(super) fn has_input(&self) -> bool {
        self.buffered.has_input()
    }

    /// Whether there are bytes that nothing was asked for, or sentinels name another server now.
    pub(super) fn has_unasked_input(&self) -> bool {
        self.expected.is_empty() && !self.buffered.unread().is_empty()
            || self.news.as_ref().is_some_and(|news| news.has_input())
    }

    /// The tags of requests that will never be answered.
    pub(super) fn into_owed(self) -> impl Iterator<Item = Tag> {
        let owed = self.expected.into_iter().filter(|expected| !expected.is_quiet);
        owed.filter_map(|expected| expected.tag)
    }

    /// Sends requests in one write. With a tag, nobody waits for the answers.
    pub(super) async fn send(
        &mut self,
        requests: &[Request<'_>],
        tag: Option<Tag>,
    ) -> Result<(), Broken> {
        self.begin();
        match requests {
            [
                Request::Set { key: lock, value, ttl, condition: Condition::Absent, .. },
                Request::Get { key: record, wants: Wants::Watch, .. },
            ] if self.has_transactions && is_lock_of(*lock, *record) => {
                self.take_and_watch(*lock, value, *ttl, tag);
            }
            _ if self.add_transaction(requests, tag) => {
                self.buffered.flush().await?;
                // Should it not be done, the value is had from there.
                std::mem::swap(&mut self.sent, &mut self.buffered.output);
                return Ok(());
            }
            _ => self.ask(requests, tag)?,
        }
        self.buffered.flush().await
    }

    /// Adds a command or a script for each request; for two that are one step, one script.
    fn ask(&mut self, requests: &[Request<'_>], tag: Option<Tag>) -> Result<(), Broken> {
        let mut requests = requests.iter().peekable();
        while let Some(request) = requests.next() {
            match *request {
                // A lock may be a list.
                Request::Get { key, wants, .. }
                    if wants == Wants::Life || key.as_str().starts_with(LOCK) =>
                {
                    self.call(Script::Look, &[&name(key.as_str())], &[], Step::Look, tag, false);
                }
                Request::Get { key, .. } => {
                    self.command(&[b"GET", &name(key.as_str())], Step::Get, tag, false);
                }
                Request::Set { key, value, ttl, condition, .. } => {
                    // A store and the unlock behind it are one step.
                    let unlock = requests.next_if(|next| {
                        matches!(next, Request::Delete { key: lock, .. } if is_lock_of(*lock, key))
                    });
                    match (unlock, condition) {
                        (Some(Request::Delete { cas: lock, .. }), _) => {
                            self.commit(key, value, ttl, condition, *lock, tag);
                        }
                        // A record whose lock somebody may have; that of a fresh id nobody has.
                        (_, Condition::Absent) if tag.is_none() && is_record(key) => {
                            self.replace(key, value, ttl, None, tag);
                        }
                        (_, Condition::Absent) => self.add(key, value, ttl, tag),
                        (_, Condition::Unchanged(cas)) => {
                            self.replace(key, value, ttl, Some(cas), tag);
                        }
                    }
                }
                Request::Touch { key, ttl, .. } => {
                    let unlock = requests.next_if(|next| {
                        matches!(next, Request::Delete { key: lock, is_quiet: true, .. }
                            if is_lock_of(*lock, key))
                    });
                    let lock = match unlock {
                        Some(Request::Delete { cas, .. }) => Some(*cas),
                        _ => None,
                    };
                    self.touch(key, ttl, lock, tag);
                }
                Request::Delete { key, cas, is_quiet, .. } if key.as_str().starts_with(LOCK) => {
                    let keys = Names::of(key.as_str()).names(b"lqw");
                    let keys = keys.each_ref().map(Vec::as_slice);
                    let (cas, lease) = (bytes(cas), self.lease_s.to_string());
                    let arguments: [&[&[u8]]; 2] = [&[&cas], &[lease.as_bytes()]];
                    let step = Step::Change(None);
                    self.call(Script::Release, &keys, &arguments, step, tag, is_quiet);
                }
                Request::Delete { key, cas, is_quiet, .. } => {
                    let (keys, cas, step) = (self.with_lock(key), bytes(cas), Step::Change(None));
                    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                    self.call(Script::Remove, &keys, &[&[&cas]], step, tag, is_quiet);
                }
                Request::Noop | Request::Version | Request::Settings | Request::Statistics => {
                    return Err(Broken::nonsense("a request about no item"));
                }
            }
        }
        Ok(())
    }

    /// Stores where there is no item.
    fn add(&mut self, key: Key<'_>, value: &[u8], ttl: Ttl, tag: Option<Tag>) {
        let (cas, start) = (self.draw(), self.start());
        if key.as_str().starts_with(LOCK) {
            self.lease_s = lease_s(ttl);
        }
        let (name, value) = (name(key.as_str()), [&bytes(cas), value]);
        let put = |output: &mut Vec<u8>| bulk(&[&name], output);
        encode_set(put, &value, &[b"NX"], ttl, &mut self.buffered.output);
        self.expect(start, Step::Add(cas), tag, false, None);
    }

    /// Gives an item a new life, and the lock that is given with it back, if it has this CAS.
    fn touch(&mut self, key: Key<'_>, ttl: Ttl, lock: Option<Cas>, tag: Option<Tag>) {
        let (word, number) = touching(ttl);
        let life: [&[&[u8]]; 2] = [&[word], &[number.as_bytes()]];
        let Some(lock) = lock else {
            self.call(Script::Touch, &[&name(key.as_str())], &life, Step::Touch, tag, false);
            return;
        };
        let keys = Names::of(key.as_str()).names(b"rlqw");
        let keys = keys.each_ref().map(Vec::as_slice);
        let (lock, lease) = (bytes(lock), self.lease_s.to_string());
        let arguments = [life[0], life[1], &[&lock], &[lease.as_bytes()]];
        self.call(Script::Touch, &keys, &arguments, Step::Touch, tag, false);
    }

    /// Stores over an item that has this CAS; none: where there is no item.
    fn replace(
        &mut self,
        key: Key<'_>,
        value: &[u8],
        ttl: Ttl,
        cas: Option<Cas>,
        tag: Option<Tag>,
    ) {
        let (new, (option, number)) = (self.draw(), life_words(ttl));
        let old = cas.map_or_else(Vec::new, |cas| bytes(cas).to_vec());
        let new_bytes = bytes(new);
        let arguments: [&[&[u8]]; 4] =
            [&[&old], &[&new_bytes, value], &[option], &[number.as_bytes()]];
        let waits = self.waits_for(key, tag);
        let step = if waits { Step::ChangeAndWait(new) } else { Step::Change(Some(new)) };
        let keys = self.with_lock(key);
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        self.call(Script::Replace, &keys, &arguments, step, tag, false);
        self.wait_for_replicas(waits);
    }

    fn commit(
        &mut self,
        key: Key<'_>,
        value: &[u8],
        ttl: Ttl,
        condition: Condition,
        lock: Cas,
        tag: Option<Tag>,
    ) {
        let old = match condition {
            Condition::Absent => Vec::new(),
            Condition::Unchanged(cas) => bytes(cas).to_vec(),
        };
        let keys = Names::of(key.as_str()).names(b"rlqw");
        let keys = keys.each_ref().map(Vec::as_slice);
        let (new, lease) = (self.draw(), self.lease_s.to_string());
        let (new_bytes, lock, (option, number)) = (bytes(new), bytes(lock), life_words(ttl));
        let arguments: [&[&[u8]]; 6] = [
            &[&old],
            &[&new_bytes, value],
            &[option],
            &[number.as_bytes()],
            &[&lock],
            &[lease.as_bytes()],
        ];
        let waits = self.waits_for(key, tag);
        let step = if waits { Step::ChangeAndWait(new) } else { Step::Change(Some(new)) };
        self.call(Script::Commit, &keys, &arguments, step, tag, false);
        self.wait_for_replicas(waits);
    }

    /// Joins those who wait for a lock, for `patience` at most; what has come of it,
    /// [`Answers::queued`] says.
    pub(super) async fn join(&mut self, lock: &Turn<'_>, patience: Duration) -> Result<(), Broken> {
        self.begin();
        let queue_s = queue_s(patience);
        self.about_queue(Script::Join, lock, &[queue_s.as_bytes()], Step::Join, false);
        self.buffered.flush().await
    }

    /// Blocks until the lock is given to this connection, or `patience` is over: what has come of
    /// it, [`Answers::granted`] says.
    pub(super) async fn block(&mut self, key: Key<'_>, patience: Duration) -> Result<(), Broken> {
        self.begin();
        self.add_block(&Names::of(key.as_str()), patience);
        self.buffered.flush().await
    }

    /// Joins, blocks, and reads what it was given, all in one write; what has come of it,
    /// [`Answers::queued`] says and then [`Answers::granted`]. What is read `is_to_write`, or not.
    ///
    /// Where joining is refused, it blocks all the same.
    pub(super) async fn join_and_block(
        &mut self,
        lock: &Turn<'_>,
        patience: Duration,
        is_to_write: bool,
    ) -> Result<(), Broken> {
        self.begin();
        self.end_watch();
        let queue_s = queue_s(patience);
        self.about_queue(Script::Join, lock, &[queue_s.as_bytes()], Step::Join, false);
        let names = Names::of(lock.key.as_str());
        let [lock, record] = names.names(b"lr");
        self.add_block(&names, patience);
        if is_to_write && self.has_transactions {
            self.add_watch(names);
        }
        self.command(&[b"LRANGE", &lock, b"0", b"0"], Step::Given, None, true);
        self.command(&[b"PTTL", &lock], Step::GivenLife, None, true);
        self.command(&[b"GET", &record], Step::GivenRecord, None, false);
        self.buffered.flush().await
    }

    fn add_block(&mut self, names: &Names, patience: Duration) {
        // 0 would be for ever.
        let seconds = format!("{:.3}", patience.max(Duration::from_millis(1)).as_secs_f64());
        let words = [b"BLPOP", &names.name(b'w')[..], seconds.as_bytes()];
        self.command(&words, Step::Block, None, false);
    }

    /// Says that somebody waits for a lock, over another connection, and has it handed on if it has
    /// ended. What has come of it, [`Answers::queued`] says: whether one lies there that nobody has
    /// seen who was given it, and what the lock says now.
    pub(super) async fn poke(&mut self, lock: &Turn<'_>, patience: Duration) -> Result<(), Broken> {
        self.begin();
        let queue_s = queue_s(patience);
        self.about_queue(Script::Poke, lock, &[queue_s.as_bytes()], Step::Poke, false);
        self.buffered.flush().await
    }

    /// This connection does not wait any more. Not waited for.
    pub(super) async fn leave(&mut self, lock: &Turn<'_>) -> Result<(), Broken> {
        self.begin();
        self.about_queue(Script::Leave, lock, &[], Step::Change(None), true);
        self.buffered.flush().await
    }

    /// Calls a script about those who wait for a lock.
    fn about_queue(
        &mut self,
        script: Script,
        lock: &Turn<'_>,
        more: &[&[u8]],
        step: Step,
        is_quiet: bool,
    ) {
        let keys = Names::of(lock.key.as_str()).names(b"lqw");
        let keys = keys.each_ref().map(Vec::as_slice);
        self.lease_s = lease_s(lock.ttl);
        let (cas, lease) = (bytes(lock.cas), self.lease_s.to_string());
        let turn: [&[u8]; 2] = [&cas, lock.value];
        let lease = [lease.as_bytes()];
        let mut arguments: Vec<&[&[u8]]> = vec![&turn, &lease];
        arguments.extend(more.chunks(1));
        self.call(script, &keys, &arguments, step, None, is_quiet);
    }

    /// What an item is called; if it is a record whose lock may be watched, that lock's name too.
    fn with_lock(&self, key: Key<'_>) -> Vec<Vec<u8>> {
        match is_record(key) && self.route.is_none() {
            true => Names::of(key.as_str()).names(b"rl").into(),
            false => vec![name(key.as_str())],
        }
    }

    fn begin(&mut self) {
        self.buffered.output.clear();
        self.batch = self.batch.wrapping_add(1);
    }

    /// Where the next command starts.
    fn start(&self) -> usize {
        self.buffered.output.len()
    }

    fn draw(&mut self) -> Cas {
        Cas::new(self.numbers.u64(1..)).expect("more than 0")
    }

    /// Whether replicas are waited for: for a record, if anybody waits.
    fn waits_for(&self, key: Key<'_>, tag: Option<Tag>) -> bool {
        self.wait_replicas > 0 && tag.is_none() && is_record(key)
    }

    fn wait_for_replicas(&mut self, waits: bool) {
        if waits {
            // The server's answer has to be here in time too.
            let patience_ms = (self.patience.mul_f64(0.8).as_millis() as u64).max(1).to_string();
            let replicas = self.wait_replicas.to_string();
            let words = [b"WAIT", replicas.as_bytes(), patience_ms.as_bytes()];
            self.command(&words, Step::Wait, None, false);
        }
    }

    /// Calls a script; an argument is the bytes of its parts, one behind the other.
    fn call(
        &mut self,
        script: Script,
        keys: &[&[u8]],
        arguments: &[&[&[u8]]],
        step: Step,
        tag: Option<Tag>,
        is_quiet: bool,
    ) {
        let start = self.start();
        // Behind it comes what blocks, and nothing can be sent again. With the name of a script
        // that was lost it would block all the same, and could be woken in the place of another.
        let is_text = script == Script::Join && self.route.is_none();
        let output = &mut self.buffered.output;
        array(3 + keys.len() + arguments.len(), output);
        match &self.names[script as usize] {
            Some(name) if !is_text => {
                bulk(&[b"EVALSHA"], output);
                bulk(&[name], output);
            }
            _ => {
                bulk(&[b"EVAL"], output);
                bulk(&[script.text().as_bytes()], output);
            }
        }
        let named = output.len() - start;
        bulk(&[keys.len().to_string().as_bytes()], output);
        keys.iter().for_each(|key| bulk(&[key], output));
        arguments.iter().for_each(|parts| bulk(parts, output));
        let sent_again = (!is_text).then_some((script, named));
        self.expect(start, step, tag, is_quiet, sent_again);
    }

    /// Adds a command.
    fn command(&mut self, words: &[&[u8]], step: Step, tag: Option<Tag>, is_quiet: bool) {
        let start = self.start();
        encode(words, &mut self.buffered.output);
        self.expect(start, step, tag, is_quiet, None);
    }

    /// Notes the command that stands in the output from `start` on.
    fn expect(
        &mut self,
        start: usize,
        step: Step,
        tag: Option<Tag>,
        is_quiet: bool,
        script: Option<(Script, usize)>,
    ) {
        let batch = self.batch;
        let last = self.expected.back();
        let is_behind_a_script =
            last.is_some_and(|last| last.batch == batch && !last.command.is_empty());
        let route = self.route;
        let command = match route.is_some() || script.is_some() || is_behind_a_script {
            true => self.buffered.output[start..].to_vec(),
            false => Vec::new(),
        };
        self.expected.push_back(Expected {
            step,
            tag,
            is_quiet,
            batch,
            command,
            script,
            route,
            behind: Vec::new(),
            asides: std::mem::take(&mut self.asides),
        });
    }

    /// The answer to a record that was stored, when the replicas have been waited for. A server
    /// that had enough of them, and has not now, may not be the primary any more.
    fn replicated(&mut self, waited: Got) -> Result<Answer, Broken> {
        let Some(stored) = self.stored.take() else {
            return Err(Broken::nonsense("replicas have what was not stored"));
        };
        let text = match (&stored, waited) {
            (Answer::Done { .. }, Got::Answer(Answer::ServerError(_, text))) => text,
            (Answer::Done { .. }, Got::Replicas(have)) if have < self.wait_replicas.into() => {
                format!(
                    "stored, but {have} replicas have it instead of {} (sessclust.redis_wait)",
                    self.wait_replicas
                )
            }
            _ => return Ok(stored),
        };
        match self.replicas.is_some_and(|replicas| replicas >= self.wait_replicas as usize) {
            true => Err(Broken { cause: Cause::Cut, reason: text }),
            false => Ok(Answer::ServerError(ServerError::Other, text)),
        }
    }

    /// Takes back what was sent in one write, from the first command on that is expected: that was
    /// not done. What else was is to be read again, or refused.
    async fn take_back(&mut self) -> Result<Vec<Expected>, Broken> {
        let batch = self.expected.front().map(|first| first.batch);
        let same = self.expected.iter().take_while(|next| Some(next.batch) == batch);
        let (count, asides) =
            same.fold((0, 0), |(count, asides), next| (count + 1, asides + next.asides));
        for _ in 1..count + asides as usize {
            self.raw(|_| Ok(())).await?;
        }
        let commands = self.expected.drain(..count);
        Ok(commands.filter(|command| !matches!(command.step, Step::Asking)).collect())
    }

    /// Sends commands again, to a server that has lost its scripts with their texts.
    async fn send_again(
        &mut self,
        commands: Vec<Expected>,
        has_scripts: bool,
    ) -> Result<(), Broken> {
        self.begin();
        for mut command in commands {
            if command.route.is_some_and(|route| route.asks) {
                self.command(&[b"ASKING"], Step::Asking, None, true);
            }
            let output = &mut self.buffered.output;
            match command.script {
                Some((script, named)) if !has_scripts => {
                    // The number of words stays; the two behind it are replaced.
                    let words = command.command.iter().position(|byte| *byte == b'\n');
                    let words = words.map_or(0, |end| end + 1);
                    output.extend_from_slice(&command.command[..words]);
                    bulk(&[b"EVAL"], output);
                    bulk(&[script.text().as_bytes()], output);
                    output.extend_from_slice(&command.command[named..]);
                }
                _ => output.extend_from_slice(&command.command),
            }
            command.batch = self.batch;
            self.expected.push_back(command);
        }
        self.buffered.flush().await
    }

    /// Asks a server of a cluster which has which slots. Not waited for.
    async fn ask_map(&mut self) -> Result<(), Broken> {
        self.begin();
        self.command(&[b"CLUSTER", b"SLOTS"], Step::Map, None, true);
        self.buffered.flush().await
    }
}

/// What comes back from one server, or from those of a cluster.
pub(super) trait Answers {
    /// Waits for the next reply.
    async fn receive(&mut self) -> Result<(Option<Tag>, Got), Broken>;

    /// Whether answers are missing that the exchange waits for which is running.
    fn is_awaited(&self) -> bool;

    /// Whether answers to requests are missing that somebody wants.
    fn owes_answers(&self) -> bool;

    /// Sends again what others have to do than those who were asked.
    async fn redirect(&mut self, _world: &dyn World, _late: &mut Vec<Late>) -> Result<(), Broken> {
        Ok(())
    }

    /// The answers to what was sent without a tag.
    async fn receive_all(
        &mut self,
        world: &dyn World,
        late: &mut Vec<Late>,
    ) -> Result<Vec<Answer>, Broken> {
        let mut answers = Vec::new();
        while self.is_awaited() {
            self.redirect(world, late).await?;
            if let (tag, Got::Answer(answer)) = self.receive().await? {
                match tag {
                    None => answers.push(answer),
                    Some(tag) => late.push(Late { tag, answer: Some(answer) }),
                }
            }
        }
        Ok(answers)
    }

    /// Waits for the answers to what was sent with a tag.
    async fn settle(&mut self, world: &dyn World, late: &mut Vec<Late>) -> Result<(), Broken> {
        while self.owes_answers() {
            self.redirect(world, late).await?;
            if let (Some(tag), Got::Answer(answer)) = self.receive().await? {
                late.push(Late { tag, answer: Some(answer) });
            }
        }
        Ok(())
    }

    /// Waits for the outcome of [`Redis::join`] or [`Redis::poke`].
    async fn queued(
        &mut self,
        world: &dyn World,
        late: &mut Vec<Late>,
    ) -> Result<(bool, Answer), Broken> {
        loop {
            self.redirect(world, late).await?;
            match self.receive().await? {
                (_, Got::Queued(is_so, item)) => return Ok((is_so, item)),
                (None, Got::Answer(error @ Answer::ServerError(..))) => return Ok((false, error)),
                (tag, Got::Answer(answer)) => {
                    late.extend(tag.map(|tag| Late { tag, answer: Some(answer) }));
                }
                _ => {}
            }
        }
    }

    /// Waits for the outcome of [`Redis::block`].
    async fn granted(&mut self) -> Result<Option<Grant>, Broken> {
        while self.is_awaited() {
            match self.receive().await? {
                (_, Got::Grant(grant)) => return Ok(grant),
                // It has become a replica, as a rule.
                (None, Got::Answer(Answer::ServerError(_, text))) => {
                    return Err(Broken { cause: Cause::Closed, reason: text });
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

impl Answers for Redis {
    async fn receive(&mut self) -> Result<(Option<Tag>, Got), Broken> {
        loop {
            match decode(self.buffered.unread(), &self.limits) {
                Err(error) => return Err(Broken::nonsense(error)),
                Ok(Decoded::Incomplete { at_least }) => self.buffered.read(at_least).await?,
                Ok(Decoded::Reply { reply, consumed }) => {
                    let Some(first) = self.expected.front_mut() else {
                        return Err(Broken::nonsense("an answer to no request"));
                    };
                    if first.asides > 0 {
                        first.asides -= 1;
                        self.buffered.note_answer();
                        self.buffered.consume(consumed);
                        continue;
                    }
                    let (step, tag, is_quiet) = (first.step, first.tag, first.is_quiet);
                    let is_routed = first.route.is_some();
                    if !watched::is_done(step, &reply) {
                        self.buffered.note_answer();
                        self.buffered.consume(consumed);
                        self.leave_to_script().await?;
                        continue;
                    }
                    if let Reply::Error(text) = reply {
                        let is_unknown = ErrorCode::of(text) == ErrorCode::NoScript;
                        let is_astray = first.route.is_some() && is_astray(text);
                        if is_astray || is_unknown && first.script.is_some() {
                            let text = text.to_vec();
                            self.buffered.note_answer();
                            self.buffered.consume(consumed);
                            let commands = self.take_back().await?;
                            if is_astray {
                                return Ok((None, Got::Astray(text, commands)));
                            }
                            self.send_again(commands, false).await?;
                            continue;
                        }
                    }
                    let got = got(step, &reply)?;
                    if let Some(watch) = self.watch.take_if(|watch| watch.batch == first.batch) {
                        self.watch = watch.told(step, &reply);
                    }
                    self.behind.append(&mut first.behind);
                    self.expected.pop_front();
                    if let Step::Exec(..) = step {
                        self.end_transaction();
                    }
                    self.buffered.note_answer();
                    self.buffered.consume(consumed);
                    let got = match (step, got) {
                        (
                            Step::ChangeAndWait(_) | Step::Exec(_, Write::StoreAndWait),
                            Got::Answer(answer),
                        ) => {
                            self.stored = Some(answer);
                            Got::Nothing
                        }
                        (Step::Wait, got) => Got::Answer(self.replicated(got)?),
                        (Step::Map, got) => got,
                        // In a cluster, there is nothing behind it.
                        (Step::Block, Got::Lock(lock)) if is_routed => {
                            Got::Grant(lock.map(|cas| Grant { cas, read: None }))
                        }
                        (Step::Block, Got::Lock(lock)) => {
                            self.given = lock.map(|cas| (cas, Duration::ZERO));
                            Got::Nothing
                        }
                        (Step::Given, Got::Lock(lock)) => {
                            self.given.take_if(|(given, _)| lock != Some(*given));
                            Got::Nothing
                        }
                        (Step::GivenLife, Got::Life(left)) => {
                            self.given = self.given.map(|(given, _)| (given, left));
                            Got::Nothing
                        }
                        (Step::GivenRecord, Got::Answer(record)) => {
                            let grant = |(cas, left)| Grant { cas, read: Some((left, record)) };
                            Got::Grant(self.given.take().map(grant))
                        }
                        (_, got) if !is_quiet => got,
                        _ => Got::Nothing,
                    };
                    return Ok((tag, got));
                }
            }
        }
    }

    fn is_awaited(&self) -> bool {
        self.expected.iter().any(Expected::is_awaited)
    }

    fn owes_answers(&self) -> bool {
        self.expected.iter().any(Expected::is_wanted)
    }

    /// And for those that nobody wants to know, for what was asked may have to be sent again.
    async fn settle(&mut self, _world: &dyn World, late: &mut Vec<Late>) -> Result<(), Broken> {
        while !self.expected.is_empty() {
            if let (Some(tag), Got::Answer(answer)) = self.receive().await? {
                late.push(Late { tag, answer: Some(answer) });
            }
        }
        Ok(())
    }
}

/// A stream to a server, secured if it is to be.
async fn connect(
    world: &dyn World,
    endpoint: &Endpoint,
    service: &Service,
    patience: Duration,
) -> Result<Box<dyn Stream>, Broken> {
    let started = Instant::now();
    let stream = world.connect(endpoint).await;
    let mut stream = stream.map_err(|error| Broken::of_connecting(&error))?;
    stream.set_patience(patience.saturating_sub(started.elapsed()));
    match (endpoint, service.is_tls) {
        (Endpoint::Tcp { host, .. }, true) => secure(stream, host, &service.access.tls)
            .await
            .map_err(|error| Broken::of_connecting(&error)),
        _ => Ok(stream),
    }
}

/// The next reply on a stream.
async fn next<T>(
    buffered: &mut Buffered,
    limits: &Limits,
    take: impl FnOnce(&Reply<'_>) -> Result<T, Broken>,
) -> Result<T, Broken> {
    loop {
        match decode(buffered.unread(), limits) {
            Err(error) => return Err(Broken::nonsense(error)),
            Ok(Decoded::Incomplete { at_least }) => buffered.read(at_least).await?,
            Ok(Decoded::Reply { reply, consumed }) => {
                let taken = take(&reply)?;
                buffered.consume(consumed);
                return Ok(taken);
            }
        }
    }
}

fn log_in(login: &Login, output: &mut Vec<u8>) {
    let user = login.user.as_deref().map(str::as_bytes);
    let words = [Some(&b"AUTH"[..]), user, Some(login.password.0.as_bytes())];
    encode(&words.into_iter().flatten().collect::<Vec<_>>(), output);
}

/// How many replicas a primary has, by its answer to `ROLE`.
fn replicas(role: &Reply<'_>) -> Result<usize, Broken> {
    let parts = match role {
        Reply::Array(parts) => &parts[..],
        // Who may not ask that learns it from the first write.
        Reply::Error(text) if ErrorCode::of(text) == ErrorCode::NoPerm => return Ok(0),
        Reply::Error(text) => return Err(refusal(text)),
        _ => &[],
    };
    match parts {
        [Reply::Bulk(b"master"), _, Reply::Array(replicas)] => Ok(replicas.len()),
        [Reply::Bulk(role), ..] => {
            let reason = format!("it is no primary now ({})", shown(role));
            Err(Broken { cause: Cause::Failover, reason })
        }
        _ => Err(Broken::nonsense("no role")),
    }
}

/// What a reply means to the command that it answers.
fn got(step: Step, reply: &Reply<'_>) -> Result<Got, Broken> {
    if let Reply::Error(text) = reply {
        return match (step, ErrorCode::of(text)) {
            (Step::Map, ErrorCode::Other) => {
                let reason = format!(
                    "{} (it is no part of a Redis Cluster: write redis:// in session.save_path)",
                    shown(text)
                );
                Err(Broken { cause: Cause::Connect, reason })
            }
            (Step::Map, _) => Err(refusal(text)),
            (Step::Watch, _) => Ok(Got::Nothing),
            // It is no list: somebody has taken it from whoever was given it.
            (Step::Given, _) if text.starts_with(b"WRONGTYPE") => Ok(Got::Lock(None)),
            _ => error(text).map(Got::Answer),
        };
    }
    let is_nonsense = || Broken::nonsense("an answer of another kind than was asked for");
    Ok(Got::Answer(match (step, reply) {
        (Step::Get | Step::GivenRecord, item) => value(item).ok_or_else(is_nonsense)?,
        (Step::Exec(_, Write::Touch), Reply::Array(parts))
            if matches!(parts[..], [Reply::Integer(0), ..]) =>
        {
            Answer::Missing
        }
        (Step::Exec(cas, _), Reply::Array(_)) => Answer::Done { cas: Some(cas) },
        (Step::Watch, Reply::Simple(_)) => return Ok(Got::Nothing),
        (Step::Look, Reply::Array(parts)) => match &parts[..] {
            [item, Reply::Integer(left_ms)] => {
                let left = u64::try_from(*left_ms).map_or(Duration::MAX, Duration::from_millis);
                let mut answer = value(item).ok_or_else(is_nonsense)?;
                if let Answer::Value { time_left, .. } = &mut answer {
                    *time_left = Some(left);
                }
                answer
            }
            _ => return Err(is_nonsense()),
        },
        (Step::Add(cas), Reply::Simple(_)) => Answer::Done { cas: Some(cas) },
        (Step::Add(_), Reply::Nil) => Answer::Refused,
        (Step::Change(cas), Reply::Integer(1)) => Answer::Done { cas },
        (Step::ChangeAndWait(cas), Reply::Integer(1)) => Answer::Done { cas: Some(cas) },
        (Step::Change(_) | Step::ChangeAndWait(_), Reply::Integer(0)) => Answer::Refused,
        (Step::Change(_) | Step::ChangeAndWait(_), Reply::Integer(-1)) => Answer::Missing,
        (Step::Change(_) | Step::ChangeAndWait(_), Reply::Integer(-2)) => Answer::Fenced,
        (Step::Wait, Reply::Integer(replicas)) => return Ok(Got::Replicas(*replicas)),
        (Step::Touch, Reply::Bulk(b"")) => Answer::Missing,
        (Step::Touch, Reply::Bulk(cas)) => Answer::Done { cas: cas_of(cas) },
        (Step::Join, lock) => {
            return Ok(Got::Queued(false, value(lock).ok_or_else(is_nonsense)?));
        }
        (Step::Poke, Reply::Array(parts)) => match &parts[..] {
            [Reply::Integer(lies), item] => {
                return Ok(Got::Queued(*lies > 0, value(item).ok_or_else(is_nonsense)?));
            }
            _ => return Err(is_nonsense()),
        },
        (Step::Asking, _) => return Ok(Got::Nothing),
        (Step::Map, map) => return ranges(map).map(Got::Map).ok_or_else(is_nonsense),
        (Step::GivenLife, Reply::Integer(left_ms)) => {
            return Ok(Got::Life(Duration::from_millis((*left_ms).try_into().unwrap_or(0))));
        }
        (Step::Block, Reply::Nil) => return Ok(Got::Lock(None)),
        (Step::Block | Step::Given, Reply::Array(parts)) => match (step, &parts[..]) {
            (Step::Given, []) => return Ok(Got::Lock(None)),
            (Step::Given, [Reply::Bulk(lock)]) | (_, [_, Reply::Bulk(lock)]) => {
                let cas = lock.first_chunk::<CAS_BYTES>().and_then(|cas| cas_of(cas));
                return Ok(Got::Lock(Some(cas.ok_or_else(is_nonsense)?)));
            }
            _ => return Err(is_nonsense()),
        },
        _ => return Err(is_nonsense()),
    }))
}

/// Whether an error says that a server of a cluster has done nothing, and what can be done
/// elsewhere or later.
fn is_astray(text: &[u8]) -> bool {
    use ErrorCode::{Ask, ClusterDown, Moved, ReadOnly, TryAgain};
    matches!(ErrorCode::of(text), Ask | ClusterDown | Moved | ReadOnly | TryAgain)
}

/// What an item is; none if it cannot be one.
fn value(reply: &Reply<'_>) -> Option<Answer> {
    match reply {
        Reply::Nil => Some(Answer::Missing),
        Reply::Bulk(value) => {
            let (cas, bytes) = value.split_at_checked(CAS_BYTES).unwrap_or((b"", value));
            Some(Answer::Value { bytes: bytes.to_vec(), cas: cas_of(cas), time_left: None })
        }
        _ => None,
    }
}

/// What an error means: an answer, or that the connection is of no use.
fn error(text: &[u8]) -> Result<Answer, Broken> {
    match ErrorCode::of(text) {
        ErrorCode::OutOfMemory | ErrorCode::Misconf | ErrorCode::NoReplicas => {
            Ok(Answer::ServerError(ServerError::NotStored, sentence(text)))
        }
        ErrorCode::Other | ErrorCode::CrossSlot | ErrorCode::NoScript => {
            Ok(Answer::ServerError(ServerError::Other, sentence(text)))
        }
        _ => Err(refusal(text)),
    }
}

/// A server that does nothing of what it is asked.
fn refusal(text: &[u8]) -> Broken {
    let cause = match ErrorCode::of(text) {
        // Another connection finds the one that is the primary now.
        ErrorCode::ReadOnly | ErrorCode::Moved | ErrorCode::Ask | ErrorCode::TryAgain => {
            Cause::Closed
        }
        _ => Cause::Connect,
    };
    Broken { cause, reason: sentence(text) }
}

/// What an error says, and what can be done about it.
fn sentence(text: &[u8]) -> String {
    // An unknown command is told with what came with it, which is the password behind AUTH.
    let end = text.windows(ARGUMENTS.len()).position(|window| window == ARGUMENTS);
    let text = &text[..end.unwrap_or(text.len())];
    // Redis 7 puts the name of the script behind what has ended it.
    let end = text.windows(9).position(|window| window == b" script: ");
    let text = &text[..end.unwrap_or(text.len())];
    // Its quotes are for people, and stay what they are.
    let shown = |text| shown(text).replace("\\'", "'");
    let advice = match ErrorCode::of(text) {
        ErrorCode::OutOfMemory => "raise its maxmemory, or let it evict (maxmemory-policy)",
        ErrorCode::ReadOnly => {
            "it is a replica; name the primary in session.save_path, or its sentinels \
             (redis+sentinel://)"
        }
        ErrorCode::Loading => "it has just been started and reads its data",
        ErrorCode::NoAuth => "it asks for a password: sessclust.credentials",
        ErrorCode::WrongPass => "it does not know this user and password: sessclust.credentials",
        ErrorCode::NoPerm => {
            "its user may not do that; he needs the commands of sessions on the keys sc:*, see \
             the README"
        }
        ErrorCode::Busy => "somebody's script keeps it busy (SCRIPT KILL ends it)",
        ErrorCode::MasterDown => "it is a replica that has lost its primary",
        ErrorCode::ClusterDown => "its cluster has no server for some sessions (CLUSTER INFO)",
        ErrorCode::Moved | ErrorCode::Ask | ErrorCode::TryAgain | ErrorCode::CrossSlot => {
            "it is part of a Redis Cluster: write redis+cluster:// in session.save_path"
        }
        ErrorCode::MaxClients => "raise its maxclients, or let PHP have fewer workers",
        ErrorCode::Misconf => "it cannot save its data to its disk, and takes no writes therefore",
        ErrorCode::NoReplicas => "it has fewer replicas than its min-replicas-to-write",
        ErrorCode::NoScript | ErrorCode::Other => return shown(text),
    };
    format!("{} ({advice})", shown(text))
}

/// Name and version in the answer to `INFO server`.
fn version(info: &[u8]) -> String {
    match field(info, b"valkey_version:") {
        Some(version) => format!("Valkey {version}"),
        None => format!("Redis {}", field(info, b"redis_version:").unwrap_or_default()),
    }
}

/// What the answer to `INFO` says behind a name and its colon, fit to be shown.
fn field(info: &[u8], name: &[u8]) -> Option<String> {
    let mut lines = info.split(|byte| *byte == b'\n');
    lines.find_map(|line| line.strip_prefix(name)).map(|value| shown(value.trim_ascii()))
}

/// How long the queue is kept if somebody waits for so long, in seconds.
fn queue_s(patience: Duration) -> String {
    patience.as_secs().saturating_add(QUEUE_EXTRA_S).to_string()
}

/// Life of a lock, in seconds.
fn lease_s(ttl: Ttl) -> u32 {
    u32::from(ttl).max(1)
}

fn is_record(key: Key<'_>) -> bool {
    key.as_str().starts_with(RECORD)
}

fn is_lock_of(lock: Key<'_>, record: Key<'_>) -> bool {
    match (lock.as_str().strip_prefix(LOCK), record.as_str().strip_prefix(RECORD)) {
        (Some(lock), Some(record)) => lock == record,
        _ => false,
    }
}

fn bytes(cas: Cas) -> [u8; CAS_BYTES] {
    u64::from(cas).to_be_bytes()
}

fn cas_of(bytes: &[u8]) -> Option<Cas> {
    Cas::new(u64::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is behind an unknown AUTH is a password. Source: `processCommand` in Redis' `server.c`.
    #[test]
    fn a_password_that_a_server_repeats_is_not_shown() {
        let text = b"ERR unknown command 'AUTH', with args beginning with: 'shop' 'hunter2' ";
        assert_eq!(sentence(text), "ERR unknown command 'AUTH'");
    }
}
