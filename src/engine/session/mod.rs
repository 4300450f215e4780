//! What one request does with its session.
//!
//! The caller (PHP's session module) asks in this order, and may leave out or repeat any step:
//! [`Session::is_free`] or [`Session::validate`], [`Session::read`], [`Session::write`] or
//! [`Session::touch`] or [`Session::destroy`], [`Session::close`].
//!
//! * [`Session::validate`] of the id a browser sent takes the lock and reads at once; the read that
//!   follows takes its result, so strict mode costs nothing.
//! * The lock is held from then to [`Session::close`], whatever is written in between.
//! * In a pool, committing gives the lock back, for PHP closes a session right after. Whoever
//!   writes twice takes the lock again for the second time.
//! * A session belongs to the process that opened it. A fork of it neither writes nor unlocks it;
//!   it may open sessions of its own.

pub mod id;
pub mod record;
mod refuge;
mod store;

pub use store::{Live, Pool, Store};

use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::local::{Open, Pace};
use crate::machine::process_id;
use crate::stats::{Counter, Counters, RequestStats};
use id::{Digest, SessionId};
use rustix::process::Pid;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Found, Locked};

/// What a thread has to do beside the requests of a process: [renew](Live::renew) locks, and
/// [probe](Live::probe) nodes that are down.
pub struct Care {
    /// Where.
    pub live: Arc<Live>,
    /// After which time first.
    pub due: Duration,
    /// Time between two looks at nodes that are down.
    pub probe_interval: Duration,
    /// How long such a look may take.
    pub probe_timeout: Duration,
}

/// Whether a read keeps others out until the session is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The session is locked until it is closed.
    Locked,
    /// No lock is taken or waited for: the session is closed right after reading.
    Unlocked,
}

/// What a read hands out.
#[derive(Debug)]
pub struct Data<'a> {
    /// The session's data; empty for a new session.
    pub bytes: &'a [u8],
    /// What was lost: this session, if its data is empty because the record was damaged; or what an
    /// earlier request of this process had written without waiting for the answer.
    pub loss: Option<Error>,
}

/// One request's view of the sessions of a store.
pub struct Session {
    store: Rc<Store>,
    settings: Settings,
    /// What others are told that this process is running.
    script: Vec<u8>,
    /// Seconds that a session lives after its last use, as far as the caller has said.
    lifetime_s: u64,
    /// How often this process had waited for a node before.
    round_trips_before: u64,
    counters: &'static Counters,
    stats: RequestStats,
    /// The process that opened the session last read.
    owner: Pid,
    /// The session whose lock is held.
    held: Option<Locked>,
    /// A fresh id, found free and not read yet: it does not count as existing.
    fresh: Option<Digest>,
    /// What [`Session::validate`] has read for the read that follows.
    validated: Option<(Digest, Access, Result<Found>)>,
    /// The session that the caller has asked for and not got yet; until then what is stored must
    /// not be overwritten.
    undelivered: Option<Digest>,
    buffer: Vec<u8>,
}

impl Session {
    /// A view of `store` for one request.
    pub fn new(store: Rc<Store>, settings: Settings, counters: &'static Counters) -> Self {
        Self {
            round_trips_before: store.round_trips(),
            store,
            settings,
            script: Vec::new(),
            lifetime_s: 0,
            counters,
            stats: RequestStats::default(),
            owner: process_id(),
            held: None,
            fresh: None,
            validated: None,
            undelivered: None,
            buffer: Vec::new(),
        }
    }

    /// What others are told about the holder of this session: the script's path.
    pub fn set_script(&mut self, script: &[u8]) {
        self.script = script.to_vec();
    }

    /// How long a session lives after its last use, in seconds; 0: no end.
    pub fn set_lifetime(&mut self, lifetime_s: u64) {
        self.lifetime_s = lifetime_s;
        self.store.expect_lifetime(lifetime_s);
    }

    /// Lets go of an inherited session without unlocking it, in the child of a fork: if the parent
    /// is killed, the lock must go with it, and it stays as long as a child has the file open.
    pub fn forget_inherited(&mut self) {
        if self.is_forked() {
            self.held = None;
            self.validated = None;
        }
    }

    /// What the session has cost so far.
    pub fn stats(&self) -> RequestStats {
        // A fork counts its own, from 0.
        let round_trips = self.store.round_trips().saturating_sub(self.round_trips_before);
        RequestStats { round_trips, ..self.stats }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether a newly drawn id is in nobody's use. If so, it counts as fresh until it is read.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn is_free(&mut self, id: SessionId<'_>) -> Result<bool> {
        let digest = id.digest();
        let free = self.store.is_free(&digest)?;
        if free {
            self.fresh = Some(digest);
        }
        Ok(free)
    }

    /// An id to use in place of a newly drawn one, so that the session will be on the node that is
    /// named as this machine's; none if there is none. It is 4 characters longer.
    ///
    /// # Errors
    /// Those of the first use of a pool: [`ErrorKind::Config`], [`ErrorKind::Io`].
    pub fn draw_near(&mut self, id: SessionId<'_>) -> Result<Option<Vec<u8>>> {
        let drawn = self.store.draw_near(id)?;
        if let Some(drawn) = &drawn {
            self.fresh = Some(SessionId::parse(drawn)?.digest());
        }
        Ok(drawn)
    }

    /// What has to be done beside the request; none if there is nothing.
    pub fn care(&self) -> Option<Care> {
        let Settings { lock_lease, probe_interval, connect_timeout, .. } = self.settings;
        let held = self.held.as_ref().and_then(Locked::live);
        let down = self.store.with_node_down();
        let due = [held.as_ref().map(|_| lock_lease / 3), down.as_ref().map(|_| probe_interval)];
        Some(Care {
            due: due.into_iter().flatten().min()?,
            live: held.or(down)?,
            probe_interval,
            probe_timeout: connect_timeout,
        })
    }

    /// Whether a session exists, for strict mode. Its lock is taken and its data read on the way,
    /// unless another session is held: then the caller only looks for a free id.
    ///
    /// An error is not an answer: saying no would log somebody out. It is kept for the read.
    pub fn validate(&mut self, id: SessionId<'_>, access: Access) -> bool {
        let digest = id.digest();
        if self.fresh == Some(digest) {
            return false;
        }
        if self.holds(&digest) {
            return true;
        }
        if self.held.is_some() {
            return self.store.exists(&digest, &self.settings).unwrap_or(true);
        }
        let found = self.load(&digest, access, Open::Existing);
        match found {
            Ok(None | Some(Found::Ended)) => false,
            Ok(Some(found)) => {
                self.validated = Some((digest, access, Ok(found)));
                true
            }
            Err(error) => {
                self.validated = Some((digest, access, Err(error)));
                true
            }
        }
    }

    /// The session's data. With [`Access::Locked`] nobody else gets it before [`Session::close`].
    ///
    /// The caller says with [`Session::delivered`] that it has copied the data.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`], [`ErrorKind::ForeignFile`], [`ErrorKind::NewerFormat`],
    /// [`ErrorKind::Collision`], [`ErrorKind::Directory`], [`ErrorKind::Io`].
    pub fn read(&mut self, id: SessionId<'_>, access: Access) -> Result<Data<'_>> {
        let digest = id.digest();
        self.undelivered = Some(digest);
        let found = match self.validated.take() {
            Some((validated, with, found)) if validated == digest && with == access => found?,
            _ => {
                let open = match self.fresh == Some(digest) {
                    true => Open::CreateNew,
                    false => Open::Create,
                };
                self.load(&digest, access, open)?.unwrap_or(Found::Absent)
            }
        };
        self.fresh = None;
        self.counters.add(Counter::Opens, 1);
        let mut loss = match found {
            Found::Data => {
                self.counters.add(Counter::Hits, 1);
                None
            }
            Found::Absent | Found::Ended => {
                self.buffer.clear();
                None
            }
            Found::Damaged(reason) => {
                self.counters.add(Counter::Damaged, 1);
                let text = format!("data of session {digest} is damaged ({reason}), starting anew");
                Some(Error::new(ErrorKind::Damaged, text))
            }
        };
        // What an earlier request was told to be saved, and was not.
        loss = loss.or_else(|| self.store.delayed_failures().into_iter().next());
        self.stats.read_bytes += self.buffer.len() as u64;
        self.counters.add(Counter::ReadBytes, self.buffer.len() as u64);
        Ok(Data { bytes: &self.buffer, loss })
    }

    /// The caller has what [`Session::read`] gave.
    pub fn delivered(&mut self) {
        self.undelivered = None;
    }

    /// Stores the session's data, which lives for `lifetime_s` seconds after its last use (0: no
    /// end).
    ///
    /// # Errors
    /// Nothing was saved: [`ErrorKind::TooLarge`], [`ErrorKind::Destroyed`], [`ErrorKind::Forked`],
    /// [`ErrorKind::NotDelivered`], [`ErrorKind::Io`], and those of [`Session::read`] if the
    /// session has to be opened first.
    pub fn write(&mut self, id: SessionId<'_>, data: &[u8], lifetime_s: u64) -> Result<()> {
        let digest = id.digest();
        self.may_write(&digest, data)?;
        if self.is_forked() {
            return Ok(());
        }
        let started = Instant::now();
        let settings = &self.settings;
        match self.held.as_mut().filter(|held| *held.digest() == digest) {
            Some(held) => held.commit(data, lifetime_s, &self.script, settings)?,
            None if !settings.lock => {
                self.store.overwrite(&digest, data, lifetime_s, settings)?;
            }
            // A session that is not the one in use, as a SessionHandler can be told to write. The
            // one in use stays locked.
            None => {
                let locked = self.store.lock(&digest, Open::Create, &self.script, settings)?;
                let mut locked = locked.expect("a session that is made if it is missing");
                locked.commit(data, lifetime_s, &self.script, settings)?;
            }
        }
        self.stats.write_us += micros(started.elapsed());
        self.stats.written_bytes += data.len() as u64;
        self.counters.add(Counter::Commits, 1);
        self.counters.add(Counter::WrittenBytes, data.len() as u64);
        Ok(())
    }

    /// Notes that the session was used and is unchanged.
    ///
    /// # Errors
    /// As [`Session::write`], which stores the data if there is no version to touch.
    pub fn touch(&mut self, id: SessionId<'_>, data: &[u8], lifetime_s: u64) -> Result<()> {
        let started = Instant::now();
        let is_forked = self.is_forked();
        let touched = match &mut self.held {
            Some(held) if *held.digest() == id.digest() && !is_forked => {
                held.touch(lifetime_s, &self.settings)?
            }
            // What others have stored since must not be undone by who has changed nothing.
            None if !self.settings.lock && !is_forked => {
                self.store.touch_unlocked(&id.digest(), lifetime_s, &self.settings)?
            }
            _ => false,
        };
        if !touched {
            return self.write(id, data, lifetime_s);
        }
        self.stats.write_us += micros(started.elapsed());
        self.counters.add(Counter::Touches, 1);
        Ok(())
    }

    /// Removes a session, whoever holds it; one that does not exist counts as removed.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::Indeterminate`].
    pub fn destroy(&mut self, id: SessionId<'_>) -> Result<()> {
        let digest = id.digest();
        // Removed before it is unlocked, so that whoever waits finds it gone.
        let removed = self.store.destroy(&digest, self.lifetime_s, &self.settings);
        if self.holds(&digest) {
            self.held = None;
        }
        removed?;
        self.counters.add(Counter::Destroys, 1);
        Ok(())
    }

    /// Removes every session that has ended; says how many.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn sweep_all(&mut self, lifetime_s: u64) -> Result<u64> {
        // Nodes remove what has ended by themselves.
        let removed = self.store.files().map_or(Ok(0), |store| store.sweep_all(lifetime_s))?;
        Ok(self.swept(Ok(removed)))
    }

    /// One bounded step of removing ended sessions, due or not; says how many went. Chance asked
    /// for it, so nobody is told if it fails: it is counted, and what stays is left for the next
    /// round.
    pub fn sweep_step(&mut self, lifetime_s: u64) -> u64 {
        self.store.files().map_or(0, |store| self.swept(store.sweep_step(lifetime_s, Pace::Now)))
    }

    /// Ends the request: gives the lock back, and removes some ended sessions if that is due.
    /// `lifetime_s` is not known if nothing was read or written. Says what the session has cost.
    pub fn close(&mut self, lifetime_s: Option<u64>) -> RequestStats {
        self.held = None;
        if let Some(lifetime_s) = lifetime_s
            && let Some(store) = self.store.files()
            && self.settings.auto_gc
            && !self.is_forked()
        {
            self.swept(store.sweep_if_due(lifetime_s));
        }
        self.stats()
    }

    fn swept(&self, result: Result<u64>) -> u64 {
        match result {
            Ok(removed) => {
                self.counters.add(Counter::Swept, removed);
                removed
            }
            Err(_) => {
                self.counters.add(Counter::SweepErrors, 1);
                0
            }
        }
    }

    /// Reads a session into the buffer; `None` if it has no file and [`Open::Existing`] makes none.
    fn load(&mut self, digest: &Digest, access: Access, open: Open) -> Result<Option<Found>> {
        let started = Instant::now();
        let waited_us = self.stats.lock_wait_us;
        let found = match access {
            Access::Locked if self.settings.lock => self.load_locked(digest, open, started),
            Access::Locked | Access::Unlocked => self.load_unlocked(digest, open),
        };
        let waited_us = self.stats.lock_wait_us - waited_us;
        self.stats.read_us += micros(started.elapsed()).saturating_sub(waited_us);
        found
    }

    fn load_locked(
        &mut self,
        digest: &Digest,
        open: Open,
        mut started: Instant,
    ) -> Result<Option<Found>> {
        if self.is_forked() {
            self.forget_inherited();
            self.owner = process_id();
        }
        // session_reset() reads again under the lock that it has, unless the session was destroyed.
        let mut held = self.held.take().filter(|held| held.digest() == digest);
        if let Some(locked) = &held
            && !locked.is_still_locked()?
        {
            held = None;
        }
        loop {
            let mut locked = match held.take() {
                Some(locked) => locked,
                None => match self.lock(digest, open, started)? {
                    Some(locked) => locked,
                    None => return Ok(None),
                },
            };
            let found = locked.read(&mut self.buffer)?;
            if found != Found::Ended {
                if locked.is_recovered() {
                    self.counters.add(Counter::Recovered, 1);
                }
                self.held = Some(locked);
                return Ok(Some(found));
            }
            // Nothing of it must come back, not even if the write of the next version is torn.
            self.store.destroy(digest, self.lifetime_s, &self.settings)?;
            if open == Open::Existing {
                return Ok(Some(Found::Ended));
            }
            started = Instant::now();
        }
    }

    /// Locks a session, for which was asked then.
    fn lock(&mut self, digest: &Digest, open: Open, asked: Instant) -> Result<Option<Locked>> {
        let locked = self.store.lock(digest, open, &self.script, &self.settings);
        match &locked {
            Ok(locked) => self.count_wait(locked.as_ref().map_or(Duration::ZERO, Locked::waited)),
            Err(error) if error.kind() == ErrorKind::Locked => {
                self.count_wait(asked.elapsed());
                self.counters.add(Counter::LockFailures, 1);
            }
            Err(_) => {}
        }
        locked
    }

    fn load_unlocked(&mut self, digest: &Digest, open: Open) -> Result<Option<Found>> {
        self.held = None;
        if open == Open::CreateNew {
            // The browser gets this id, so it has to count as existing when it comes back.
            self.store.make(digest, self.lifetime_s, &self.settings)?;
            self.buffer.clear();
            return Ok(Some(Found::Absent));
        }
        self.store.peek(digest, &mut self.buffer, &self.settings)
    }

    fn count_wait(&mut self, waited: Duration) {
        if !waited.is_zero() {
            self.stats.lock_wait_us += micros(waited);
            self.counters.add(Counter::Waits, 1);
            self.counters.add(Counter::WaitMicros, micros(waited));
        }
    }

    fn holds(&self, digest: &Digest) -> bool {
        self.held.as_ref().is_some_and(|held| held.digest() == digest)
    }

    fn is_forked(&self) -> bool {
        process_id() != self.owner
    }

    /// Refuses what must not be saved.
    fn may_write(&self, digest: &Digest, data: &[u8]) -> Result<()> {
        // Unchanged data in a fork are no loss: its parent will say how the session ends.
        if self.is_forked() && data != self.buffer {
            let text = format!(
                "process {} had opened its session before this one was forked from it; session \
                 {digest} is not saved",
                self.owner
            );
            return Err(Error::new(ErrorKind::Forked, text));
        }
        if self.undelivered == Some(*digest) {
            let text =
                format!("session {digest} could not be read into PHP, so it is not overwritten");
            return Err(Error::new(ErrorKind::NotDelivered, text));
        }
        let (size, max) = (data.len() as u64, self.settings.max_size);
        if size > max {
            let text = format!(
                "session {digest} has {size} bytes, more than the {max} that sessclust.max_size \
                 allows, not saved"
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        Ok(())
    }
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}
