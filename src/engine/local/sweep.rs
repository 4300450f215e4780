//! Removing sessions that have ended.
//!
//! A *sweep* goes through the files in the order of their digests. The automatic one looks at a
//! bounded number of files at a time and keeps its place in the file `gc` of the store, so that all
//! processes of the store share one round; its pace is such that a round takes a quarter of the
//! lifetime. Debian sets `session.gc_probability = 0` and cleans the `files` handler's directory by
//! cron, so without it nothing would ever be removed. A full sweep (`session_gc()`) looks at every
//! file.
//!
//! A session is removed when it has been idle for longer than its own lifetime, so an application
//! with a short one does not end another's sessions. A file without a whole record goes by the
//! caller's lifetime. One that is locked is in use and stays.

use super::{Open, Store, idle_s, is_past, lock, read_at, write_at};
use crate::error::{Error, Result};
use crate::limits::{SWEEP_CHECK, SWEEP_FILES_MAX, SWEEP_REMOVALS_MAX};
use crate::session::id::Digest;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// A round of the automatic sweep takes this part of the lifetime.
const ROUNDS_PER_LIFETIME: u64 = 4;

/// A file's name within the store: all digits of a digest.
type Name = [u8; Digest::HEX_BYTES];

/// When a new round of the automatic sweep may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// When a quarter of the lifetime has passed since the last one began.
    Due,
    /// At once: PHP's own gc, by `session.gc_probability`, asks for it.
    Now,
}

/// Where the automatic sweep stands: the file `gc`, one line of text of fixed length.
///
/// ```text
/// <last file looked at: 64 digits> <start of the round: 20 digits, Unix seconds> <done|more>
/// ```
///
/// Anything else, an empty file included, begins a new round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    last: Name,
    started_s: u64,
    done: bool,
}

impl Progress {
    const BYTES: usize = Digest::HEX_BYTES + 1 + 20 + 1 + 4 + 1;

    fn new_round(now_s: u64) -> Self {
        Self { last: [b'0'; Digest::HEX_BYTES], started_s: now_s, done: false }
    }

    fn encode(&self) -> String {
        let last = String::from_utf8_lossy(&self.last);
        let state = if self.done { "done" } else { "more" };
        format!("{last} {:020} {state}\n", self.started_s)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let [last, started, state] = text.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let last: Name = last.as_bytes().try_into().ok()?;
        Digest::from_hex(&last)?;
        Some(Self { last, started_s: started.parse().ok()?, done: state == "done" })
    }
}

/// What a step of a sweep did.
#[derive(Debug, Default)]
struct Step {
    removed: u64,
    /// The last file looked at, if others are left.
    next: Option<Name>,
    /// Why some files could not be looked at; the rest were.
    error: Option<Error>,
}

impl Step {
    fn into_result(self) -> Result<u64> {
        match self.error {
            None => Ok(self.removed),
            Some(error) => Err(error),
        }
    }
}

impl Store {
    /// Looks at every session and removes those that have ended; says how many.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`]: a directory cannot be read; the others are done all the same. A
    /// single file that cannot be read is passed over.
    pub fn sweep_all(&self, lifetime_s: u64) -> Result<u64> {
        let start = [b'0'; Digest::HEX_BYTES];
        self.sweep_from(&start, usize::MAX, u64::MAX, lifetime_s).into_result()
    }

    /// One step of the automatic sweep if one is due; says how many sessions it removed. Costs
    /// nothing within [`SWEEP_CHECK`] of the last call in this process, unless that left something
    /// to remove: a site that makes sessions quickly ends them as quickly.
    ///
    /// # Errors
    /// As [`Store::sweep_all`].
    pub fn sweep_if_due(&self, lifetime_s: u64) -> Result<u64> {
        let now = Instant::now();
        let waiting = |checked: Instant| now.duration_since(checked) < SWEEP_CHECK;
        if self.sweep_checked.replace(Some(now)).is_some_and(waiting) {
            return Ok(0);
        }
        let removed = self.sweep_step(lifetime_s, Pace::Due)?;
        if removed >= SWEEP_REMOVALS_MAX {
            self.sweep_checked.set(None);
        }
        Ok(removed)
    }

    /// One step of the automatic sweep; `pace` says whether a round may begin before it is due.
    ///
    /// # Errors
    /// As [`Store::sweep_all`].
    pub fn sweep_step(&self, lifetime_s: u64, pace: Pace) -> Result<u64> {
        let path = self.directory().join("gc");
        let failed = |error: Errno| Error::io(format!("cannot use {}", path.display()), error);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = match rustix::fs::open(&path, flags, super::directory::FILE_MODE) {
            // The store was removed: nothing is left to sweep.
            Err(Errno::NOENT) => return Ok(0),
            result => result.map_err(failed)?,
        };
        if !lock::try_lock(file.as_fd()).map_err(failed)? {
            return Ok(0);
        }
        let result = self.sweep_step_locked(&file, lifetime_s, pace, failed);
        lock::unlock(file.as_fd());
        result
    }

    fn sweep_step_locked(
        &self,
        file: &OwnedFd,
        lifetime_s: u64,
        pace: Pace,
        failed: impl Fn(Errno) -> Error,
    ) -> Result<u64> {
        let mut bytes = [0; Progress::BYTES];
        let length = read_at(file, &mut bytes, 0).map_err(&failed)?;
        let now_s = super::now_s();
        let begins = |progress: &Progress| {
            let age_s = now_s.abs_diff(progress.started_s);
            let is_due = age_s >= lifetime_s / ROUNDS_PER_LIFETIME;
            progress.done && (is_due || pace == Pace::Now)
        };
        let progress = match Progress::decode(&bytes[..length]) {
            Some(progress) if begins(&progress) => Progress::new_round(now_s),
            Some(progress) if progress.done => return Ok(0),
            Some(progress) => progress,
            None => Progress::new_round(now_s),
        };
        let step = self.sweep_from(&progress.last, SWEEP_FILES_MAX, SWEEP_REMOVALS_MAX, lifetime_s);
        let done = step.next.is_none();
        let progress = Progress { last: step.next.unwrap_or(progress.last), done, ..progress };
        write_at(file, progress.encode().as_bytes(), 0).map_err(&failed)?;
        step.into_result()
    }

    /// Looks at the files behind `last`, up to `files_max` of them, until `removals_max` are gone.
    fn sweep_from(
        &self,
        last: &Name,
        files_max: usize,
        removals_max: u64,
        lifetime_s: u64,
    ) -> Step {
        let first = Digest::from_hex(last).map_or(0, |digest| digest.as_bytes()[0]);
        let mut step = Step::default();
        let mut looked_at = 0;
        for shard in first..=u8::MAX {
            let mut names = self.shard_names(shard).unwrap_or_else(|error| {
                step.error.get_or_insert(error);
                Vec::new()
            });
            names.retain(|name| name > last);
            names.sort_unstable();
            for name in names {
                step.removed += u64::from(self.remove_if_past(&name, lifetime_s));
                looked_at += 1;
                if looked_at >= files_max || step.removed >= removals_max {
                    step.next = Some(name);
                    return step;
                }
            }
        }
        step
    }

    fn shard_names(&self, shard: u8) -> Result<Vec<Name>> {
        let prefix = format!("{shard:02x}");
        let path = self.directory().join(&prefix);
        let failed = |error: Errno| Error::io(format!("cannot list {}", path.display()), error);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in Dir::new(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name: Result<Name, _> =
                [prefix.as_bytes(), entry.file_name().to_bytes()].concat().try_into();
            // Whatever else lies there is not ours to remove.
            names.extend(name.ok().filter(|name| Digest::from_hex(name).is_some()));
        }
        Ok(names)
    }

    /// Removes a session if it has ended and nobody uses it. Errors leave it for the next round.
    ///
    /// Known race: between the last look and the removal somebody destroys this ended session and
    /// starts a new one under the same id. The new one goes, as if destroyed; ids are not used
    /// again otherwise.
    fn remove_if_past(&self, name: &Name, lifetime_s: u64) -> bool {
        let Some(digest) = Digest::from_hex(name) else { return false };
        let stat = self
            .with_path(&digest, |path| rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW));
        // The cheap look, which settles nearly all: used within the caller's lifetime.
        if !stat.is_ok_and(|stat| idle_s(&stat) > lifetime_s) {
            return false;
        }
        let Ok(Some(file)) = self.open_file(&digest, Open::Existing) else { return false };
        if !lock::try_lock(file.as_fd()).unwrap_or(false) {
            return false;
        }
        let removed = self.has_ended(&file, &digest, lifetime_s).unwrap_or(false)
            && self.destroy(&digest, false).is_ok();
        lock::unlock(file.as_fd());
        removed
    }

    /// Whether a locked session is past its own end, or past the caller's if it has none. Its data
    /// are not read: the header says enough.
    fn has_ended(&self, file: &OwnedFd, digest: &Digest, lifetime_s: u64) -> Result<bool> {
        // Again, now that nobody can use it any more.
        let stat = self.checked_stat(file, digest)?;
        if stat.st_nlink == 0 || idle_s(&stat) <= lifetime_s {
            return Ok(false);
        }
        let page = self.read_page(file, &stat, digest)?.1;
        Ok(page.live().is_none_or(|live| {
            live.header.lifetime_s == 0 || is_past(&stat, live.header.lifetime_s)
        }))
    }
}
