//! Memory that all processes of one user on this machine share: a file in `/dev/shm`, mapped.
//!
//! ```text
//! /dev/shm/sessclust-u<uid>/queue-<layout>-<machine, 16 digits>
//! ```
//!
//! The name of the machine keeps containers apart that share `/dev/shm` but not their process
//! numbers. The directory can be made by anybody before us, so it is used only if it is this user's
//! and nobody else can write it; what lies within is then this user's too.
//!
//! Whoever opens the file makes it whole: zeros are a segment in which nobody queues. A file of
//! another length, with another start or that is no file at all is damaged, and is replaced. Those
//! who have the old one mapped go on with it; they only queue apart from the others.
#![allow(unsafe_code, reason = "mapping memory is the one thing here that no safe function does")]

use super::queue::Slot;
use rustix::fs::{AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};

/// Changes with everything that another version would read differently.
const LAYOUT: u64 = 1;
/// "scqu" and the layout.
const START: u64 = 0x7363_7175 << 32 | LAYOUT;
const SLOTS: usize = 256;

/// What is in the file. Any bytes are a valid one: all of it is atomics of fixed width.
#[repr(C, align(64))]
struct Content {
    start: AtomicU64,
    slots: [Slot; SLOTS],
}

const _: () = assert!(size_of::<Content>() == 64 + SLOTS * 576);

/// The mapped file.
#[derive(Debug)]
pub(super) struct Segment {
    content: NonNull<Content>,
    file: OwnedFd,
}

// SAFETY: the mapping belongs to no thread, and all access to it is through atomics.
unsafe impl Send for Segment {}
// SAFETY: likewise.
unsafe impl Sync for Segment {}

impl Segment {
    /// Maps the segment of user `uid` and this machine below `base`, and makes it if it is missing.
    pub(super) fn open(base: &Path, uid: u32, machine: u64) -> rustix::io::Result<Self> {
        let directory = open_directory(base, uid)?;
        let name = format!("queue-{LAYOUT}-{machine:016x}");
        match Self::open_file(directory.as_fd(), &name, uid) {
            Err(Errno::BADMSG | Errno::LOOP) => {
                rustix::fs::unlinkat(&directory, &name, AtFlags::empty())?;
                Self::open_file(directory.as_fd(), &name, uid)
            }
            opened => opened,
        }
    }

    /// The slot of a key.
    pub(super) fn slot(&self, key: u64) -> &Slot {
        &self.content().slots[key as usize % SLOTS]
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
        let length = size_of::<Content>();
        let stat = rustix::fs::fstat(&file)?;
        let is_whole = stat.st_size == 0 || stat.st_size == length as i64;
        if !is_whole || !is_private(&stat, FileType::RegularFile, uid) {
            return Err(Errno::BADMSG);
        }
        // Memory that is not there when it is first written, for /dev/shm is full, would end the
        // process (SIGBUS). So all of it is asked for here, where that is an error.
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
        let segment = Self::map(file)?;
        let start =
            segment.content().start.compare_exchange(0, START, Ordering::SeqCst, Ordering::SeqCst);
        match start {
            Ok(_) | Err(START) => Ok(segment),
            Err(_) => Err(Errno::BADMSG),
        }
    }

    fn map(file: OwnedFd) -> rustix::io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let length = size_of::<Content>();
        // SAFETY: a null address lets the kernel choose, so no existing mapping is touched.
        let address = unsafe { mmap(null_mut(), length, protection, MapFlags::SHARED, &file, 0)? };
        let content = NonNull::new(address.cast()).ok_or(Errno::FAULT)?;
        Ok(Self { content, file })
    }

    fn content(&self) -> &Content {
        // SAFETY: `map` got a page-aligned mapping of this length, which lives as long as `self`;
        // the file has this length, and nobody but this user can cut it. Any bytes are a valid
        // `Content`, and all access, by other processes too, is through its atomics.
        unsafe { self.content.as_ref() }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let address: *mut c_void = self.content.as_ptr().cast();
        // SAFETY: the mapping is ours, of this length, and references to it borrow `self`.
        let _ = unsafe { munmap(address, size_of::<Content>()) };
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
