//! Where sessions are kept, seen from a request: this machine's disk, or the nodes of a pool.

use super::id::{Digest, SessionId};
use super::refuge::{Attempt, Refuge, StandIn};
use crate::cluster::{self, Cluster, Copy, Origin, Stamp};
use crate::config::save_path::{NodeAddress, SavePath};
use crate::config::{OnOutage, Placement, Settings, WriteMode};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{OUTAGE_TRIES, PROBE_STEADY_MAX};
use crate::local::{self, Open, Used};
use crate::machine::{Board, Health, Queue, Verdict, process_id};
use crate::node::{Node, System, Timeouts, World};
use crate::stats::{Counter, Counters};
use rustix::process::Pid;
use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// A store.
#[expect(clippy::large_enum_variant, reason = "a process has a few, each behind an Rc")]
pub enum Store {
    /// The embedded store.
    Local(Rc<local::Store>),
    /// A pool of nodes.
    Pool(Pool),
}

/// What is stored of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Data, now in the caller's buffer.
    Data,
    /// Nothing.
    Absent,
    /// Nothing any more: idle for longer than its lifetime.
    Ended,
    /// Bytes that fail their checks; why.
    Damaged(String),
}

impl Found {
    /// What a pool has of a session; its data go to `buffer`.
    fn of(copy: Copy<'_>, buffer: &mut Vec<u8>) -> Self {
        buffer.clear();
        match copy {
            Copy::Data(data) => {
                buffer.extend_from_slice(data);
                Self::Data
            }
            Copy::Absent => Self::Absent,
            Copy::Damaged(reason) => Self::Damaged(reason.to_string()),
        }
    }
}

impl From<local::Found> for Found {
    fn from(found: local::Found) -> Self {
        match found {
            local::Found::Data => Self::Data,
            local::Found::Absent => Self::Absent,
            local::Found::Ended => Self::Ended,
            local::Found::Damaged(reason) => Self::Damaged(reason.to_string()),
        }
    }
}

/// A session that is locked, until this is dropped or, in a pool, until it is committed.
pub(super) enum Locked {
    Local(Rc<local::Store>, local::Locked),
    Pool(PoolLock),
}

/// A session of a pool that is locked.
pub(super) struct PoolLock {
    live: Arc<Live>,
    digest: Digest,
    /// The process that took it. Its forks have no part in it.
    owner: Pid,
    waited: Duration,
    /// What the session was when its lock was given back with a commit.
    left: Option<Stamp>,
    /// What this machine has kept of the session while no node answered: the pool has nothing, and
    /// gets this with the next commit.
    stand_in: Option<StandIn>,
    counters: &'static Counters,
}

impl PoolLock {
    /// Commits, and gives the lock back. For the second time, it is taken again: what was left has
    /// to be there still.
    fn commit(
        &mut self,
        data: &[u8],
        lifetime_s: u64,
        script: &[u8],
        settings: &Settings,
    ) -> Result<()> {
        let Self { live, digest, left, stand_in, counters, .. } = self;
        // What this machine has is given up for it, so it has to be there.
        let through =
            stand_in.as_ref().map(|_| Settings { write: WriteMode::Through, ..settings.clone() });
        let settings = through.as_ref().unwrap_or(settings);
        live.run(async |cluster| {
            if !cluster.is_held(digest) && left.is_some() {
                cluster.open(digest, Origin::Sent, script, settings).await?;
                if cluster.stamp(digest) != *left {
                    cluster.release(digest).await;
                    let text = format!(
                        "session {digest} was changed by another request since this one stored \
                         it, not saved"
                    );
                    return Err(Error::new(ErrorKind::LeaseLost, text));
                }
            }
            *left = Some(cluster.commit(digest, data, lifetime_s, settings).await?);
            Ok(())
        })?;
        if let Some(moved) = stand_in.take() {
            counters.add(Counter::LocalMoved, 1);
            // What cannot be removed is given up when it is met again: the pool has the session.
            let _ = moved.remove();
        }
        Ok(())
    }
}

impl Drop for PoolLock {
    fn drop(&mut self) {
        if process_id() == self.owner && self.live.cluster().is_held(&self.digest) {
            self.live.run(async |cluster| cluster.release(&self.digest).await);
        }
    }
}

impl Locked {
    pub(super) fn digest(&self) -> &Digest {
        match self {
            Self::Local(_, locked) => locked.digest(),
            Self::Pool(lock) => &lock.digest,
        }
    }

    pub(super) fn waited(&self) -> Duration {
        match self {
            Self::Local(_, locked) => locked.waited(),
            Self::Pool(lock) => lock.waited,
        }
    }

    /// What its lock has to be renewed with, if it has to.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        match self {
            Self::Local(..) => None,
            Self::Pool(lock) => Some(Arc::clone(&lock.live)),
        }
    }

    pub(super) fn is_recovered(&self) -> bool {
        match self {
            Self::Local(_, locked) => locked.is_recovered(),
            Self::Pool(_) => false,
        }
    }

    /// The data, into `buffer`.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Found> {
        match self {
            Self::Local(store, locked) => Ok(store.read(locked, buffer)?.into()),
            Self::Pool(PoolLock { stand_in: Some(stand_in), .. }) => {
                buffer.clone_from(&stand_in.data);
                Ok(Found::Data)
            }
            Self::Pool(lock) => Ok(Found::of(lock.live.cluster().data(&lock.digest), buffer)),
        }
    }

    /// Whether it is still locked, and not destroyed.
    pub(super) fn is_still_locked(&self) -> Result<bool> {
        match self {
            Self::Local(store, locked) => store.has_name(locked),
            Self::Pool(lock) => Ok(lock.live.cluster().is_held(&lock.digest)),
        }
    }

    pub(super) fn commit(
        &mut self,
        data: &[u8],
        lifetime_s: u64,
        script: &[u8],
        settings: &Settings,
    ) -> Result<()> {
        match self {
            Self::Local(store, locked) => store.commit(locked, data, lifetime_s, settings),
            Self::Pool(lock) => lock.commit(data, lifetime_s, script, settings),
        }
    }

    /// Marks it as used; false if it has to be committed for that.
    pub(super) fn touch(&mut self, lifetime_s: u64, settings: &Settings) -> Result<bool> {
        match self {
            Self::Local(store, locked) => store.touch(locked, lifetime_s),
            // It has to be moved.
            Self::Pool(PoolLock { stand_in: Some(_), .. }) => Ok(false),
            Self::Pool(PoolLock { live, digest, left, .. }) => live.run(async |cluster| {
                let stamp = cluster.stamp(digest);
                let touched = cluster.touch(digest, lifetime_s, settings).await?;
                if touched {
                    *left = stamp;
                }
                Ok(touched)
            }),
        }
    }
}

/// A pool of nodes.
pub struct Pool {
    nodes: Vec<NodeAddress>,
    /// The settings that it was opened with.
    settings: Settings,
    /// What this machine knows about the nodes.
    board: Arc<Board>,
    /// Index of the node that new sessions are to belong to.
    near: Option<usize>,
    refuge: Refuge,
    counters: &'static Counters,
    /// Made at first use, in the process that uses it: connections, and what waits for them, must
    /// not be shared with a fork.
    live: RefCell<Option<(Pid, Arc<Live>)>>,
}

/// The connections of a process to a pool. Locks of sessions can be renewed from another thread
/// while nothing else is asked.
pub struct Live {
    runtime: Runtime,
    cluster: Mutex<Cluster>,
    nodes: Vec<NodeAddress>,
    board: Arc<Board>,
    /// What probes have found, for the server's log.
    found: Mutex<Vec<String>>,
    /// Whether there is something for the server's log.
    has_news: AtomicBool,
    counters: &'static Counters,
}

impl Live {
    fn run<T>(&self, f: impl AsyncFnOnce(&mut Cluster) -> T) -> T {
        let mut cluster = self.cluster();
        let done = self.wait_for(f(&mut cluster));
        if cluster.has_notices() {
            self.has_news.store(true, SeqCst);
        }
        done
    }

    fn wait_for<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        // Sockets block, so as a rule there is nothing that the runtime would have to wait for, and
        // handing it the thread costs more than all that it does.
        let entered = self.runtime.enter();
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
        drop(entered);
        self.runtime.block_on(future)
    }

    /// For what needs no node.
    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        // What a panic has left is at worst a lock that ends with its lease.
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Extends the locks of sessions that have been held for a third of their lease. Says after
    /// which time to call it again; none if no session is held.
    pub fn renew(&self) -> Option<Duration> {
        self.run(async |cluster| cluster.renew().await)
    }

    /// Whether there may be anything to [probe](Live::probe).
    pub fn has_node_down(&self) -> bool {
        self.board.is_any_down()
    }

    /// A node that is down and that this process is to [probe](Live::probe) now: one process in
    /// each `interval` does for all of the machine.
    pub fn claim_probe(&self, interval: Duration) -> Option<usize> {
        self.board.claim_probe(System.uptime(), interval)
    }

    /// Looks whether a node has come back, and once more if it answers, so that it is used again;
    /// unless it has to answer for longer by then. Holds up nobody who uses the others.
    pub fn probe(&self, node: usize, timeout: Duration) {
        if self.look(node, timeout) {
            let steady = self.board.steady(node);
            if steady <= PROBE_STEADY_MAX {
                thread::sleep(steady);
                self.look(node, timeout);
            }
        }
    }

    /// Looks at a node that is down. Says whether it has answered, and is to do so once more.
    fn look(&self, node: usize, timeout: Duration) -> bool {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        // Without the means to look, somebody else's turn comes.
        let Ok(runtime) = runtime else { return false };
        let timeouts = Timeouts { connect: timeout, request: timeout, failover: Duration::ZERO };
        let address = &self.nodes[node];
        let asked = System.uptime();
        let result = runtime.block_on(Node::probe(&System, address, &timeouts));
        let now = System.uptime();
        match result {
            Ok(latency) => {
                if self.board.probed(node, now, latency) {
                    self.tell(format!("node {address} is back"));
                }
                return self.board.is_recovering(node);
            }
            Err(failure) if failure.is_of_the_node() => {
                let verdict = self.board.failed(node, asked, now);
                if verdict == Verdict::Down {
                    // It had come back meanwhile.
                    self.counters.add(Counter::NodesDown, 1);
                    self.tell(format!("node is down: {failure}"));
                }
                if verdict != Verdict::Outdated {
                    self.board.set_hung(node, failure.is_timeout());
                    self.board.explain(node, &failure.to_string());
                }
            }
            Err(_) => {}
        }
        false
    }

    fn tell(&self, notice: String) {
        self.found().push(notice);
        self.has_news.store(true, SeqCst);
    }

    /// What the server's log has to be told since the last call. What another thread is about to
    /// add is told by the next. Costs a load, as a rule.
    pub fn notices(&self) -> Vec<String> {
        if !self.has_news.load(SeqCst) {
            return Vec::new();
        }
        // Before: what is added from now on is news again.
        self.has_news.store(false, SeqCst);
        let mut notices = std::mem::take(&mut *self.found());
        match self.cluster.try_lock() {
            Ok(mut cluster) => notices.extend(cluster.notices()),
            Err(TryLockError::Poisoned(error)) => notices.extend(error.into_inner().notices()),
            Err(TryLockError::WouldBlock) => self.has_news.store(true, SeqCst),
        }
        notices
    }

    fn found(&self) -> MutexGuard<'_, Vec<String>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// The pool of these nodes. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]: settings that contradict each other or the nodes.
    pub fn new(
        mut nodes: Vec<NodeAddress>,
        settings: &Settings,
        counters: &'static Counters,
    ) -> Result<Self> {
        settings.check()?;
        settings.give_access(&mut nodes)?;
        cluster::ring_of(settings.ring, &nodes)?;
        let near = match (settings.placement, &settings.local_node) {
            (Placement::Local, Some(wanted)) => {
                let index = nodes.iter().position(|node| node.endpoint.is_same(wanted));
                if index.is_none() {
                    let text =
                        format!("sessclust.local_node: {wanted} is no node of session.save_path");
                    return Err(Error::new(ErrorKind::Config, text));
                }
                index
            }
            _ => None,
        };
        Ok(Self {
            board: Arc::new(Board::open(&Cluster::names(&nodes))),
            refuge: Refuge::of(cluster::salt_of(&nodes)),
            nodes,
            settings: settings.clone(),
            near,
            counters,
            live: RefCell::new(None),
        })
    }

    /// What this process has of the pool, if it has used it.
    pub fn live(&self) -> Option<Arc<Live>> {
        let live = self.live.borrow();
        live.as_ref().filter(|(owner, _)| *owner == process_id()).map(|(_, live)| Arc::clone(live))
    }

    /// The nodes, with what this machine knows about them and, of those that are connected, the
    /// version of the server.
    pub fn nodes(&self) -> Vec<(NodeAddress, Health, Option<String>)> {
        let live = self.live();
        let cluster = live.as_ref().map(|live| live.cluster());
        let node = |(index, address): (usize, &NodeAddress)| {
            let server = cluster.as_ref().and_then(|cluster| cluster.nodes()[index].server());
            (address.clone(), self.board.health(index), server)
        };
        self.nodes.iter().enumerate().map(node).collect()
    }

    fn round_trips(&self) -> u64 {
        self.live().map_or(0, |live| live.cluster().round_trips())
    }

    fn make_live(&self) -> Result<Arc<Live>> {
        if let Some(live) = self.live() {
            return Ok(live);
        }
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| Error::io("cannot wait for nodes", error))?;
        let cluster = Cluster::new(
            self.nodes.clone(),
            self.settings.ring,
            Arc::new(System),
            Queue::open(),
            Arc::clone(&self.board),
            self.settings.replicas,
            self.counters,
        )?;
        let live = Arc::new(Live {
            runtime,
            cluster: Mutex::new(cluster),
            nodes: self.nodes.clone(),
            board: Arc::clone(&self.board),
            found: Mutex::default(),
            has_news: AtomicBool::new(false),
            counters: self.counters,
        });
        // What a fork has inherited is left alone: the thread that renews locks may have been at
        // work on it when the process forked.
        std::mem::forget(self.live.replace(Some((process_id(), Arc::clone(&live)))));
        Ok(live)
    }
}

impl Pool {
    fn lock(
        &self,
        digest: &Digest,
        open: Open,
        script: &[u8],
        settings: &Settings,
    ) -> Result<Option<Locked>> {
        let live = self.make_live()?;
        let origin = match open {
            Open::CreateNew => Origin::Fresh,
            Open::Create | Open::Existing => Origin::Sent,
        };
        loop {
            let (waited, is_absent, stamp) = live.run(async |cluster| -> Result<_> {
                let waited = cluster.open(digest, origin, script, settings).await?;
                let is_absent = matches!(cluster.data(digest), Copy::Absent);
                Ok((waited, is_absent, cluster.stamp(digest)))
            })?;
            // Dropping it gives it back.
            let mut lock = PoolLock {
                live: Arc::clone(&live),
                digest: *digest,
                owner: process_id(),
                waited,
                left: None,
                stand_in: None,
                counters: self.counters,
            };
            if origin == Origin::Sent
                && let Some(began) = self.outage_before(settings)?
                && self.refuge.knows(digest)?
            {
                if let Some(lifetime_s) = self.refuge.buried(digest, settings)? {
                    live.run(async |cluster| cluster.destroy(digest, lifetime_s, settings).await)?;
                    self.refuge.fill_grave(digest)?;
                    continue;
                }
                // A tombstone is something, too.
                let has_nothing = is_absent && stamp.is_none();
                match self.refuge.stand_in(began, digest, settings)? {
                    Some(stand_in) if has_nothing => lock.stand_in = Some(stand_in),
                    Some(stand_in) => {
                        stand_in.remove()?;
                        self.counters.add(Counter::LocalDropped, 1);
                    }
                    None => {}
                }
            }
            let exists = !is_absent || lock.stand_in.is_some();
            return Ok((open != Open::Existing || exists).then_some(Locked::Pool(lock)));
        }
    }

    fn peek(
        &self,
        digest: &Digest,
        buffer: &mut Vec<u8>,
        settings: &Settings,
    ) -> Result<Option<Found>> {
        // Before: whoever moves or destroys it in the pool meanwhile forgets it here.
        let was_known = settings.on_outage == OnOutage::Local
            && self.refuge.has_state()?
            && self.refuge.knows(digest)?;
        let found = self.make_live()?.run(async |cluster| -> Result<_> {
            let mut record = Vec::new();
            let found = Found::of(cluster.peek(digest, settings, &mut record).await?, buffer);
            Ok(Some(found).filter(|found| *found != Found::Absent))
        })?;
        // What counts is found out under the lock.
        if self.outage_before(settings)?.is_some() && (was_known || self.refuge.knows(digest)?) {
            let locked = self.lock(digest, Open::Existing, b"", settings)?;
            return locked.map(|mut locked| locked.read(buffer)).transpose();
        }
        Ok(found)
    }

    /// Has something asked and done, again as long as that comes to [nothing](Pool::or_here).
    fn ask<T>(&self, mut ask: impl FnMut(Attempt) -> Result<Option<T>>) -> Result<T> {
        let mut done = ask(Attempt { asked: System.uptime(), is_first: true, is_last: false });
        if matches!(done, Ok(None)) {
            let live = self.make_live()?;
            for tries in 2..=OUTAGE_TRIES {
                // Once, for it may be in vain, and costs the time-outs.
                live.cluster().set_hopeful(tries == 2);
                let (asked, is_last) = (System.uptime(), tries == OUTAGE_TRIES);
                done = ask(Attempt { asked, is_first: false, is_last });
                if !matches!(done, Ok(None)) {
                    break;
                }
            }
            live.cluster().set_hopeful(false);
        }
        done.map(|done| done.expect("nothing is too late after the last try"))
    }

    /// Does on this machine what has found no node, if the settings say so; `here` is told when the
    /// outage began.
    ///
    /// None if a node has answered others meanwhile: it is too late then to do it here, for the
    /// session may be in the pool by now, and what was done counts for nothing. And for the first
    /// time where there was no outage yet.
    fn or_here<T>(
        &self,
        attempt: Attempt,
        result: Result<T>,
        settings: &Settings,
        here: impl FnOnce(&Refuge, Used) -> Result<T>,
    ) -> Result<Option<T>> {
        let error = match result {
            Err(error)
                if error.kind() == ErrorKind::NoNode && settings.on_outage == OnOutage::Local =>
            {
                error
            }
            result => return result.map(Some),
        };
        let now = System.uptime();
        let has_answered = |node| self.board.has_answered_since(node, attempt.asked, now);
        if !attempt.is_last && (0..self.nodes.len()).any(has_answered) {
            return Ok(None);
        }
        let done = self.refuge.enter(attempt, &error).and_then(|outage| {
            let Some(outage) = outage else { return Ok(None) };
            self.counters.add(Counter::Outages, u64::from(outage.is_first));
            let done = here(&self.refuge, outage.began)?;
            // Or while this request has waited for others.
            let is_too_late = !attempt.is_last && self.refuge.has_ended(&outage)?;
            Ok((!is_too_late).then_some(done))
        });
        done.map_err(|failure| match failure.kind() {
            ErrorKind::Directory | ErrorKind::Io => {
                let text = format!("{error}; nor can this machine keep it: {failure}");
                Error::new(ErrorKind::NoNode, text)
            }
            _ => failure,
        })
    }

    /// A node has answered: when the last outage began that this machine has kept sessions in.
    fn outage_before(&self, settings: &Settings) -> Result<Option<Used>> {
        match settings.on_outage {
            OnOutage::Fail => Ok(None),
            OnOutage::Local => self.refuge.leave(),
        }
    }

    /// Removes what this machine has of a session, if that was just stored or destroyed whatever
    /// was there.
    fn forget_here(&self, done: &Result<()>, digest: &Digest, settings: &Settings) -> Result<()> {
        if done.is_ok() && self.outage_before(settings)?.is_some() {
            self.refuge.forget(digest)?;
        }
        Ok(())
    }
}

/// Marks a session's file as used, if it could be locked and holds something; false otherwise.
fn touch_file(
    store: &local::Store,
    locked: Result<Option<local::Locked>>,
    lifetime_s: u64,
    settings: &Settings,
) -> Result<bool> {
    let mut locked = match locked {
        Ok(Some(locked)) => locked,
        Ok(None) => return Ok(false),
        // Whoever has it uses it.
        Err(error) if error.kind() == ErrorKind::Locked => return Ok(true),
        Err(error) => return Err(error),
    };
    let mut data = Vec::new();
    if store.read(&mut locked, &mut data)? != local::Found::Data {
        return Ok(false);
    }
    if !store.touch(&locked, lifetime_s)? {
        store.commit(&mut locked, &data, lifetime_s, settings)?;
    }
    Ok(true)
}

/// The settings that decide what a pool is, besides its nodes; the others are looked at when they
/// are needed.
fn decide_pool(settings: &Settings) -> impl PartialEq {
    let Settings { ring, replicas, placement, local_node, credentials, redis_wait, tls, .. } =
        settings;
    (ring, replicas, placement, local_node, credentials, redis_wait, tls)
}

impl Store {
    /// Opens the store that a save path names.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]; of the embedded store [`ErrorKind::Directory`], [`ErrorKind::Io`]. A
    /// pool is not connected to yet.
    pub fn open(path: SavePath, settings: &Settings, counters: &'static Counters) -> Result<Self> {
        match path {
            SavePath::Local(base) => Ok(Self::Local(Rc::new(local::Store::open(base.as_deref())?))),
            SavePath::Pool(nodes) => Pool::new(nodes, settings, counters).map(Self::Pool),
        }
    }

    /// Whether it is the one that its save path names now, under these settings.
    pub fn is_for(&self, settings: &Settings) -> bool {
        match self {
            // A process that changes its user needs another directory.
            Self::Local(store) => store.uid() == local::Store::current_uid(),
            Self::Pool(pool) => {
                decide_pool(&pool.settings) == decide_pool(settings)
                    && (settings.on_outage == OnOutage::Fail || pool.refuge.is_own())
            }
        }
    }

    /// How long sessions live after their last use, in seconds; 0: without end.
    pub(super) fn expect_lifetime(&self, lifetime_s: u64) {
        // Whoever uses the pool next is told why it cannot be.
        if let Self::Pool(pool) = self
            && let Ok(live) = pool.make_live()
        {
            live.cluster().expect_lifetime(lifetime_s);
        }
    }

    /// Waits for the answers to delayed writes.
    pub fn settle(&self, settings: &Settings) {
        if let Self::Pool(pool) = self
            && let Some(live) = pool.live()
        {
            live.run(async |cluster| cluster.settle(&cluster::timeouts(settings)).await);
        }
    }

    /// Whether an id that was just drawn is in nobody's use. A pool is not asked: an id has enough
    /// random bits never to come twice, and a record that is there is never overwritten.
    pub(super) fn is_free(&self, digest: &Digest) -> Result<bool> {
        match self {
            Self::Local(store) => Ok(!store.exists(digest)?),
            Self::Pool(_) => Ok(true),
        }
    }

    /// An id like `id` whose session is on the node that is near, if there is one.
    pub(super) fn draw_near(&self, id: SessionId<'_>) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Pool(pool @ Pool { near: Some(node), .. }) => {
                let live = pool.make_live()?;
                Ok(Some(live.cluster().draw_near(id, *node)))
            }
            Self::Local(_) | Self::Pool(_) => Ok(None),
        }
    }

    pub(super) fn exists(&self, digest: &Digest, settings: &Settings) -> Result<bool> {
        match self {
            Self::Local(store) => store.exists(digest),
            Self::Pool(_) => Ok(self.peek(digest, &mut Vec::new(), settings)?.is_some()),
        }
    }

    /// Locks a session; none if there is none and `open` is [`Open::Existing`].
    pub(super) fn lock(
        &self,
        digest: &Digest,
        open: Open,
        script: &[u8],
        settings: &Settings,
    ) -> Result<Option<Locked>> {
        match self {
            Self::Local(store) => {
                let locked = store.lock(digest, open, settings)?;
                Ok(locked.map(|locked| Locked::Local(Rc::clone(store), locked)))
            }
            Self::Pool(pool) => {
                let (locked, of_outage) = pool.ask(|attempt| {
                    let locked = pool.lock(digest, open, script, settings);
                    let locked = locked.map(|locked| (locked, 0));
                    pool.or_here(attempt, locked, settings, |refuge, began| {
                        let locked = refuge.lock(began, digest, open, settings)?;
                        Ok((locked.map(|(store, locked)| Locked::Local(store, locked)), 1))
                    })
                })?;
                pool.counters.add(Counter::LocalSessions, of_outage);
                Ok(locked)
            }
        }
    }

    /// Reads without the lock; none if there is nothing.
    pub(super) fn peek(
        &self,
        digest: &Digest,
        buffer: &mut Vec<u8>,
        settings: &Settings,
    ) -> Result<Option<Found>> {
        match self {
            Self::Local(store) => Ok(store.peek(digest, buffer, settings)?.map(Found::from)),
            Self::Pool(pool) => {
                let (found, of_outage) = pool.ask(|attempt| {
                    let found = pool.peek(digest, buffer, settings).map(|found| (found, 0));
                    pool.or_here(attempt, found, settings, |refuge, began| {
                        Ok((refuge.peek(began, digest, buffer, settings)?, 1))
                    })
                })?;
                pool.counters.add(Counter::LocalSessions, of_outage);
                Ok(found)
            }
        }
    }

    /// Makes a fresh id count as a session that exists, without a lock.
    pub(super) fn make(&self, digest: &Digest, lifetime_s: u64, settings: &Settings) -> Result<()> {
        match self {
            Self::Local(store) => store.lock(digest, Open::CreateNew, settings).map(|_| ()),
            Self::Pool(pool) => pool.ask(|attempt| {
                let made = pool
                    .make_live()?
                    .run(async |cluster| cluster.make(digest, lifetime_s, settings).await);
                pool.or_here(attempt, made, settings, |refuge, began| {
                    refuge.lock(began, digest, Open::CreateNew, settings).map(|_| ())
                })
            }),
        }
    }

    /// Stores a session that is not locked, over whatever is there.
    pub(super) fn overwrite(
        &self,
        digest: &Digest,
        data: &[u8],
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<()> {
        match self {
            Self::Local(store) => {
                let locked = store.lock(digest, Open::Create, settings)?;
                let mut locked = locked.expect("a file that is made if it is missing");
                store.commit(&mut locked, data, lifetime_s, settings)
            }
            Self::Pool(pool) => pool.ask(|attempt| {
                let stored = pool.make_live()?.run(async |cluster| {
                    cluster.overwrite(digest, data, lifetime_s, settings).await
                });
                pool.forget_here(&stored, digest, settings)?;
                pool.or_here(attempt, stored, settings, |refuge, began| {
                    let locked = refuge.lock(began, digest, Open::Create, settings)?;
                    let (store, mut locked) = locked.expect("a file that is made if it is missing");
                    store.commit(&mut locked, data, lifetime_s, settings)
                })
            }),
        }
    }

    /// Marks a session that is not locked as used, and leaves what others have made of it as it is;
    /// false if there is none.
    pub(super) fn touch_unlocked(
        &self,
        digest: &Digest,
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<bool> {
        let at_once = Settings { lock_wait: Duration::ZERO, ..settings.clone() };
        match self {
            Self::Local(store) => {
                let locked = store.lock(digest, Open::Existing, &at_once);
                touch_file(store, locked, lifetime_s, settings)
            }
            Self::Pool(pool) => pool.ask(|attempt| {
                let touched = pool.make_live()?.run(async |cluster| {
                    cluster.touch_unlocked(digest, lifetime_s, settings).await
                });
                pool.or_here(attempt, touched, settings, |refuge, began| {
                    let locked = refuge.lock(began, digest, Open::Existing, &at_once);
                    let store = refuge.used_store().expect("it was just used");
                    let locked = locked.map(|locked| locked.map(|(_, locked)| locked));
                    touch_file(store, locked, lifetime_s, settings)
                })
            }),
        }
    }

    pub(super) fn destroy(
        &self,
        digest: &Digest,
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<()> {
        match self {
            Self::Local(store) => store.destroy(digest, settings.sync),
            Self::Pool(pool) => pool.ask(|attempt| {
                let destroyed = pool
                    .make_live()?
                    .run(async |cluster| cluster.destroy(digest, lifetime_s, settings).await);
                pool.forget_here(&destroyed, digest, settings)?;
                pool.or_here(attempt, destroyed, settings, |refuge, _| {
                    refuge.bury(digest, lifetime_s, settings)
                })
            }),
        }
    }

    /// The sessions on this machine's disk, if there are any: all of them, or those of an outage.
    pub(super) fn files(&self) -> Option<&local::Store> {
        match self {
            Self::Local(store) => Some(store),
            Self::Pool(pool) => pool.refuge.used_store().map(|store| &**store),
        }
    }

    /// What has to be looked at while nodes are down; none if all are up.
    pub fn with_node_down(&self) -> Option<Arc<Live>> {
        match self {
            Self::Local(_) => None,
            Self::Pool(pool) => Some(pool).filter(|pool| pool.board.is_any_down())?.live(),
        }
    }

    /// What the server's log has to be told since the last call.
    pub fn notices(&self) -> Vec<String> {
        match self {
            Self::Local(_) => Vec::new(),
            Self::Pool(pool) => {
                let live = pool.live.borrow();
                let own = live.as_ref().filter(|(owner, _)| *owner == process_id());
                let mut notices = own.map_or_else(Vec::new, |(_, live)| live.notices());
                notices.extend(pool.refuge.notices());
                notices
            }
        }
    }

    /// The failures of delayed writes, told once.
    pub(super) fn delayed_failures(&self) -> Vec<Error> {
        match self {
            Self::Local(_) => Vec::new(),
            Self::Pool(pool) => {
                pool.live().map_or_else(Vec::new, |live| live.cluster().delayed_failures())
            }
        }
    }

    /// How often this process has waited for a node.
    pub(super) fn round_trips(&self) -> u64 {
        match self {
            Self::Local(_) => 0,
            Self::Pool(pool) => pool.round_trips(),
        }
    }
}
