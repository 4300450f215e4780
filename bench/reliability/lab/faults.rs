//! What is done to a node, or to several in turn, while sessions are used.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{Load, ctl::repair, link::State, servers::Node};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    Dead,
    Empty,
    Hung,
    HungDead,
    Cut,
    Old,
    Slow,
    Full,
    Evicting,
    Two,
    Rolling,
}

pub const FAULTS: [Fault; 12] = [
    Fault::None,
    Fault::Dead,
    Fault::Empty,
    Fault::Hung,
    Fault::HungDead,
    Fault::Cut,
    Fault::Old,
    Fault::Slow,
    Fault::Full,
    Fault::Evicting,
    Fault::Two,
    Fault::Rolling,
];

/// How much later replies of a slow link come.
const LATE: Duration = Duration::from_millis(50);

/// How often more is stored in a server that is full.
const AGAIN: Duration = Duration::from_millis(100);

/// Between two faults, and after a restart where there is nothing to repair with.
const RECOVERY: Duration = Duration::from_secs(2);

impl Fault {
    /// Its name on the command line and what happens.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::None => ("none", "Nothing happens"),
            Self::Dead => ("dead", "A node is killed and stays dead"),
            Self::Empty => ("empty", "A node is killed and comes back at once, empty"),
            Self::Hung => ("hung", "A node stands still and goes on, with what it had"),
            Self::HungDead => ("hung-dead", "A node stands still and is killed then"),
            Self::Cut => ("cut", "Connections to a node end in the middle of a reply"),
            Self::Old => ("old", "A node cannot be reached and comes back with old data"),
            Self::Slow => ("slow", "A node's replies come 50 ms later"),
            Self::Full => ("full", "A node is full and refuses to store"),
            Self::Evicting => ("evicting", "A node is full and evicts"),
            Self::Two => ("two", "A node comes back empty, each session is read, another dies"),
            Self::Rolling => ("rolling", "All nodes are restarted in turn, empty"),
        }
    }

    /// Half of the sessions are not used meanwhile: they have what the fault leaves of them.
    pub fn spares_half(self) -> bool {
        matches!(self, Self::Evicting | Self::Two | Self::Rolling)
    }

    pub fn needs_link(self) -> bool {
        matches!(self, Self::Cut | Self::Old | Self::Slow)
    }

    /// How long it lasts when those that something stands still or is unreachable in last so long.
    fn lasts(self, longest: Duration) -> Duration {
        if matches!(self, Self::Hung) { longest } else { longest / 2 }
    }

    /// Carries it out, and reports each moment at which something breaks.
    pub(super) fn happen(
        self,
        nodes: &mut [Node],
        load: &Load,
        longest: Duration,
        mut breaks: impl FnMut(),
    ) -> io::Result<()> {
        let lasts = self.lasts(longest);
        let first = &mut nodes[0];
        let link = |node: &Node, state| node.link.as_ref().expect("a link").set(state);
        breaks();
        match self {
            Self::None => thread::sleep(lasts),
            Self::Dead => {
                first.server.kill();
                thread::sleep(lasts);
            }
            Self::Empty => {
                first.server.kill();
                first.server.restart();
                thread::sleep(lasts);
            }
            Self::Hung | Self::HungDead => {
                first.server.signal(Signal::STOP);
                thread::sleep(lasts);
                match self {
                    Self::Hung => first.server.signal(Signal::CONT),
                    _ => first.server.kill(),
                }
            }
            Self::Cut | Self::Old | Self::Slow => {
                let state = match self {
                    Self::Cut => State::Cutting,
                    Self::Old => State::Down,
                    _ => State::Late(LATE),
                };
                link(first, state);
                thread::sleep(lasts);
                link(first, State::Up);
            }
            Self::Full | Self::Evicting => {
                let started = Instant::now();
                while started.elapsed() < lasts {
                    match self {
                        Self::Full => first.server.fill()?,
                        _ => first.server.press()?,
                    }
                    thread::sleep(AGAIN);
                }
            }
            Self::Two => {
                first.server.kill();
                first.server.restart();
                thread::sleep(RECOVERY);
                load.read_all();
                breaks();
                nodes.last_mut().expect("a node").server.kill();
                thread::sleep(RECOVERY);
            }
            Self::Rolling => {
                for (number, node) in nodes.iter_mut().enumerate() {
                    if number > 0 {
                        breaks();
                    }
                    node.server.kill();
                    node.server.restart();
                    thread::sleep(RECOVERY);
                    if load.handler.can_repair {
                        repair(&load.save_path)?;
                    }
                }
            }
        }
        Ok(())
    }
}
