//! The number of this process, without asking the system every time.
//!
//! What belongs to a process must not be used by its forks, so every step asks who it is: a dozen
//! times in a request, which was a tenth of what a request costs us. The C library tells when a
//! process forks.
#![allow(unsafe_code, reason = "the C library's hook for forks has no safe function")]

use rustix::process::{Pid, getpid};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

unsafe extern "C" {
    /// Calls `child` in the child of every later fork; 0 if it will. Forgotten when the library
    /// that calls it is unloaded. Source: POSIX.
    fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> libc::c_int;
}

/// 0: not known.
static OWN: AtomicI32 = AtomicI32::new(0);

/// Whether it will be forgotten in a fork.
static IS_HOOKED: AtomicBool = AtomicBool::new(false);

/// The number of this process.
///
/// A process made without the C library (`clone` as a bare system call) would be taken for its
/// parent; PHP has none.
pub fn process_id() -> Pid {
    match Pid::from_raw(OWN.load(Ordering::Relaxed)) {
        Some(own) => own,
        None => ask(),
    }
}

#[cold]
fn ask() -> Pid {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // SAFETY: the function is of this library, and forgotten by the C library when that is
        // unloaded. It only stores to an atomic, which may be done in the child of any fork.
        let failure = unsafe { pthread_atfork(None, None, Some(forget)) };
        IS_HOOKED.store(failure == 0, Ordering::Relaxed);
    });
    let own = getpid();
    if IS_HOOKED.load(Ordering::Relaxed) {
        OWN.store(own.as_raw_nonzero().get(), Ordering::Relaxed);
    }
    own
}

extern "C" fn forget() {
    OWN.store(0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_systems() {
        assert_eq!((process_id(), process_id()), (getpid(), getpid()));
    }
}
