//! What one request does with its session.
//!
//! The caller (PHP's session module) asks in this order, and may leave out or repeat any step:
//! [`Session::is_free`] or [`Session::validate`], [`Session::read`], [`Session::write`] or
//! [`Session::touch`] or [`Session::destroy`], [`Session::close`].
//!
//! * [`Session::validate`] of the id a browser sent takes the lock and reads at once; the read that
//!   follows takes its result, so strict mode costs nothing.
//! * The lock is held from then to [`Session::close`], whatever is written in between.
//! * A session belongs to the process that opened it. A fork of it neither writes nor unlocks it;
//!   it may open sessions of its own.

pub mod id;
pub mod record;

use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::BUFFER_BYTES_KEPT;
use crate::local::{Found, Locked, Open, Pace, Store};
use crate::stats::{Counter, Counters, RequestStats};
use id::{Digest, SessionId};
use rustix::process::Pid;
use std::rc::Rc;
use std::time::{Duration, Instant};

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
    /// What was lost, if the data is empty because the record was damaged.
    pub loss: Option<Error>,
}

/// One request's view of the sessions of a store.
#[derive(Debug)]
pub struct Session {
    store: Rc<Store>,
    settings: Settings,
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
    /// Whether what was read has yet to arrive at the caller; until then it must not be
    /// overwritten.
    undelivered: bool,
    buffer: Vec<u8>,
}

impl Session {
    /// A view of `store` for one request.
    pub fn new(store: Rc<Store>, settings: Settings, counters: &'static Counters) -> Self {
        Self {
            store,
            settings,
            counters,
            stats: RequestStats::default(),
            owner: rustix::process::getpid(),
            held: None,
            fresh: None,
            validated: None,
            undelivered: false,
            buffer: Vec::new(),
        }
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
        self.stats
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
        let free = !self.store.exists(&digest)?;
        if free {
            self.fresh = Some(digest);
        }
        Ok(free)
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
            return self.store.exists(&digest).unwrap_or(true);
        }
        let found = self.load(&digest, access, Open::Existing);
        match found {
            Ok(None | Some(Found::Ended)) => {
                self.held = None;
                false
            }
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
        self.undelivered = true;
        self.counters.add(Counter::Opens, 1);
        let loss = match found {
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
        self.stats.read_bytes += self.buffer.len() as u64;
        self.counters.add(Counter::ReadBytes, self.buffer.len() as u64);
        Ok(Data { bytes: &self.buffer, loss })
    }

    /// The caller has what [`Session::read`] gave.
    pub fn delivered(&mut self) {
        self.undelivered = false;
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
        // Unchanged data in a fork: its parent will say how the session ends.
        if self.is_forked() && data == self.buffer {
            return Ok(());
        }
        self.may_write(&digest)?;
        let (size, max) = (data.len() as u64, self.settings.max_size);
        if size > max {
            let text = format!(
                "session {digest} has {size} bytes, more than the {max} that sessclust.max_size \
                 allows, not saved"
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let started = Instant::now();
        let mut locked = match self.held.take_if(|held| *held.digest() == digest) {
            Some(locked) => locked,
            None => {
                self.held = None;
                // As session_id() followed by a write through a SessionHandler does it.
                self.load(&digest, Access::Locked, Open::Create)?;
                self.held.take().expect("loaded with the lock")
            }
        };
        let result = self.store.commit(&mut locked, data, lifetime_s, &self.settings);
        self.held = Some(locked);
        self.stats.write_us += micros(started.elapsed());
        result?;
        self.stats.written_bytes += size;
        self.counters.add(Counter::Commits, 1);
        self.counters.add(Counter::WrittenBytes, size);
        Ok(())
    }

    /// Notes that the session was used and is unchanged.
    ///
    /// # Errors
    /// As [`Session::write`], which stores the data if there is no version to touch.
    pub fn touch(&mut self, id: SessionId<'_>, data: &[u8], lifetime_s: u64) -> Result<()> {
        let started = Instant::now();
        let touched = match &self.held {
            Some(held) if *held.digest() == id.digest() && !self.is_forked() => {
                self.store.touch(held, lifetime_s)?
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
    /// A session that was read and not delivered stays: memory ran out in between, and PHP (from
    /// 8.2.35 on) gives the session up as it does with bad data. A request with more memory can
    /// still read it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn destroy(&mut self, id: SessionId<'_>) -> Result<()> {
        let digest = id.digest();
        if self.holds(&digest) {
            let held = self.held.take();
            if std::mem::take(&mut self.undelivered) {
                return Ok(());
            }
            // Removed before it is unlocked, so that whoever waits finds it gone.
            self.store.destroy(&digest)?;
            drop(held);
        } else {
            self.store.destroy(&digest)?;
        }
        self.counters.add(Counter::Destroys, 1);
        Ok(())
    }

    /// Removes every session that has ended; says how many.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn sweep_all(&mut self, lifetime_s: u64) -> Result<u64> {
        let removed = self.store.sweep_all(lifetime_s)?;
        Ok(self.swept(Ok(removed)))
    }

    /// One bounded step of removing ended sessions, due or not; says how many went. Chance asked
    /// for it, so nobody is told if it fails: it is counted, and what stays is left for the next
    /// round.
    pub fn sweep_step(&mut self, lifetime_s: u64) -> u64 {
        self.swept(self.store.sweep_step(lifetime_s, Pace::Now))
    }

    /// Ends the request: gives the lock back, and removes some ended sessions if that is due.
    pub fn close(&mut self, lifetime_s: u64) {
        self.held = None;
        self.fresh = None;
        self.validated = None;
        self.undelivered = false;
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
        if self.settings.auto_gc && !self.is_forked() {
            self.swept(self.store.sweep_if_due(lifetime_s));
        }
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
            Access::Locked => self.load_locked(digest, open),
            Access::Unlocked => self.load_unlocked(digest, open),
        };
        let waited_us = self.stats.lock_wait_us - waited_us;
        self.stats.read_us += micros(started.elapsed()).saturating_sub(waited_us);
        found
    }

    fn load_locked(&mut self, digest: &Digest, open: Open) -> Result<Option<Found>> {
        if self.is_forked() {
            self.forget_inherited();
            self.owner = rustix::process::getpid();
        }
        // session_reset() reads again under the lock that it has.
        if !self.holds(digest) {
            self.held = None;
            let started = Instant::now();
            let locked = self.store.lock(digest, open, &self.settings);
            match &locked {
                Ok(locked) => {
                    self.count_wait(locked.as_ref().map_or(Duration::ZERO, Locked::waited))
                }
                Err(error) if error.kind() == ErrorKind::Locked => {
                    self.count_wait(started.elapsed());
                    self.counters.add(Counter::LockFailures, 1);
                }
                Err(_) => {}
            }
            self.held = locked?;
        }
        match &mut self.held {
            Some(held) => self.store.read(held, &mut self.buffer).map(Some),
            None => Ok(None),
        }
    }

    fn load_unlocked(&mut self, digest: &Digest, open: Open) -> Result<Option<Found>> {
        self.held = None;
        if open == Open::CreateNew {
            // The browser gets this id, so it has to count as existing when it comes back.
            self.store.lock(digest, open, &self.settings)?;
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
        rustix::process::getpid() != self.owner
    }

    fn may_write(&self, digest: &Digest) -> Result<()> {
        if self.is_forked() {
            let text = format!(
                "session {digest} belongs to process {}, of which this one is a fork, not saved",
                self.owner
            );
            return Err(Error::new(ErrorKind::Forked, text));
        }
        if self.undelivered && self.holds(digest) {
            let text =
                format!("session {digest} could not be read into PHP, so it is not overwritten");
            return Err(Error::new(ErrorKind::NotDelivered, text));
        }
        Ok(())
    }
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}
