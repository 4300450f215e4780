//! Ending a blocking system call in time.
//!
//! `flock` has no time-out. Trying again and again instead costs a waiter up to the length of a
//! pause, wakes all waiters where the kernel wakes one, and lets latecomers overtake: with 8
//! processes at one session it did a third of the work, with waits twice as long. So the kernel
//! does the waiting, and a POSIX timer sends this thread a signal when it has waited long enough.
//!
//! The signal is a real-time one that nobody in the process uses, with a handler that does nothing,
//! since its arrival is all that is needed: the call returns `EINTR`. The handler stays for the
//! life of the process.
#![allow(unsafe_code, reason = "timers and signals are to be had from the C library only")]

use std::mem::{MaybeUninit, zeroed};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// The signal is sent again at this interval, in case the first came just before the call.
const AGAIN: Duration = Duration::from_millis(10);

/// While it lives, system calls of this thread that block are interrupted once its time has come.
pub(super) struct Alarm {
    timer: libc::timer_t,
}

impl Alarm {
    /// An alarm at `deadline`; none if every signal is taken or the system has no timer left.
    pub(super) fn at(deadline: Instant) -> Option<Self> {
        let signal = signal()?;
        unblock(signal);

        // SAFETY: zeros are a valid sigevent.
        let mut event: libc::sigevent = unsafe { zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = rustix::thread::gettid().as_raw_nonzero().get();
        let mut timer = MaybeUninit::uninit();
        // SAFETY: both pointers are good for the call, which fills in the timer if it returns 0.
        let timer = unsafe {
            match libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, timer.as_mut_ptr()) {
                0 => Self { timer: timer.assume_init() },
                _ => return None,
            }
        };
        // 0 would disarm the timer.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let times = libc::itimerspec { it_interval: timespec(AGAIN), it_value: timespec(left) };
        // SAFETY: the timer is ours, the times are within range.
        let armed = unsafe { libc::timer_settime(timer.timer, 0, &raw const times, null_mut()) };
        (armed == 0).then_some(timer)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: the timer is ours and not used again.
        unsafe { libc::timer_delete(self.timer) };
    }
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(time.subsec_nanos() as i32),
    }
}

extern "C" fn interrupt(_signal: libc::c_int) {}

/// The signal that is ours, or the highest real-time signal that is free and now is. (PHP's own
/// timers, under ZTS, take the lowest.)
fn signal() -> Option<libc::c_int> {
    static OURS: AtomicI32 = AtomicI32::new(0);
    let ours = OURS.load(Ordering::Relaxed);
    if ours != 0 && action_of(ours) == Some(interrupt_action()) {
        return Some(ours);
    }
    let free = (libc::SIGRTMIN() + 1..libc::SIGRTMAX()).rev().find(|signal| claim(*signal))?;
    OURS.store(free, Ordering::Relaxed);
    Some(free)
}

fn interrupt_action() -> libc::sighandler_t {
    interrupt as extern "C" fn(libc::c_int) as libc::sighandler_t
}

/// What the process does when it gets a signal.
fn action_of(signal: libc::c_int) -> Option<libc::sighandler_t> {
    // SAFETY: zeros are a valid sigaction, and the pointer is good for the call.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        let result = libc::sigaction(signal, null_mut(), &raw mut action);
        (result == 0).then_some(action.sa_sigaction)
    }
}

/// Makes a signal ours if nobody uses it.
fn claim(signal: libc::c_int) -> bool {
    if action_of(signal) != Some(libc::SIG_DFL) {
        return false;
    }
    // SAFETY: zeros are a valid sigaction, and the handler may run at any point, for it does
    // nothing. Without SA_RESTART the interrupted call returns.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = interrupt_action();
        libc::sigaction(signal, &raw const action, null_mut()) == 0
    }
}

/// Lets the signal through, should this thread have blocked all signals.
fn unblock(signal: libc::c_int) {
    // SAFETY: the set is initialized before it is used.
    unsafe {
        let mut set = zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocking_call_is_interrupted_at_the_deadline_and_not_before() {
        let started = Instant::now();
        let deadline = started + Duration::from_millis(30);
        let alarm = Alarm::at(deadline).expect("a free signal");
        let (reader, _writer) = rustix::pipe::pipe().expect("pipe");
        let result = rustix::io::read(&reader, &mut [0u8; 1][..]);
        assert_eq!(result, Err(rustix::io::Errno::INTR));
        assert!(Instant::now() >= deadline);
        // And again, for a call that begins after the first signal.
        let result = rustix::io::read(&reader, &mut [0u8; 1][..]);
        assert_eq!(result, Err(rustix::io::Errno::INTR));
        drop(alarm);
    }
}
