//! The health board: what the processes of this machine know about the nodes of a pool.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// What is known about the nodes of one pool. Times are those of `World::uptime`.
#[derive(Debug)]
pub struct Board {
    down: Vec<AtomicBool>,
}

impl Board {
    /// A board that nobody else shares, for the nodes of these names.
    pub fn private(names: &[u64]) -> Self {
        Self { down: names.iter().map(|_| AtomicBool::new(false)).collect() }
    }

    /// Whether a node answers, as far as is known. True as well for one that is down and that
    /// nobody has looked at for long: the caller then looks, and tells what it has found.
    pub fn is_up(&self, node: usize, _now: Duration) -> bool {
        !self.down[node].load(SeqCst)
    }

    /// Whether the operator has taken a node out of use. It may well answer.
    pub fn is_drained(&self, _node: usize) -> bool {
        false
    }

    /// A node has not answered. Says whether this has taken it down.
    pub fn failed(&self, node: usize, _now: Duration) -> bool {
        !self.down[node].swap(true, SeqCst)
    }

    /// A node has answered. Says whether this has brought it back. Costs a load where all is well.
    pub fn answered(&self, node: usize, _now: Duration) -> bool {
        self.down[node].swap(false, SeqCst)
    }

    /// A node that is down and to be looked at by the caller; nobody else looks at it for the next
    /// `interval`.
    pub fn claim_probe(&self, _now: Duration, _interval: Duration) -> Option<usize> {
        self.down.iter().position(|down| down.load(SeqCst))
    }
}
