//! What goes wrong: fault episodes of nodes, clients that stand still, leases that run out, and
//! requests that arrive after they were given up.

use crate::client::{Client, Phase, Request, Step, rule_13_store};
use crate::node::{Cas, Health, NO_CAS, Record};
use crate::rules::Rule;
use crate::world::{Action, Fault, LEASES_MAX, Run, World};

/// One node at a time has a fault. While it lasts, and until all know that it is over, a request
/// may begin with either view of that node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Episode {
    None,
    Running(usize),
    /// Over, but no request that began afterwards has been acknowledged.
    Repairing(usize),
}

/// A request that was given up, on its way to `node`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Late {
    Lock {
        node: usize,
        request: u8,
    },
    /// `unlock` is the lock's CAS if the unlock is in the same pipeline.
    Store {
        node: usize,
        record: Record,
        expected: Cas,
        unlock: Cas,
    },
}

impl Late {
    fn node(&self) -> usize {
        match *self {
            Late::Lock { node, .. } | Late::Store { node, .. } => node,
        }
    }
}

/// What can go wrong, or get well again, in this state.
pub fn actions(run: &Run, world: &World, actions: &mut Vec<Action>) {
    for (who, client) in world.clients.iter().enumerate() {
        let has_locks = client.on.iter().any(|contact| contact.lock != NO_CAS);
        if world.pauses < run.pauses && !client.is_past_lease && has_locks {
            actions.push(Action::Pause { who });
        }
    }
    for node in 0..run.nodes {
        if world.clock < LEASES_MAX && world.nodes[node].is_up() && lease_may_end(run, world, node)
        {
            actions.push(Action::LeaseEnds { node });
        }
    }
    for (index, late) in world.late.iter().enumerate() {
        if late.is_some_and(|late| world.nodes[late.node()].is_up()) {
            actions.push(Action::Late { index });
        }
    }
    let may_begin = world.episodes_begun < run.episodes;
    match world.episode {
        Episode::None if may_begin => {
            for node in 0..run.nodes {
                actions.extend(run.faults.iter().map(|&fault| Action::Begin { fault, node }));
            }
        }
        Episode::Running(node) if !world.nodes[node].is_up() => {
            actions.push(Action::Return { node });
        }
        // The end of the last episode changes nothing that matters.
        Episode::Running(_) if may_begin => actions.push(Action::EndEpisode),
        Episode::None | Episode::Running(_) | Episode::Repairing(_) => (),
    }
}

/// Whether the lock on `node` can run out: nobody renews it any more, or its holder stands still.
/// Renewals of a client that runs are in time.
pub fn lease_may_end(run: &Run, world: &World, node: usize) -> bool {
    let Some(request) = world.nodes[node].lock else { return false };
    let (who, _) = run.request(request);
    let Client { phase, on, is_past_lease, .. } = world.clients[who];
    let contact = on[node];
    if matches!(phase, Phase::Idle | Phase::Done) || run.request_id(world, who) != request {
        return true;
    }
    let is_known = contact.lock == world.nodes[node].lock_cas;
    match phase {
        // Rule 10 counts the leases from the sending of the commit, also where the node failed.
        Phase::Committing if contact.held_when_sent => is_past_lease,
        // The lease had run out before it was asked to be renewed.
        Phase::Retaking if contact.step == Step::AskedRenewal => true,
        _ => !is_known || matches!(contact.step, Step::Nothing | Step::Failed) || is_past_lease,
    }
}

pub fn lease_ends(world: &mut World, node: usize) {
    world.nodes[node].drop_lock();
    world.clock += 1;
}

pub fn pause(world: &mut World, who: usize) {
    world.clients[who].is_past_lease = true;
    world.pauses += 1;
}

/// A request gives `node` up; what it asked for stays on its way, unless the node has crashed.
pub fn time_out(run: &Run, world: &mut World, who: usize, node: usize) {
    let mut request = world.request(run, who);
    let late = late_request(&mut request, node);
    if world.nodes[node].health != Health::Down
        && let Some(late) = late
        && let Some(free) = world.late.iter_mut().find(|late| late.is_none())
    {
        *free = Some(late);
        world.late.sort();
    }
    world.request(run, who).failed(node);
}

fn late_request(request: &mut Request<'_>, node: usize) -> Option<Late> {
    let run = request.run;
    let contact = request.world.clients[request.who].on[node];
    match contact.step {
        Step::AskedStore => request.own_record().map(|record| {
            let unlock = if run.rules.has(Rule::UnlockLast) { NO_CAS } else { contact.lock };
            Late::Store { node, record, expected: contact.copy_cas, unlock }
        }),
        Step::AskedLock if run.late_locks && !contact.read_only => {
            Some(Late::Lock { node, request: run.request_id(request.world, request.who) })
        }
        _ => None,
    }
}

pub fn late_arrives(run: &Run, world: &mut World, index: usize) {
    let late = world.late[index].take().expect("a late request");
    world.late.sort();
    let node = &mut world.nodes[late.node()];
    match late {
        Late::Lock { request, .. } => {
            node.add_lock(request);
        }
        Late::Store { record, expected, unlock, .. } => {
            rule_13_store(run, node, record, expected);
            node.unlock(unlock);
        }
    }
}

pub fn begin(run: &Run, world: &mut World, fault: Fault, node: usize) {
    world.episode = Episode::Running(node);
    world.episodes_begun += 1;
    match fault {
        Fault::Crash => crash(run, world, node),
        Fault::Hang => world.nodes[node].health = Health::Hung,
        Fault::Suspicion => (),
    }
}

/// With a crash all connections break: clients that wait see it now, others at their next request.
fn crash(run: &Run, world: &mut World, node: usize) {
    world.nodes[node].crash();
    for late in &mut world.late {
        if late.is_some_and(|late| late.node() == node) {
            *late = None;
        }
    }
    world.late.sort();
    for who in 0..run.requests.len() {
        let contact = &mut world.clients[who].on[node];
        if contact.is_awaited() {
            world.request(run, who).failed(node);
        } else if contact.lock != NO_CAS {
            contact.connection_lost = true;
        }
    }
}

pub fn back(world: &mut World, node: usize) {
    world.nodes[node].health = Health::Up;
}

pub fn end_episode(world: &mut World) {
    if let Episode::Running(node) = world.episode {
        world.episode = Episode::Repairing(node);
    }
    for client in &mut world.clients {
        client.began_after_repair = false;
    }
}
