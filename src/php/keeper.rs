//! The thread that renews the locks of sessions on nodes, while PHP code runs, and looks whether
//! nodes that are down have come back.
//!
//! How long a script will hold its session is not known when it starts, and PHP gives an extension
//! no way to be called later: a signal would cut short the script's own `sleep()`. So a process
//! that locks a session on a node gets a thread, which looks about three times a lease whether a
//! lock has to be renewed, and ends when none was taken for a while. It runs while the request is
//! in PHP code: both use the same connections, one after the other.
//!
//! So does a process that finds a node down, locked or not: requests do not wait for such a node,
//! so somebody else has to look. Each look has a thread and a connection of its own, for it may
//! take as long as connecting may, or a name server, and no lock is to be lost over that.

use sessclust_engine::session::{Care, Live};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two looks while nothing is held: a third of the shortest lease that can be set.
const PAUSE: Duration = Duration::from_secs(1);

/// Time without a lock, or without a request while a node is down, after which the thread ends.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Bytes of its stack. It calls nothing but the engine, which may have the C library look for a
/// host's name.
const STACK_BYTES: usize = 512 * 1024;

/// The thread of this process, if there is one.
pub(super) struct Keeper {
    running: Option<Running>,
    /// Threads that were told to end: no request waits for them.
    ending: Vec<JoinHandle<()>>,
}

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
    /// A lock was taken, or a node found down, since the last look.
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
        Self { running: None, ending: Vec::new() }
    }

    /// Does from now on what is to be done beside requests, until there is nothing left of it.
    pub(super) fn watch(&mut self, care: Care) {
        if let Some(running) = &self.running
            && Arc::ptr_eq(&running.live, &care.live)
        {
            let mut state = running.shared.state();
            // It has not if it has panicked.
            if !state.has_ended && !running.thread.is_finished() {
                state.was_used = true;
                // It may sleep for a session whose lock lasted longer.
                if care.due < state.pause {
                    state.pause = care.due;
                    running.shared.wake.notify_one();
                }
                return;
            }
        }
        self.dismiss();
        self.ending.retain(|thread| !thread.is_finished());
        let (live, shared) = (Arc::clone(&care.live), Arc::new(Shared::default()));
        let their_shared = Arc::clone(&shared);
        let thread = spawn(move || look_after(&care, &their_shared));
        // Without a thread the lock lasts for its lease, and a commit after that takes it again.
        self.running = thread.map(|thread| Running { thread, live, shared });
    }

    /// Tells the thread to end.
    fn dismiss(&mut self) {
        if let Some(Running { thread, shared, .. }) = self.running.take() {
            shared.state().is_stopped = true;
            shared.wake.notify_one();
            self.ending.push(thread);
        }
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&mut self) {
        self.dismiss();
        self.ending.drain(..).for_each(|thread| _ = thread.join());
    }

    /// In the child of a fork, which has no such thread, and must not touch what it has shared with
    /// its parent's.
    pub(super) fn forget_inherited(&mut self) {
        std::mem::forget(std::mem::replace(self, Self::new()));
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
fn look_after(care: &Care, shared: &Shared) {
    let live = &care.live;
    let mut last_used = Instant::now();
    let mut pause = care.due;
    let mut probes: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let mut state = shared.state();
        state.pause = pause;
        let is_asleep = |state: &mut State| !state.is_stopped && state.pause == pause;
        let waited = shared.wake.wait_timeout_while(state, pause, is_asleep);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_stopped {
            break;
        }
        if std::mem::take(&mut state.was_used) {
            last_used = Instant::now();
        }
        drop(state);
        let next = live.renew();
        pause = next.unwrap_or(PAUSE);
        probes.retain(|probe| !probe.is_finished());
        if live.has_node_down() {
            pause = pause.min(care.probe_interval);
            while let Some(node) = live.claim_probe(care.probe_interval) {
                let (live, timeout) = (Arc::clone(live), care.probe_timeout);
                probes.extend(spawn(move || live.probe(node, timeout)));
            }
        }
        if next.is_none() && last_used.elapsed() > IDLE_MAX {
            let mut state = shared.state();
            if !state.was_used {
                state.has_ended = true;
                break;
            }
        }
    }
    probes.into_iter().for_each(|probe| _ = probe.join());
}
