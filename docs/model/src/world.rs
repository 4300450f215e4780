//! A run: which nodes, clients and faults there are, and everything that can happen next.

use crate::check::{self, History, Invariant, Violations};
use crate::client::{Client, Phase, Request};
use crate::faults::{self, Episode, Late};
use crate::node::{NODES_MAX, Node, Record};
use crate::rules::Rules;
use stateright::{Model, Property};

/// The most clients that a run may have.
pub const CLIENTS_MAX: usize = 3;

/// Requests that were given up and are still on their way, at most. A further one is dropped, which
/// is what happens to it if it never arrives.
pub const LATE_MAX: usize = 2;

/// Leases that may run out in a run; so much the clocks advance.
pub const LEASES_MAX: u8 = 5;

/// How far each client's clock is ahead, in eighths of a lease.
pub const CLOCK_OFFSETS: [u8; CLIENTS_MAX] = [1, 0, 2];

/// The same where one clock is wrong by two leases.
pub const CLOCK_OFFSETS_APART: [u8; CLIENTS_MAX] = [17, 0, 2];

/// The bit of [`Record::history`] for what was in the session from the start.
pub const FROM_THE_START: u8 = 1 << 7;

/// What a request does with the session that it has opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Write,
    /// Nothing was changed: the record lives on.
    Touch,
    Destroy,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The node forgets everything, and comes back empty.
    Crash,
    /// The node stands still, and comes back with old data and old locks.
    Hang,
    /// The network between the node and some clients fails: any client may find it dead or alive.
    Suspicion,
}

pub const ANY_FAULT: &[Fault] = &[Fault::Crash, Fault::Hang, Fault::Suspicion];

/// The bounds of one exploration.
#[derive(Clone, Debug)]
pub struct Run {
    pub rules: Rules,
    pub nodes: usize,
    pub replicas: usize,
    /// By client: its requests, one after the other.
    pub requests: &'static [&'static [Op]],
    /// What an episode may be.
    pub faults: &'static [Fault],
    /// Fault episodes, one at a time. Before the next one, a request that was opened after the node
    /// was back is acknowledged: the repair.
    pub episodes: u8,
    /// How often clients stand still until their leases have run out.
    pub pauses: u8,
    /// Whether the session is there from the start.
    pub session_exists: bool,
    /// Whether a request for a lock can arrive late too, not only a store.
    pub late_locks: bool,
    /// Progress is examined in one state of so many, chosen by hash; 0: in none.
    pub progress_sample: u64,
}

impl Run {
    /// Two clients that write once each, three nodes, two replicas, no fault.
    pub const BASIC: Run = Run {
        rules: Rules::without(&[]),
        nodes: 3,
        replicas: 2,
        requests: &[&[Op::Write], &[Op::Write]],
        faults: ANY_FAULT,
        episodes: 0,
        pauses: 0,
        session_exists: true,
        late_locks: false,
        progress_sample: 7,
    };

    /// The number of a client's current request, among those of all clients.
    pub fn request_id(&self, world: &World, who: usize) -> u8 {
        let before: usize = self.requests[..who].iter().map(|requests| requests.len()).sum();
        before as u8 + world.clients[who].requests_done
    }

    pub fn op(&self, world: &World, who: usize) -> Op {
        self.requests[who][usize::from(world.clients[who].requests_done)]
    }

    /// The client that a request belongs to, and what the request does.
    pub fn request(&self, id: u8) -> (usize, Op) {
        let all = self.requests.iter().enumerate();
        let mut all = all.flat_map(|(who, requests)| requests.iter().map(move |&op| (who, op)));
        all.nth(usize::from(id)).expect("a request of this run")
    }
}

/// One state of the model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct World {
    pub nodes: [Node; NODES_MAX],
    pub clients: [Client; CLIENTS_MAX],
    /// Sorted, because their order means nothing.
    pub late: [Option<Late>; LATE_MAX],
    /// Leases that have run out.
    pub clock: u8,
    pub episode: Episode,
    pub episodes_begun: u8,
    pub pauses: u8,
    pub history: History,
    pub violations: Violations,
}

impl World {
    /// What the board answers a request that asks it again now. The node of the current episode it
    /// never calls up, even if only some clients cannot reach it.
    pub fn board_says_up(&self, node: usize) -> bool {
        self.nodes[node].is_up() && self.episode != Episode::Running(node)
    }

    /// The last fault is over, and no request that began afterwards has been acknowledged yet.
    pub fn is_repaired(&self) -> bool {
        matches!(self.episode, Episode::Repairing(_))
    }

    pub fn request<'a>(&'a mut self, run: &'a Run, who: usize) -> Request<'a> {
        Request { run, world: self, who }
    }
}

/// One step; [`crate::trace`] has a sentence for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A client begins its next request, with a view that may skip one node.
    Open {
        who: usize,
        skipped: Option<usize>,
    },
    /// A node does what a request asked of it, and the answer is read.
    Answer {
        who: usize,
        node: usize,
    },
    /// A request gives up waiting for a node. What it asked for may be done later.
    TimeOut {
        who: usize,
        node: usize,
    },
    AskAgain {
        who: usize,
    },
    Commit {
        who: usize,
    },
    /// A client stands still until its leases have run out.
    Pause {
        who: usize,
    },
    /// A lease ends at the node.
    LeaseEnds {
        node: usize,
    },
    /// A request that was given up arrives.
    Late {
        index: usize,
    },
    Begin {
        fault: Fault,
        node: usize,
    },
    Return {
        node: usize,
    },
    /// All clients know that the node is back.
    EndEpisode,
}

impl Model for Run {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut world = World {
            nodes: [Node::new(); NODES_MAX],
            clients: [Client::done(0); CLIENTS_MAX],
            late: [None; LATE_MAX],
            clock: 0,
            episode: Episode::None,
            episodes_begun: 0,
            pauses: 0,
            history: History::default(),
            violations: Violations::default(),
        };
        world.clients[..self.requests.len()].fill(Client::NEW);
        if self.session_exists {
            world.history.acked = FROM_THE_START;
            for node in &mut world.nodes[..self.replicas] {
                node.set_record(Record {
                    version: 1,
                    writer: 0,
                    history: FROM_THE_START,
                    is_tombstone: false,
                });
            }
        }
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // A state that breaks an invariant ends its trace.
        if world.violations.is_any() {
            return;
        }
        for (who, client) in world.clients.iter().enumerate() {
            match client.phase {
                Phase::Idle => {
                    actions.push(Action::Open { who, skipped: None });
                    if let Episode::Running(node) = world.episode {
                        actions.push(Action::Open { who, skipped: Some(node) });
                    }
                }
                Phase::Holding => actions.push(Action::Commit { who }),
                Phase::Opening | Phase::Retaking | Phase::Committing | Phase::Done => (),
            }
            for (node, contact) in client.on.iter().enumerate() {
                if contact.is_awaited() {
                    if world.nodes[node].is_up() {
                        actions.push(Action::Answer { who, node });
                    }
                    if !world.board_says_up(node) {
                        actions.push(Action::TimeOut { who, node });
                    }
                }
            }
            if Request::may_ask_again(world, who) {
                actions.push(Action::AskAgain { who });
            }
        }
        faults::actions(self, world, actions);
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = *before;
        match action {
            Action::Open { who, skipped } => world.request(self, who).rule_1_open(skipped),
            Action::Answer { who, node } => world.request(self, who).answered(node),
            Action::AskAgain { who } => world.request(self, who).rule_2_ask_again(),
            Action::Commit { who } => world.request(self, who).rule_5_commit(),
            Action::TimeOut { who, node } => faults::time_out(self, &mut world, who, node),
            Action::Pause { who } => faults::pause(&mut world, who),
            Action::LeaseEnds { node } => faults::lease_ends(&mut world, node),
            Action::Late { index } => faults::late_arrives(self, &mut world, index),
            Action::Begin { fault, node } => faults::begin(self, &mut world, fault, node),
            Action::Return { node } => faults::back(&mut world, node),
            Action::EndEpisode => faults::end_episode(&mut world),
        }
        check::every_state(self, &mut world);
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Run>> {
        Invariant::properties()
    }
}
