//! Waiting for a session's lock.
//!
//! The lock is `flock` on the session's file: the kernel queues the waiters, wakes one when the
//! lock is free, and frees it when its holder dies, however it dies.

use super::alarm::Alarm;
use crate::limits::LOCK_POLL_MAX;
use rustix::fs::{FlockOperation, Stat, flock};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Takes the lock if nobody holds it.
pub(super) fn try_lock(file: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    match rustix::io::retry_on_intr(|| flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives the lock back at once: `close` alone would leave it to a fork that has the file open too.
pub(super) fn unlock(file: BorrowedFd<'_>) {
    // A failure leaves what `close` does anyway.
    let _ = flock(file, FlockOperation::Unlock);
}

/// Waits until `deadline` for the lock and says whether it was obtained.
pub(super) fn wait(file: BorrowedFd<'_>, deadline: Instant) -> rustix::io::Result<bool> {
    let Some(_alarm) = Alarm::at(deadline) else { return wait_by_polling(file, deadline) };
    loop {
        if Instant::now() >= deadline {
            return try_lock(file);
        }
        match flock(file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(true),
            // The alarm, or a signal that is not for us.
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The same where no alarm can be had: slower to notice, and unfair.
fn wait_by_polling(file: BorrowedFd<'_>, deadline: Instant) -> rustix::io::Result<bool> {
    let mut pause = Duration::from_millis(1);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if try_lock(file)? {
            return Ok(true);
        }
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(LOCK_POLL_MAX);
    }
}

/// How often the holder of a lock is looked for.
const HOLDER_LOOKS: u32 = 5;

/// Who holds the lock of a file, as far as /proc tells: "process 4242 (command
/// line)". For messages only; asked once a wait has failed.
pub(super) fn holder(file: &Stat) -> Option<String> {
    let (major, minor) = (rustix::fs::major(file.st_dev), rustix::fs::minor(file.st_dev));
    let wanted = format!("{major:02x}:{minor:02x}:{}", file.st_ino);
    // 1: FLOCK  ADVISORY  WRITE 4242 fe:01:1311 0 EOF; a waiter's line has "->" behind the number.
    let look = |_| -> Option<u32> {
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        locks.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, "FLOCK", _, _, pid, file, ..] = fields[..] else { return None };
            (file == wanted).then(|| pid.parse().ok())?
        })
    };
    // The list is read piece by piece, and what moves in it meanwhile can be passed over.
    let pid = (0..HOLDER_LOOKS).find_map(look)?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    // The first word only (of an FPM worker, its title): arguments may be secret.
    let command = command.split(|byte| *byte == 0).next().unwrap_or_default();
    // A process that has just died has no command line any more.
    Some(match command.trim_ascii() {
        b"" => format!("process {pid}"),
        command => format!("process {pid} ({})", crate::error::shown(command)),
    })
}
