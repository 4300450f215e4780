//! The embedded store: one file a session, on a local file system, needing no server.
//!
//! ```text
//! <base>/u<uid>/<2 digits>/<62 digits>   one session, named by its digest; bytes in format.rs
//! <base>/u<uid>/gc                       where the automatic sweep stands (sweep.rs)
//! ```
//!
//! * All processes of one user on this machine share a store; each user has a directory of mode
//!   0700.
//! * `flock` on the session's file is the lock (lock.rs). It is held from reading to closing.
//! * A commit writes into the slot that is not live: kill -9 in the middle leaves the version
//!   before.
//! * A destroyed session's file is unlinked. Whoever waited for it, or holds it, notices by the
//!   link count and neither reads nor writes a file that has no name any more.
//! * The file's modification time is the session's last use; its end is that plus the record's
//!   lifetime.
//!
//! What it does not do: survive the loss of the machine, or work on a network file system, where
//! neither `flock` nor writing in place can be relied on. It refuses those.

mod alarm;
mod directory;
pub mod format;
mod lock;
mod sweep;

pub use sweep::Pace;

use crate::config::{Settings, time_with_unit};
use crate::error::{Error, ErrorKind, Result};
use crate::machine::process_id;
use crate::session::id::Digest;
use crate::session::record::HeaderError;
use format::{INLINE_BYTES_MAX, PAGE_BYTES, Page, SLOT_HEADER_BYTES, Slot};
use rustix::buffer::spare_capacity;
use rustix::fs::{Access, AtFlags, CWD, FileType, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A file is cut when this many bytes behind both extents are unused.
const CUT_BYTES: u64 = 64 * 1024;

/// How often a reader without the lock looks again when a writer overtakes it, before it takes the
/// lock.
const PEEK_TRIES: u32 = 3;

/// A user's sessions on this machine.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    uid: u32,
    /// The directory's path, to which a session's name is appended; kept to save an allocation a
    /// call.
    path: RefCell<Vec<u8>>,
    /// When this process last looked whether a sweep is due.
    sweep_checked: Cell<Option<Instant>>,
}

/// How a session's file is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Only if it is there.
    Existing,
    /// Made if it is missing.
    Create,
    /// Made, and an error if it is there: the id is fresh.
    CreateNew,
}

/// What a session's file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Data, now in the caller's buffer.
    Data,
    /// Nothing: never written.
    Absent,
    /// Nothing any more: idle for longer than its lifetime.
    Ended,
    /// Bytes that fail their checks, and no older version.
    Damaged(HeaderError),
}

/// When a file was last used, by the clock of its file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    s: i64,
    ns: i64,
}

impl Used {
    /// That of a file with this state.
    pub fn of(stat: &Stat) -> Self {
        Self { s: stat.st_mtime, ns: stat.st_mtime_nsec as i64 }
    }
}

/// A session's file, locked by this process until it is dropped.
#[derive(Debug)]
pub struct Locked {
    file: OwnedFd,
    digest: Digest,
    /// What the file holds, once it has been read: a version that was not seen is never
    /// overwritten.
    page: Option<Page>,
    /// The file's state when it was locked, for the first read.
    stat: Option<Stat>,
    /// The process that took the lock. A fork shares the open file and must not unlock it.
    owner: rustix::process::Pid,
    waited: Duration,
}

impl Locked {
    /// The session.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Whether the newest version failed its checks and the one before it is used.
    pub fn is_recovered(&self) -> bool {
        self.page.is_some_and(|page| page.damage().is_some() && page.live().is_some())
    }

    /// How long the lock was waited for.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if process_id() == self.owner {
            lock::unlock(self.file.as_fd());
            // Who has waited was not the only one, as a rule: the next gets its turn now, and not
            // when this process has used up its time. With 8 processes at one session on 2 cores
            // the longest wait is then 20 ms, and was 70 ms.
            if !self.waited.is_zero() {
                rustix::thread::sched_yield();
            }
        }
    }
}

impl Store {
    /// The store of the calling user below `base`, made if it is missing. `None` is the default,
    /// `/var/tmp/sessclust-u<uid>`: it outlives a reboot, and needs nothing to be set up.
    ///
    /// # Errors
    /// [`ErrorKind::Directory`]: not a directory of this user's alone, or on a network file system.
    /// [`ErrorKind::Io`]: it cannot be made or looked at.
    pub fn open(base: Option<&Path>) -> Result<Self> {
        let uid = Self::current_uid();
        let directory = Self::directory_of(base);
        directory::prepare(&directory, uid)?;
        let path = RefCell::new(directory.as_os_str().as_bytes().to_vec());
        Ok(Self { directory, uid, path, sweep_checked: Cell::new(None) })
    }

    /// Where the calling user's store below `base` is, made or not.
    pub fn directory_of(base: Option<&Path>) -> PathBuf {
        let uid = Self::current_uid();
        match base {
            Some(base) => base.join(format!("u{uid}")),
            None => PathBuf::from(format!("/var/tmp/sessclust-u{uid}")),
        }
    }

    /// The user as whom this process acts now.
    pub fn current_uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// The store's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether sessions can be made in it: it is there, and this user may write.
    pub fn is_usable(&self) -> bool {
        rustix::fs::access(&self.directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    }

    /// The user whose store this is; a process that changes its user needs another one.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether there is a file for this session, in use or not. One system call.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn exists(&self, digest: &Digest) -> Result<bool> {
        Ok(self.last_used(digest)?.is_some())
    }

    /// When the session's file was last used, if there is one. One system call.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn last_used(&self, digest: &Digest) -> Result<Option<Used>> {
        let stat =
            self.with_path(digest, |path| rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW));
        match stat {
            Ok(stat) => Ok(Some(Used::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.io_error("cannot look at", digest, error)),
        }
    }

    /// Opens and locks a session's file, waiting up to `lock_wait`; `None` if it is missing and
    /// `open` is [`Open::Existing`].
    ///
    /// # Errors
    /// [`ErrorKind::Locked`]: not obtained in time. [`ErrorKind::Collision`]: the id is not fresh.
    /// [`ErrorKind::ForeignFile`], [`ErrorKind::Directory`], [`ErrorKind::Io`].
    pub fn lock(&self, digest: &Digest, open: Open, settings: &Settings) -> Result<Option<Locked>> {
        let mut waited = Duration::ZERO;
        let deadline = Instant::now() + settings.lock_wait;
        loop {
            let Some(file) = self.open_file(digest, open)? else { return Ok(None) };
            let obtained = lock::try_lock(file.as_fd())
                .map_err(|error| self.io_error("cannot lock", digest, error))?;
            if !obtained {
                let started = Instant::now();
                self.wait(&file, digest, deadline, settings)?;
                waited += started.elapsed();
            }
            let mut locked = Locked {
                file,
                digest: *digest,
                page: None,
                stat: None,
                owner: process_id(),
                waited,
            };
            let stat = self.checked_stat(&locked.file, digest)?;
            // No name any more: destroyed between opening and locking. The name is free, or
            // another's.
            if stat.st_nlink > 0 {
                locked.stat = Some(stat);
                return Ok(Some(locked));
            }
        }
    }

    /// Waits until `deadline` for the lock.
    fn wait(
        &self,
        file: &OwnedFd,
        digest: &Digest,
        deadline: Instant,
        settings: &Settings,
    ) -> Result<()> {
        let obtained = lock::wait(file.as_fd(), deadline)
            .map_err(|error| self.io_error("cannot lock", digest, error))?;
        if obtained {
            return Ok(());
        }
        let holder = rustix::fs::fstat(file).ok().and_then(|stat| lock::holder(&stat));
        let holder = holder.unwrap_or_else(|| "another process".into());
        let text = format!(
            "session {digest} is in use by {holder} and was not released within {} \
             (sessclust.lock_wait)",
            time_with_unit(settings.lock_wait)
        );
        Err(Error::new(ErrorKind::Locked, text))
    }

    /// Reads the newest whole version into `buffer`, and keeps in `locked` where the next one goes.
    ///
    /// # Errors
    /// [`ErrorKind::NewerFormat`], [`ErrorKind::Io`].
    pub fn read(&self, locked: &mut Locked, buffer: &mut Vec<u8>) -> Result<Found> {
        let stat = match locked.stat.take() {
            Some(stat) => stat,
            None => self.checked_stat(&locked.file, &locked.digest)?,
        };
        locked.page = None;
        let (found, page) = self.read_file(&locked.file, &stat, &locked.digest, buffer)?;
        locked.page = Some(page);
        Ok(found)
    }

    /// Whether a locked file still has its name: a destroyed session has not.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn has_name(&self, locked: &Locked) -> Result<bool> {
        Ok(self.checked_stat(&locked.file, &locked.digest)?.st_nlink > 0)
    }

    /// Reads without the lock: the last committed version, or one that is just being committed.
    /// `None` if there is no file.
    ///
    /// # Errors
    /// As [`Store::read`]; as [`Store::lock`] if writers keep overtaking the reader.
    pub fn peek(
        &self,
        digest: &Digest,
        buffer: &mut Vec<u8>,
        settings: &Settings,
    ) -> Result<Option<Found>> {
        let mut before = None;
        for _ in 0..PEEK_TRIES {
            let Some(file) = self.open_file(digest, Open::Existing)? else { return Ok(None) };
            let stat = self.checked_stat(&file, digest)?;
            let (bytes, page) = self.read_page(&file, &stat, digest)?;
            // Again, for a version that was committed since may lie behind the end as it was.
            let stat = self.checked_stat(&file, digest)?;
            let (found, page) = self.read_data(&file, &stat, &bytes, page, digest, buffer)?;
            // A version that fails its checks may be one that a writer has overtaken since the page
            // was read; the one before it would then be older than what was committed by now. If
            // the page is still the same, byte for byte, and the same versions fail, nobody has
            // written, and they are damaged.
            if page.damage().is_none() || before == Some((bytes, page)) {
                return Ok(Some(found));
            }
            before = Some((bytes, page));
        }
        match self.lock(digest, Open::Existing, settings)? {
            Some(mut locked) => self.read(&mut locked, buffer).map(Some),
            None => Ok(None),
        }
    }

    fn read_file(
        &self,
        file: &OwnedFd,
        stat: &Stat,
        digest: &Digest,
        buffer: &mut Vec<u8>,
    ) -> Result<(Found, Page)> {
        let (bytes, page) = self.read_page(file, stat, digest)?;
        self.read_data(file, stat, &bytes, page, digest, buffer)
    }

    /// Reads the data of the newest version of `page` that is whole; strikes out the others.
    fn read_data(
        &self,
        file: &OwnedFd,
        stat: &Stat,
        bytes: &[u8; PAGE_BYTES],
        mut page: Page,
        digest: &Digest,
        buffer: &mut Vec<u8>,
    ) -> Result<(Found, Page)> {
        for slot in page.newest_first() {
            let start = slot.data_offset();
            let length = slot.header.data_bytes;
            buffer.clear();
            if slot.is_inline() {
                let inline = start as usize..(start + length) as usize;
                buffer.extend_from_slice(bytes.get(inline).unwrap_or_default());
            } else if start + length <= stat.st_size as u64 {
                // Compared with the file's size first: a forged length must not allocate.
                let reserved = buffer.try_reserve_exact(length as usize);
                reserved.map_err(|_| self.io_error("cannot read", digest, Errno::NOMEM))?;
                read_to(file, buffer, length as usize, start)
                    .map_err(|error| self.io_error("cannot read", digest, error))?;
            }
            if slot.header.matches(buffer) {
                let found = match is_past(stat, slot.header.lifetime_s) {
                    true => Found::Ended,
                    false => Found::Data,
                };
                return Ok((found, page));
            }
            page.strike(&slot);
        }
        buffer.clear();
        Ok((page.damage().map_or(Found::Absent, Found::Damaged), page))
    }

    /// Reads the slots, and the short data with them.
    fn read_page(
        &self,
        file: &OwnedFd,
        stat: &Stat,
        digest: &Digest,
    ) -> Result<([u8; PAGE_BYTES], Page)> {
        let mut bytes = [0; PAGE_BYTES];
        let length = read_at(file, &mut bytes, 0)
            .map_err(|error| self.io_error("cannot read", digest, error))?;
        // Fewer bytes than the file has would look like a session that was never written.
        if (length as u64) < (stat.st_size as u64).min(PAGE_BYTES as u64) {
            return Err(self.io_error("cannot read all of", digest, Errno::IO));
        }
        let page = Page::decode(&bytes[..length], digest);
        if let Some(error @ HeaderError::NewerFormat(_)) = page.damage() {
            let path = self.shown_path(digest);
            return Err(Error::new(ErrorKind::NewerFormat, format!("{path} is in {error}")));
        }
        Ok((bytes, page))
    }

    /// Writes the next version. Returns once the kernel has it, or with `sync` once the disk has
    /// it.
    ///
    /// # Errors
    /// [`ErrorKind::Destroyed`]: the file lost its name since it was locked; nobody will read this
    /// version. [`ErrorKind::Io`]: the version before is untouched. [`ErrorKind::Indeterminate`]:
    /// the new version is what is read from now on, but a power cut may undo it, or a destroy has.
    /// If the file has not been read, as [`Store::read`].
    pub fn commit(
        &self,
        locked: &mut Locked,
        data: &[u8],
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<()> {
        let mut page = match locked.page {
            Some(page) => page,
            None => {
                self.read(locked, &mut Vec::new())?;
                locked.page.unwrap_or_default()
            }
        };
        let slot = page.place(locked.digest, lifetime_s, data);
        let written = self.write(&locked.file, &slot, data, settings.sync);
        written.map_err(|error| self.io_error("cannot write", &locked.digest, error))?;
        page.commit(slot);
        locked.page = Some(page);
        if settings.sync {
            self.sync(&locked.file, &locked.digest)?;
        }
        let stat = rustix::fs::fstat(&locked.file).map_err(|error| {
            let text = format!("it is not known whether session {} is saved", locked.digest);
            Error::new(ErrorKind::Indeterminate, format!("{text}: {error}"))
        })?;
        if stat.st_nlink == 0 {
            return Err(Error::new(
                ErrorKind::Destroyed,
                format!("session {} was destroyed by another request, not saved", locked.digest),
            ));
        }
        if stat.st_size as u64 > page.end() + CUT_BYTES {
            // Space given back; a failure leaves a file that is longer than it has to be.
            let _ = rustix::fs::ftruncate(&locked.file, page.end());
        }
        Ok(())
    }

    fn write(
        &self,
        file: &OwnedFd,
        slot: &Slot,
        data: &[u8],
        sync: bool,
    ) -> rustix::io::Result<()> {
        let header = slot.encode();
        if slot.is_inline() {
            let mut bytes = [0; SLOT_HEADER_BYTES + INLINE_BYTES_MAX];
            let length = SLOT_HEADER_BYTES + data.len();
            bytes[..SLOT_HEADER_BYTES].copy_from_slice(&header);
            bytes[SLOT_HEADER_BYTES..length].copy_from_slice(data);
            return write_at(file, &bytes[..length], slot.index.file_offset());
        }
        write_at(file, data, slot.data_offset())?;
        // The header must not reach the disk before the data it speaks of.
        if sync {
            rustix::fs::fdatasync(file)?;
        }
        write_at(file, &header, slot.index.file_offset())
    }

    /// Brings a file and its name to the disk.
    fn sync(&self, file: &OwnedFd, digest: &Digest) -> Result<()> {
        let synced = match rustix::fs::fdatasync(file) {
            Ok(()) => self.sync_names(digest),
            Err(error) => Err(error.into()),
        };
        synced.map_err(|error| {
            let text = format!("session {digest} is saved, but perhaps not on the disk: {error}");
            Error::new(ErrorKind::Indeterminate, text)
        })
    }

    /// Brings the directories above a file to the disk: whether it is there, and under which name.
    fn sync_names(&self, digest: &Digest) -> std::io::Result<()> {
        let file = PathBuf::from(self.shown_path(digest));
        for directory in [file.parent().unwrap_or(&self.directory), &self.directory] {
            std::fs::File::open(directory)?.sync_all()?;
        }
        Ok(())
    }

    /// Marks the session as used now, if there is a version whose lifetime is `lifetime_s`. Says
    /// whether it did; otherwise the session has to be written.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn touch(&self, locked: &Locked, lifetime_s: u64) -> Result<bool> {
        if locked
            .page
            .and_then(|page| page.live())
            .is_none_or(|live| live.header.lifetime_s != lifetime_s)
        {
            return Ok(false);
        }
        let now = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
            last_modification: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        };
        rustix::fs::futimens(&locked.file, &now)
            .map_err(|error| self.io_error("cannot touch", &locked.digest, error))?;
        Ok(true)
    }

    /// Removes a session, locked or not, there or not; with `sync` also from the disk.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]. [`ErrorKind::Indeterminate`]: it is gone, but a power cut may bring it
    /// back.
    pub fn destroy(&self, digest: &Digest, sync: bool) -> Result<()> {
        match self.with_path(digest, |path| rustix::fs::unlink(path)) {
            Ok(()) if sync => self.sync_names(digest).map_err(|error| {
                let text =
                    format!("session {digest} is removed, but perhaps not on the disk: {error}");
                Error::new(ErrorKind::Indeterminate, text)
            }),
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.io_error("cannot remove", digest, error)),
        }
    }

    fn open_file(&self, digest: &Digest, open: Open) -> Result<Option<OwnedFd>> {
        // NONBLOCK: a FIFO or device in the file's place must not hold us up before it is refused.
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = match open {
            Open::Existing => flags,
            Open::Create => flags | OFlags::CREATE,
            Open::CreateNew => flags | OFlags::CREATE | OFlags::EXCL,
        };
        let open_once =
            || self.with_path(digest, |path| rustix::fs::open(path, flags, directory::FILE_MODE));
        let result = match open_once() {
            Err(Errno::NOENT) if open != Open::Existing => {
                directory::prepare_shard(&self.directory, self.uid, digest)?;
                open_once()
            }
            result => result,
        };
        match result {
            Ok(file) => Ok(Some(file)),
            Err(Errno::NOENT) if open == Open::Existing => Ok(None),
            Err(Errno::EXIST) => Err(Error::new(
                ErrorKind::Collision,
                format!("there is a session {digest} already, though its id is fresh"),
            )),
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => Err(self.foreign_file(digest)),
            Err(error) => Err(self.io_error("cannot open", digest, error)),
        }
    }

    /// The state of an open file that is a session's: regular, and this user's.
    fn checked_stat(&self, file: &OwnedFd, digest: &Digest) -> Result<Stat> {
        let stat = rustix::fs::fstat(file)
            .map_err(|error| self.io_error("cannot look at", digest, error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_uid != self.uid
        {
            return Err(self.foreign_file(digest));
        }
        Ok(stat)
    }

    fn foreign_file(&self, digest: &Digest) -> Error {
        let (path, uid) = (self.shown_path(digest), self.uid);
        Error::new(ErrorKind::ForeignFile, format!("{path} is not a regular file of user {uid}"))
    }

    fn io_error(&self, doing: &str, digest: &Digest, error: Errno) -> Error {
        Error::io(format!("{doing} {}", self.shown_path(digest)), error)
    }

    /// Calls `f` with the path of a session's file.
    fn with_path<T>(&self, digest: &Digest, f: impl FnOnce(&CStr) -> T) -> T {
        let hex = digest.to_hex();
        // Borrowed while `f` runs: `f` makes a system call and does not come back here.
        let mut path = self.path.borrow_mut();
        let length = path.len();
        for part in [&b"/"[..], &hex[..2], b"/", &hex[2..], b"\0"] {
            path.extend_from_slice(part);
        }
        let result = f(CStr::from_bytes_with_nul(&path).expect("one NUL, at the end"));
        path.truncate(length);
        result
    }

    fn shown_path(&self, digest: &Digest) -> String {
        self.with_path(digest, |path| path.to_string_lossy().into_owned())
    }
}

/// Whether a session last used as `stat` says has been idle for longer than `lifetime_s`; 0 is for
/// ever.
fn is_past(stat: &Stat, lifetime_s: u64) -> bool {
    lifetime_s > 0 && idle_s(stat) > lifetime_s
}

/// Seconds since the last use; 0 if the clock was set back behind it.
fn idle_s(stat: &Stat) -> u64 {
    now_s().saturating_sub(u64::try_from(stat.st_mtime).unwrap_or(0))
}

/// The wall clock in Unix seconds, as the file system counts modification times.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Reads until `buffer` is full or the file ends, and says how much.
fn read_at(file: &OwnedFd, buffer: &mut [u8], offset: u64) -> rustix::io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match rustix::io::pread(file, &mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Appends `length` bytes, or as many as the file has, to a buffer that has room for them.
fn read_to(
    file: &OwnedFd,
    buffer: &mut Vec<u8>,
    length: usize,
    offset: u64,
) -> rustix::io::Result<()> {
    while buffer.len() < length {
        let at = offset + buffer.len() as u64;
        match rustix::io::pread(file, spare_capacity(buffer), at) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(length);
    Ok(())
}

fn write_at(file: &OwnedFd, mut bytes: &[u8], mut offset: u64) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(file, bytes, offset) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
