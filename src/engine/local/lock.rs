//! Waiting for a session's lock.
//!
//! The lock is `flock` on the session's file, and nothing else decides who holds it: the kernel frees
//! it when its holder dies, however it dies. `flock` alone can wait for ever or not at all, so a waiter asks
//! the kernel (inotify) to be told when the file is closed, changed in its links or removed, and
//! tries again then. A wake-up can be missed (the holder's last `close` is reported just before its
//! lock goes; inotify may be unavailable), which costs a wait of [`LOCK_POLL_MAX`] at most.

use crate::limits::LOCK_POLL_MAX;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{FlockOperation, Timespec, flock};
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Takes the lock if nobody holds it.
pub(super) fn try_lock(file: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    match rustix::io::retry_on_intr(|| flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives the lock back before the file is closed. `close` alone would do, but it wakes the waiters just
/// before the lock goes.
pub(super) fn unlock(file: BorrowedFd<'_>) {
    // A failure leaves what `close` does anyway.
    let _ = flock(file, FlockOperation::Unlock);
}

/// Waits until `deadline` for the lock of the open file `file`, which is found at `path`. Says
/// whether it was obtained.
pub(super) fn wait(
    file: BorrowedFd<'_>,
    path: &CStr,
    deadline: Instant,
) -> rustix::io::Result<bool> {
    let watch = watch(path);
    let mut pause = Duration::from_millis(1);
    loop {
        // After the watch stands: a release from here on wakes us.
        if try_lock(file)? {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        sleep(watch.as_ref(), pause.min(left))?;
        pause = (pause * 2).min(LOCK_POLL_MAX);
    }
}

/// A watch on the file at `path`; none where inotify is used up or unknown, which costs speed only.
fn watch(path: &CStr) -> Option<OwnedFd> {
    let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
    let events = WatchFlags::CLOSE_WRITE
        | WatchFlags::ATTRIB
        | WatchFlags::DELETE_SELF
        | WatchFlags::DONT_FOLLOW;
    inotify::add_watch(&watch, path, events).ok()?;
    Some(watch)
}

/// Sleeps for `pause`, or until the watch reports something. A signal ends it early.
fn sleep(watch: Option<&OwnedFd>, pause: Duration) -> rustix::io::Result<()> {
    let timeout = Timespec::try_from(pause).map_err(|_| Errno::INVAL)?;
    let mut fds: Vec<PollFd<'_>> =
        watch.iter().map(|watch| PollFd::new(*watch, PollFlags::IN)).collect();
    match poll(&mut fds, Some(&timeout)) {
        Ok(0) | Err(Errno::INTR) => return Ok(()),
        Ok(_) => {}
        Err(error) => return Err(error),
    }
    // What happened does not matter, but an event that stays in the queue would end every sleep.
    let mut buffer = [MaybeUninit::uninit(); 512];
    if let Some(watch) = watch {
        let mut events = inotify::Reader::new(watch, &mut buffer);
        while events.next().is_ok() {}
    }
    Ok(())
}

/// Who holds the lock of the file with this inode, as far as /proc tells: "process 4242 (command line)".
/// For messages only; asked once a wait has failed.
pub(super) fn holder(inode: u64) -> Option<String> {
    // 1: FLOCK  ADVISORY  WRITE 4242 fe:01:1311 0 EOF; a waiter's line has "->" behind the number.
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid: u32 = locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, file, ..] = fields[..] else { return None };
        let found: u64 = file.rsplit(':').next()?.parse().ok()?;
        (found == inode).then(|| pid.parse().ok())?
    })?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<u8> = command.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
    // A process that has just died has no command line any more.
    Some(match words.trim_ascii() {
        b"" => format!("process {pid}"),
        command => format!("process {pid} ({})", crate::error::shown(command)),
    })
}
