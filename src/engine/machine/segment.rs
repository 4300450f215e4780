//! Memory that all processes of one user on this machine share: a file in `/dev/shm`, mapped.
//!
//! ```text
//! /dev/shm/sessclust-u<uid>/queue-<layout>-<machine, 16 digits>     queues, queue.rs
//! /dev/shm/sessclust-u<uid>/board-<layout>-<machine, 16 digits>     the health board, board.rs
//! /dev/shm/sessclust-u<uid>/locks-<layout>-<machine, 16 digits>     locks given up, given_up.rs
//! ```
//!
//! Each begins with a word that says what it is and in which layout; its slots follow from byte 64.
//!
//! The name of the machine keeps containers apart that share `/dev/shm` but not their process
//! numbers. The directory can be made by anybody before us, so it is used only if it is this user's
//! and nobody else can write it; what lies within is then this user's too.
//!
//! Whoever opens the file makes it whole: zeros are slots that nobody uses. A file of another
//! length, with another start or that is no file at all is damaged, and is replaced. Those who have
//! the old one mapped go on with it; they only share nothing with the others any more.
#![allow(unsafe_code, reason = "mapping memory is the one thing here that no safe function does")]

use super::who::Identity;
use super::{board, given_up, queue};
use rustix::fs::{AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the slots of a file are.
///
/// # Safety
/// Any bytes are a valid one: all of it is atomics of fixed width.
pub(super) unsafe trait Slot {
    /// What the name of the file begins with.
    const NAME: &'static str;
    /// Tells the file from any other.
    const MARK: u32;
    /// Changes with everything that another version would read differently.
    const LAYOUT: u32;
}

// SAFETY: all its fields are atomics of fixed width.
unsafe impl Slot for queue::Slot {
    const NAME: &'static str = "queue";
    /// "scqu".
    const MARK: u32 = 0x7363_7175;
    const LAYOUT: u32 = 1;
}

// SAFETY: all its fields are atomics of fixed width.
unsafe impl Slot for board::Slot {
    const NAME: &'static str = "board";
    /// "scbo".
    const MARK: u32 = 0x7363_626f;
    const LAYOUT: u32 = 2;
}

// SAFETY: it is one atomic.
unsafe impl Slot for given_up::Word {
    const NAME: &'static str = "locks";
    /// "sclo".
    const MARK: u32 = 0x7363_6c6f;
    const LAYOUT: u32 = 1;
}

/// What is in the file.
#[repr(C, align(64))]
struct Content<S, const N: usize> {
    start: AtomicU64,
    slots: [S; N],
}

const _: () = assert!(size_of::<Content<queue::Slot, 256>>() == 64 + 256 * 576);
const _: () = assert!(size_of::<Content<board::Slot, 512>>() == 64 + 512 * 192);

/// The mapped file.
#[derive(Debug)]
pub(super) struct Segment<S, const N: usize> {
    content: NonNull<Content<S, N>>,
    file: OwnedFd,
}

// SAFETY: the mapping belongs to no thread, and all access to it is through atomics.
unsafe impl<S: Slot, const N: usize> Send for Segment<S, N> {}
// SAFETY: likewise.
unsafe impl<S: Slot, const N: usize> Sync for Segment<S, N> {}

impl<S: Slot, const N: usize> Segment<S, N> {
    const START: u64 = (S::MARK as u64) << 32 | S::LAYOUT as u64;

    /// Maps the segment of this user and this machine below `base`, and makes it if it is missing.
    /// None if there is no such memory: whoever asked does without.
    pub(super) fn open(base: &Path) -> Option<Self> {
        let own = Identity::own()?;
        Self::open_for(base, rustix::process::geteuid().as_raw(), own.machine).ok()
    }

    fn open_for(base: &Path, uid: u32, machine: u64) -> rustix::io::Result<Self> {
        let directory = open_directory(base, uid)?;
        let name = format!("{}-{}-{machine:016x}", S::NAME, S::LAYOUT);
        match Self::open_file(directory.as_fd(), &name, uid) {
            Err(Errno::BADMSG | Errno::LOOP) => {
                rustix::fs::unlinkat(&directory, &name, AtFlags::empty())?;
                Self::open_file(directory.as_fd(), &name, uid)
            }
            opened => opened,
        }
    }

    /// All slots.
    pub(super) fn slots(&self) -> &[S; N] {
        &self.content().slots
    }

    /// Whether others find the same file. Who logs out may take it along, logind.conf(5),
    /// `RemoveIPC`.
    pub(super) fn is_current(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink > 0)
    }

    /// Fails with `BADMSG` if the file is damaged.
    fn open_file(directory: impl AsFd, name: &str, uid: u32) -> rustix::io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // A pipe of this name must not hold us up.
        let flags = flags | OFlags::NONBLOCK;
        let file = rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?;
        let length = size_of::<Content<S, N>>();
        let stat = rustix::fs::fstat(&file)?;
        let is_whole = stat.st_size == 0 || stat.st_size == length as i64;
        if !is_whole || !is_private(&stat, FileType::RegularFile, uid) {
            return Err(Errno::BADMSG);
        }
        // Memory that is not there when it is first written, for /dev/shm is full, would end the
        // process (SIGBUS). So all of it is asked for here, where that is an error.
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
        let segment = Self::map(file)?;
        let start = &segment.content().start;
        match start.compare_exchange(0, Self::START, Ordering::SeqCst, Ordering::SeqCst) {
            Err(other) if other != Self::START => Err(Errno::BADMSG),
            Ok(_) | Err(_) => Ok(segment),
        }
    }

    fn map(file: OwnedFd) -> rustix::io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let length = size_of::<Content<S, N>>();
        // SAFETY: a null address lets the kernel choose, so no existing mapping is touched.
        let address = unsafe { mmap(null_mut(), length, protection, MapFlags::SHARED, &file, 0)? };
        let content = NonNull::new(address.cast()).ok_or(Errno::FAULT)?;
        Ok(Self { content, file })
    }

    fn content(&self) -> &Content<S, N> {
        // SAFETY: `map` got a page-aligned mapping of this length, which lives as long as `self`;
        // the file has this length, and nobody but this user can cut it. Any bytes are a valid
        // `Content`, and all access, by other processes too, is through its atomics.
        unsafe { self.content.as_ref() }
    }
}

impl<S, const N: usize> Drop for Segment<S, N> {
    fn drop(&mut self) {
        let address: *mut c_void = self.content.as_ptr().cast();
        // SAFETY: the mapping is ours, of this length, and references to it borrow `self`.
        let _ = unsafe { munmap(address, size_of::<Content<S, N>>()) };
    }
}

fn open_directory(base: &Path, uid: u32) -> rustix::io::Result<OwnedFd> {
    let path = base.join(format!("sessclust-u{uid}"));
    match rustix::fs::mkdir(&path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(CWD, &path, flags, Mode::empty())?;
    match is_private(&rustix::fs::fstat(&directory)?, FileType::Directory, uid) {
        true => Ok(directory),
        false => Err(Errno::PERM),
    }
}

/// Whether it is this user's, and only this user can write it.
fn is_private(stat: &Stat, kind: FileType, uid: u32) -> bool {
    let mode = Mode::from_raw_mode(stat.st_mode);
    FileType::from_raw_mode(stat.st_mode) == kind
        && stat.st_uid == uid
        && !mode.intersects(Mode::WGRP | Mode::WOTH)
}
