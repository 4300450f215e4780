//! Where a machine keeps the sessions of a pool while no node of them answers, by
//! `sessclust.on_outage = local`; and what has to be done with them when nodes are back.
//!
//! ```text
//! /var/tmp/sessclust-u<uid>/outage-<pool>/state      the last outage
//! /var/tmp/sessclust-u<uid>/outage-<pool>/u<uid>/    an embedded store, for this pool alone
//! ```
//!
//! * A session has the same digest in this store as in the pool. What it holds is its *stand-in*:
//!   used during the outage in which it was made, and moved to the pool afterwards if that has
//!   nothing of the session; otherwise it is given up for what the pool has.
//! * A session that is destroyed during an outage leaves a *grave*: a file named by the complement
//!   of its digest. Whoever of this machine wants the session next destroys it in the pool first.
//! * The state is a file without bytes. Writable: the outage goes on. Modified: when it began.
//!   Accessed: when it ended, which is when a node was first seen to answer; that is counted from
//!   the start of the machine, so that no clock that is set matters, and any other access is one in
//!   a far future. It is per machine and user, so an outage is told once, however many processes
//!   run into it.
//! * From its end on, sessions are in the pool. Whoever was told that no node answers, and had
//!   asked before, is *too late*: it neither begins the outage again nor uses a stand-in, but asks
//!   again. So does who would be the first to begin one: others may have been answered meanwhile,
//!   and have left no trace, as there was no outage to be ended.

use super::id::Digest;
use super::store::Found;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::limits::OUTAGE_PAUSE;
use crate::local::{self, Open, Used};
use crate::node::{System, World};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::{Errno, retry_on_intr};
use std::cell::{OnceCell, RefCell};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// A grave is kept for as long as a tombstone in the pool would be.
const GRAVE_EXTRA_S: u64 = 3600;

/// What a machine has of a pool that cannot be reached.
pub(super) struct Refuge {
    base: PathBuf,
    state: PathBuf,
    /// Whose it is.
    uid: u32,
    /// Made when it is needed for the first time.
    store: OnceCell<Rc<local::Store>>,
    /// What the server's log should be told.
    notices: RefCell<Vec<String>>,
}

/// An outage that a request has run into.
#[derive(Clone, Copy)]
pub(super) struct Outage {
    pub(super) began: Used,
    /// Whether this request is the first to notice.
    pub(super) is_first: bool,
    /// When the one before ended, in what its state says.
    ended: Duration,
}

/// One of the times that a request asks the pool for the same thing.
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    /// When, as [`World::uptime`](crate::node::World::uptime).
    pub(super) asked: Duration,
    pub(super) is_first: bool,
    /// Never too late.
    pub(super) is_last: bool,
}

/// A session that was kept on this machine, locked.
pub(super) struct StandIn {
    store: Rc<local::Store>,
    locked: local::Locked,
    pub(super) data: Vec<u8>,
}

impl StandIn {
    /// Removes it: the pool has the session now.
    pub(super) fn remove(self) -> Result<()> {
        // Before it is unlocked, so that whoever waits finds it gone.
        self.store.destroy(self.locked.digest(), false)
    }
}

impl Refuge {
    /// The refuge of the pool of this name. Nothing is made yet.
    pub(super) fn of(pool: u64) -> Self {
        let base = local::Store::directory_of(None).join(format!("outage-{pool:016x}"));
        Self {
            state: base.join("state"),
            base,
            uid: local::Store::current_uid(),
            store: OnceCell::new(),
            notices: RefCell::default(),
        }
    }

    /// Whether it is the calling user's.
    pub(super) fn is_own(&self) -> bool {
        self.uid == local::Store::current_uid()
    }

    /// The store, if this process has used it.
    pub(super) fn used_store(&self) -> Option<&Rc<local::Store>> {
        self.store.get()
    }

    /// What the server's log should be told, once.
    pub(super) fn notices(&self) -> Vec<String> {
        self.notices.take()
    }

    /// No node has answered, as `why` says. None if that is too late, or has to be confirmed.
    pub(super) fn enter(&self, attempt: Attempt, why: &Error) -> Result<Option<Outage>> {
        self.store()?;
        let outage = self.begin(attempt).map_err(|error| self.failed(error))?;
        if outage.is_some_and(|outage| outage.is_first) {
            self.notices.borrow_mut().push(format!(
                "{why}. Until a node answers, this machine keeps sessions in {} \
                 (sessclust.on_outage = local)",
                self.base.display()
            ));
        }
        Ok(outage)
    }

    fn begin(&self, attempt: Attempt) -> rustix::io::Result<Option<Outage>> {
        let may_begin = !attempt.is_first;
        let Some((file, mut is_first)) = self.open_state(may_begin)? else { return Ok(None) };
        let mut stat = rustix::fs::fstat(&file)?;
        if !goes_on(&stat) && !may_begin {
            return Ok(None);
        }
        let is_too_late = |stat: &Stat| !attempt.is_last && has_ended_since(stat, attempt.asked);
        let is_to_begin = |stat: &Stat| !goes_on(stat) && !is_too_late(stat);
        if is_to_begin(&stat) {
            // One process says when an outage begins. The lock goes with the file.
            retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
            stat = rustix::fs::fstat(&file)?;
            if is_to_begin(&stat) {
                // A node that answers now and then makes no new outage each time.
                let changed = Duration::from_secs(u64::try_from(stat.st_ctime).unwrap_or(0));
                let changed = SystemTime::UNIX_EPOCH + changed;
                is_first = changed.elapsed().is_ok_and(|since| since >= OUTAGE_PAUSE);
                if is_first {
                    let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
                    let times = Timestamps { last_access: OMIT, last_modification: now };
                    rustix::fs::futimens(&file, &times)?;
                }
                rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
                stat = rustix::fs::fstat(&file)?;
            }
        }
        let outage = Outage { began: Used::of(&stat), is_first, ended: ended(&stat) };
        Ok(Some(outage).filter(|_| is_first || !is_too_late(&stat)))
    }

    /// The state, and whether it was just made; none if it is not there and is not to be made.
    fn open_state(&self, may_make: bool) -> rustix::io::Result<Option<(OwnedFd, bool)>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        loop {
            match rustix::fs::open(&self.state, flags, Mode::empty()) {
                Err(Errno::NOENT) if may_make => {}
                Err(Errno::NOENT) => return Ok(None),
                found => return Ok(Some((found?, false))),
            }
            let flags = flags | OFlags::CREATE | OFlags::EXCL;
            match rustix::fs::open(&self.state, flags, Mode::RUSR | Mode::WUSR) {
                Err(Errno::EXIST) => {}
                made => return Ok(Some((made?, true))),
            }
        }
    }

    /// A node has answered. Says when the last outage began, if there was one: this machine may
    /// have something of the session then. One system call, as a rule.
    pub(super) fn leave(&self) -> Result<Option<Used>> {
        let stat = match rustix::fs::lstat(&self.state) {
            Err(Errno::NOENT) => return Ok(None),
            stat => stat.map_err(|error| self.failed(error))?,
        };
        if goes_on(&stat) {
            self.end(System.uptime()).map_err(|error| self.failed(error))?;
        }
        Ok(Some(Used::of(&stat)))
    }

    fn end(&self, now: Duration) -> rustix::io::Result<()> {
        // First: whoever finds that the outage is over has to find as well when it ended.
        let now =
            Timespec { tv_sec: now.as_secs().cast_signed(), tv_nsec: now.subsec_nanos().into() };
        let times = Timestamps { last_access: now, last_modification: OMIT };
        rustix::fs::utimensat(CWD, &self.state, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        rustix::fs::chmod(&self.state, Mode::RUSR)
    }

    /// Whether a node was seen to answer since the outage was entered.
    pub(super) fn has_ended(&self, outage: &Outage) -> Result<bool> {
        let stat = rustix::fs::lstat(&self.state).map_err(|error| self.failed(error))?;
        Ok(!goes_on(&stat) || ended(&stat) != outage.ended)
    }

    /// Whether there has been an outage. One system call.
    pub(super) fn has_state(&self) -> Result<bool> {
        match rustix::fs::lstat(&self.state) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Locks the session's stand-in of the outage that began then, waiting up to `lock_wait`; a new
    /// and empty one if there is none. None only of a session that was destroyed and shall exist.
    pub(super) fn lock(
        &self,
        began: Used,
        digest: &Digest,
        open: Open,
        settings: &Settings,
    ) -> Result<Option<(Rc<local::Store>, local::Locked)>> {
        let store = self.store()?;
        if open == Open::Existing && !store.exists(digest)? && self.is_buried(digest)? {
            return Ok(None);
        }
        loop {
            let locked = store.lock(digest, Open::Create, settings)?;
            let mut locked = locked.expect("a file that is made if it is missing");
            let is_of_before = store.last_used(digest)?.is_some_and(|used| used < began);
            let found = store.read(&mut locked, &mut Vec::new())?;
            if found == local::Found::Ended || found == local::Found::Data && is_of_before {
                store.destroy(digest, false)?;
                continue;
            }
            return Ok(Some((Rc::clone(store), locked)));
        }
    }

    /// Reads the session's stand-in of the outage that began then, without its lock. An empty one
    /// if there is none, for nobody knows whether there is such a session; none if it was destroyed
    /// here.
    pub(super) fn peek(
        &self,
        began: Used,
        digest: &Digest,
        buffer: &mut Vec<u8>,
        settings: &Settings,
    ) -> Result<Option<Found>> {
        let store = self.store()?;
        if store.last_used(digest)?.is_some_and(|used| used >= began)
            && let Some(found) = store.peek(digest, buffer, settings)?
            && found != local::Found::Ended
        {
            return Ok(Some(found.into()));
        }
        buffer.clear();
        Ok(Some(Found::Absent).filter(|_| !self.is_buried(digest).unwrap_or(false)))
    }

    /// Whether this machine has anything of a session.
    pub(super) fn knows(&self, digest: &Digest) -> Result<bool> {
        Ok(self.store()?.exists(digest)? || self.is_buried(digest)?)
    }

    /// The session's stand-in of the outage that began then, locked; none if there is none of it.
    /// One of an earlier outage is removed: the pool was to be had in between.
    pub(super) fn stand_in(
        &self,
        began: Used,
        digest: &Digest,
        settings: &Settings,
    ) -> Result<Option<StandIn>> {
        let store = self.store()?;
        // Whoever is still at work on it, since the outage, finishes first.
        let Some(mut locked) = store.lock(digest, Open::Existing, settings)? else {
            return Ok(None);
        };
        let is_of_before = store.last_used(digest)?.is_some_and(|used| used < began);
        let mut data = Vec::new();
        match store.read(&mut locked, &mut data)? {
            local::Found::Data if !is_of_before => {
                Ok(Some(StandIn { store: Rc::clone(store), locked, data }))
            }
            _ => store.destroy(digest, false).map(|()| None),
        }
    }

    /// Destroys a session while no node can be told.
    pub(super) fn bury(&self, digest: &Digest, lifetime_s: u64, settings: &Settings) -> Result<()> {
        let (store, grave) = (self.store()?, grave_of(digest));
        let kept_s = match lifetime_s {
            0 => 0,
            _ => lifetime_s.saturating_mul(2).saturating_add(GRAVE_EXTRA_S),
        };
        let locked = store.lock(&grave, Open::Create, settings)?;
        let mut locked = locked.expect("a file that is made if it is missing");
        store.commit(&mut locked, &lifetime_s.to_le_bytes(), kept_s, settings)?;
        store.destroy(digest, settings.sync)
    }

    /// The lifetime in seconds of a session that was destroyed while no node could be told.
    pub(super) fn buried(&self, digest: &Digest, settings: &Settings) -> Result<Option<u64>> {
        let mut lifetime_s = Vec::new();
        let found = self.store()?.peek(&grave_of(digest), &mut lifetime_s, settings)?;
        let is_there = found.is_some_and(|found| found != local::Found::Ended);
        // What is damaged says all the same that the session was destroyed.
        let lifetime_s = lifetime_s.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Ok(is_there.then_some(lifetime_s))
    }

    fn is_buried(&self, digest: &Digest) -> Result<bool> {
        self.store()?.exists(&grave_of(digest))
    }

    /// The pool knows that the session was destroyed.
    pub(super) fn fill_grave(&self, digest: &Digest) -> Result<()> {
        self.store()?.destroy(&grave_of(digest), false)
    }

    /// Removes all that this machine has of a session.
    pub(super) fn forget(&self, digest: &Digest) -> Result<()> {
        self.store()?.destroy(digest, false)?;
        self.fill_grave(digest)
    }

    fn store(&self) -> Result<&Rc<local::Store>> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        // The directory above is this user's alone from then on.
        local::Store::open(None)?;
        match rustix::fs::mkdir(&self.base, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(self.failed(error)),
        }
        let store = Rc::new(local::Store::open(Some(&self.base))?);
        Ok(self.store.get_or_init(|| store))
    }

    fn failed(&self, error: Errno) -> Error {
        Error::io(format!("cannot use {}", self.base.display()), error)
    }
}

const OMIT: Timespec = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };

/// Whether an outage with this state goes on.
fn goes_on(stat: &Stat) -> bool {
    Mode::from_raw_mode(stat.st_mode).contains(Mode::WUSR)
}

/// When the outage with this state has ended, or the one before it if it goes on.
fn ended(stat: &Stat) -> Duration {
    let (s, ns) = (stat.st_atime, stat.st_atime_nsec);
    Duration::new(u64::try_from(s).unwrap_or(0), u32::try_from(ns).unwrap_or(0))
}

/// Whether an outage with this state has ended since then.
fn has_ended_since(stat: &Stat, asked: Duration) -> bool {
    let ended = ended(stat);
    // Some file systems know no less than a second.
    let is_whole = ended.subsec_nanos() == 0;
    let asked = if is_whole { Duration::from_secs(asked.as_secs()) } else { asked };
    (asked..=System.uptime()).contains(&ended)
}

/// The digest of no session, as far as SHA-256 can be relied on.
fn grave_of(digest: &Digest) -> Digest {
    Digest::from_bytes(digest.as_bytes().map(|byte| !byte))
}
