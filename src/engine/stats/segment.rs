//! Memory that all processes forked from this one share: FPM's workers, Apache's children.
#![allow(unsafe_code, reason = "mapping memory is the one thing here that no safe function does")]

use super::Counters;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use std::sync::atomic::{AtomicPtr, Ordering};

/// The counters in an anonymous shared mapping, made before the server forks.
///
/// It is never unmapped: a server that starts the module a second time in one process (Apache does)
/// keeps the first mapping, so counters survive, and no reference can dangle. The kernel frees it
/// with the last process. Nothing but counters is in it, so there is nothing that a killed writer
/// could leave half done.
static COUNTERS: AtomicPtr<Counters> = AtomicPtr::new(std::ptr::null_mut());
/// Used when no mapping can be had: the counters are then each process's own.
static PRIVATE: Counters = Counters::new();

/// Maps the counters. To be called while the server starts, before it forks; later calls do
/// nothing.
pub fn map_counters() {
    if !COUNTERS.load(Ordering::Acquire).is_null() {
        return;
    }
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let length = size_of::<Counters>();
    // SAFETY: a null address lets the kernel choose, so no existing mapping is touched.
    let mapped =
        unsafe { mmap_anonymous(std::ptr::null_mut(), length, protection, MapFlags::SHARED) };
    if let Ok(address) = mapped {
        COUNTERS.store(address.cast(), Ordering::Release);
    }
}

/// The counters of all processes that share the mapping.
pub fn counters() -> &'static Counters {
    let counters = COUNTERS.load(Ordering::Acquire);
    // SAFETY: null, or set by `map_counters` to a page-aligned mapping of zeros, which are valid
    // `Counters`, that is never unmapped. All access is through atomics.
    unsafe { counters.as_ref() }.unwrap_or(&PRIVATE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Counter;

    #[test]
    fn mapping_twice_keeps_the_counters() {
        map_counters();
        counters().add(Counter::Opens, 3);
        map_counters();
        assert_eq!(counters().get(Counter::Opens), 3);
    }
}
