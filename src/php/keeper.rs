//! The thread that renews the locks of sessions on nodes, while PHP code runs.
//!
//! How long a script will hold its session is not known when it starts, and PHP gives an extension
//! no way to be called later: a signal would cut short the script's own `sleep()`. So a process
//! that locks a session on a node gets a thread, which looks about three times a lease whether a
//! lock has to be renewed, and ends when none was taken for a while. It runs while the request is
//! in PHP code: both use the same connections, one after the other.

use sessclust_engine::session::Live;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between two looks while nothing is held: a third of the shortest lease that can be set.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks without a lock in between after which the thread ends.
const IDLE_LOOKS_MAX: u32 = 10;

/// Bytes of its stack; it calls nothing but the engine.
const STACK_BYTES: usize = 256 * 1024;

/// The thread of this process, if there is one.
pub(super) struct Keeper(Option<Running>);

struct Running {
    thread: JoinHandle<()>,
    live: Arc<Live>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// A lock was taken since the last look.
    was_used: bool,
    /// The thread has ended, or is about to without looking again.
    has_ended: bool,
    is_stopped: bool,
    /// How long it sleeps now.
    pause: Duration,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// A session of `live` was locked: its lock is renewed from now on until it is given back, for
    /// the first time after `due`.
    pub(super) fn watch(&mut self, live: &Arc<Live>, due: Duration) {
        if let Some(running) = &self.0
            && Arc::ptr_eq(&running.live, live)
        {
            let mut state = running.shared.state();
            if !state.has_ended {
                state.was_used = true;
                // It may sleep for a session whose lock lasted longer.
                if due < state.pause {
                    state.pause = due;
                    running.shared.wake.notify_one();
                }
                return;
            }
        }
        self.stop();
        let shared = Arc::new(Shared::default());
        let (their_live, their_shared) = (Arc::clone(live), Arc::clone(&shared));
        let thread = spawn(move || look_after(&their_live, &their_shared));
        // Without a thread the lock lasts for its lease, and a commit after that takes it again.
        self.0 = thread.map(|thread| Running { thread, live: Arc::clone(live), shared });
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&mut self) {
        if let Some(Running { thread, shared, .. }) = self.0.take() {
            shared.state().is_stopped = true;
            shared.wake.notify_one();
            let _ = thread.join();
        }
    }

    /// In the child of a fork, which has no such thread, and must not touch what it has shared with
    /// its parent's.
    pub(super) fn forget_inherited(&mut self) {
        std::mem::forget(self.0.take());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts a thread that takes no signals: those are PHP's.
fn spawn(f: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let mut before = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are valid places, and are filled before they are read. A new thread starts
    // with the mask of the one that makes it.
    unsafe {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let builder = std::thread::Builder::new().name("sessclust".into()).stack_size(STACK_BYTES);
    let thread = builder.spawn(f);
    // SAFETY: the set was filled above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    thread.ok()
}

/// What the thread does.
fn look_after(live: &Live, shared: &Shared) {
    let mut idle_looks = 0;
    let mut pause = PAUSE;
    loop {
        let mut state = shared.state();
        state.pause = pause;
        let is_asleep = |state: &mut State| !state.is_stopped && state.pause == pause;
        let waited = shared.wake.wait_timeout_while(state, pause, is_asleep);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_stopped {
            return;
        }
        idle_looks = if std::mem::take(&mut state.was_used) { 0 } else { idle_looks + 1 };
        drop(state);
        let next = live.renew();
        pause = next.unwrap_or(PAUSE);
        if next.is_none() && idle_looks > IDLE_LOOKS_MAX {
            let mut state = shared.state();
            if !state.was_used {
                state.has_ended = true;
                return;
            }
        }
    }
}
