//! What has to hold, whatever happens within a run.

use crate::client::{Outcome, Phase, Request, rule_3_ask_further, rule_3_may_be_empty};
use crate::faults::{self, Episode};
use crate::node::{Copied, Health, is_newer};
use crate::rules::Rule;
use crate::world::{Op, Run, World};
use stateright::Property;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The requests of a run, at most. The highest bit of a history is
/// [`crate::world::FROM_THE_START`].
const REQUESTS_MAX: usize = 6;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invariant {
    I1,
    I2,
    I3,
    I4,
    I5,
    P3,
    Lost,
    Seen,
    Refused,
}

impl Invariant {
    pub const ALL: [Invariant; 9] = [
        Invariant::I1,
        Invariant::I2,
        Invariant::I3,
        Invariant::I4,
        Invariant::I5,
        Invariant::P3,
        Invariant::Lost,
        Invariant::Seen,
        Invariant::Refused,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Invariant::I1 => "I1",
            Invariant::I2 => "I2",
            Invariant::I3 => "I3",
            Invariant::I4 => "I4",
            Invariant::I5 => "I5",
            Invariant::P3 => "P3",
            Invariant::Lost => "P3, data lost",
            Invariant::Seen => "SEEN",
            Invariant::Refused => "DEF",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Invariant::I1 => "every reader sees every acknowledged write",
            Invariant::I2 => "of two acknowledged writes one contains the other",
            Invariant::I3 => "every reader sees every acknowledged destroy",
            Invariant::I4 => "nobody gets an empty session while a node has the data",
            Invariant::I5 => "without further faults every request ends",
            Invariant::P3 => "no request fails when no client stood still",
            Invariant::Lost => "some node has a copy of an acknowledged session",
            Invariant::Seen => "what an acknowledged touch has read is not rolled back",
            Invariant::Refused => "a write reported as not saved is nowhere",
        }
    }

    /// One property for each invariant. All but I5 are looked up: they are found broken while a
    /// step is taken.
    pub fn properties() -> Vec<Property<Run>> {
        macro_rules! holds {
            ($invariant:expr) => {
                Property::always($invariant.name(), |_, world: &World| {
                    !world.violations.has($invariant)
                })
            };
        }
        vec![
            holds!(Invariant::I1),
            holds!(Invariant::I2),
            holds!(Invariant::I3),
            holds!(Invariant::I4),
            Property::always(Invariant::I5.name(), i5_requests_end),
            holds!(Invariant::P3),
            holds!(Invariant::Lost),
            holds!(Invariant::Seen),
            holds!(Invariant::Refused),
        ]
    }
}

/// The invariants that a state breaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Violations(u16);

impl Violations {
    fn add(&mut self, invariant: Invariant) {
        self.0 |= 1 << invariant as u16;
    }

    fn has(self, invariant: Invariant) -> bool {
        self.0 & 1 << invariant as u16 != 0
    }

    pub fn is_any(self) -> bool {
        self.0 != 0
    }
}

/// What the clients were told. Bits are those of [`crate::node::Record::history`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct History {
    /// Writes and destroys that were acknowledged.
    pub acked: u8,
    /// What acknowledged touches have read.
    pub touched: u8,
    /// Writes that were reported as not saved.
    refused: u8,
    /// By request: the history in the record that it was acknowledged for.
    contained: [u8; REQUESTS_MAX],
}

/// A request was given `base` to work on. `acked` is what had been acknowledged when it began.
pub fn handed_out(run: &Run, world: &mut World, acked: u8, base: Copied) {
    match base {
        None => empty_is_handed_out(run, world, acked),
        Some(base) => something_is_handed_out(run, world, acked, base.history),
    }
}

/// I1, I3: a reader got a record with this history. Without tombstones a new session knows nothing
/// of a destroy before it; then only what the destroy had seen must not show again.
fn something_is_handed_out(run: &Run, world: &mut World, acked: u8, history: u8) {
    let missing = acked & !history;
    if missing & destroys(run) == 0 {
        if missing != 0 {
            world.violations.add(Invariant::I1);
        }
    } else if run.rules.has(Rule::Tombstone) || history & seen_by_destroys(run, world) != 0 {
        world.violations.add(Invariant::I3);
    }
}

/// What acknowledged destroys have seen, without themselves.
fn seen_by_destroys(run: &Run, world: &World) -> u8 {
    let all = 0..REQUESTS_MAX;
    let acked = all.filter(|&id| world.history.acked & destroys(run) & 1 << id != 0);
    acked.fold(0, |seen, id| seen | world.history.contained[id] & !destroys(run))
}

/// I4, and "data lost": a reader was told that there is no session. Without tombstones that is what
/// a destroy leaves, acknowledged or not yet.
fn empty_is_handed_out(run: &Run, world: &mut World, acked: u8) {
    let may_be_destroyed = destroys(run) != 0 && !run.rules.has(Rule::Tombstone);
    if acked == 0 || may_be_destroyed {
        return;
    }
    let is_somewhere = world.nodes.iter().any(|node| {
        node.health != Health::Down
            && node.record.is_some_and(|record| record.history & acked == acked)
    });
    world.violations.add(if is_somewhere { Invariant::I4 } else { Invariant::Lost });
}

/// The requests that destroy the session, as bits of a history.
fn destroys(run: &Run) -> u8 {
    let ops = run.requests.iter().flat_map(|requests| requests.iter()).enumerate();
    ops.filter(|(_, op)| **op == Op::Destroy).fold(0, |bits, (id, _)| bits | 1 << id)
}

/// The current request of client `who` ends.
pub fn ended(run: &Run, world: &mut World, who: usize, outcome: Outcome) {
    let id = usize::from(run.request_id(world, who));
    match outcome {
        Outcome::Saved => saved(run, world, who, id),
        Outcome::NotTouched => (),
        Outcome::NotSaved | Outcome::Indeterminate | Outcome::NotOpened => {
            if outcome == Outcome::NotSaved {
                world.history.refused |= 1 << id;
            }
            if world.pauses == 0 {
                world.violations.add(Invariant::P3);
            }
        }
    }
}

fn saved(run: &Run, world: &mut World, who: usize, id: usize) {
    let own = world.request(run, who).own_record();
    if run.op(world, who) == Op::Touch {
        world.history.touched |= own.map_or(0, |record| record.history);
    } else {
        let contained = own.expect("a write has a record").history;
        for other in 0..REQUESTS_MAX {
            let is_acked = world.history.acked & 1 << other != 0;
            let is_unseen = contained & 1 << other == 0;
            if is_acked && is_unseen && world.history.contained[other] & 1 << id == 0 {
                world.violations.add(Invariant::I2);
            }
        }
        world.history.acked |= 1 << id;
        world.history.contained[id] = contained;
    }
    if world.is_repaired() && world.clients[who].began_after_repair {
        world.episode = Episode::None;
    }
}

/// In every state a fresh reader, which takes no lock, finds everything that was acknowledged: with
/// the right view, and with the one that skips the node of the current episode.
pub fn every_state(run: &Run, world: &mut World) {
    let mut views = vec![None];
    if let Episode::Running(node) = world.episode {
        views.push(Some(node));
    }
    for skipped in views {
        let Some(copy) = fresh_reader(run, world, skipped) else { continue };
        handed_out(run, world, world.history.acked, copy);
        if copy.is_some_and(|copy| world.history.touched & !copy.history != 0) {
            world.violations.add(Invariant::Seen);
        }
    }
    let refused = world.history.refused;
    if world.nodes.iter().any(|node| node.record.is_some_and(|it| it.history & refused != 0)) {
        world.violations.add(Invariant::Refused);
    }
}

/// Rules 1 and 3 for a reader without a lock: what it gets, or `None` if that is an error. A node
/// that does not answer counts as one that the reader skips.
fn fresh_reader(run: &Run, world: &World, skipped: Option<usize>) -> Option<Copied> {
    let up = (0..run.nodes).filter(|&node| world.nodes[node].is_up());
    let mut asked: Vec<usize> =
        up.clone().filter(|&node| Some(node) != skipped).take(run.replicas).collect();
    if rule_3_ask_further(run, asked.iter().map(|&node| world.nodes[node].record)) {
        let may_ask = |&node: &usize| run.rules.has(Rule::AskSkipped) || Some(node) != skipped;
        let further = up.filter(may_ask).filter(|node| !asked.contains(node));
        asked.extend(further.take((run.replicas - 1).max(1)).collect::<Vec<_>>());
    }
    let copies = asked.iter().map(|&node| world.nodes[node].record);
    let newest =
        copies.reduce(|newest, copy| if is_newer(copy, newest) { copy } else { newest })?;
    let one_is_young = asked.iter().any(|&node| world.nodes[node].is_young);
    let is_believed = newest.is_some() || rule_3_may_be_empty(run, asked.len(), one_is_young);
    is_believed.then_some(newest)
}

/// I5: from here, if nothing goes wrong any more and every client gets its turn, all requests end.
/// It is examined in a sample of the states, because each costs a run of its own.
fn i5_requests_end(run: &Run, world: &World) -> bool {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    let is_examined = run.progress_sample != 0
        && hasher.finish().is_multiple_of(run.progress_sample)
        && !world.violations.is_any();
    !is_examined || fair_run_ends(run, *world)
}

/// Turns of a fair run, far more than any needs.
const TURNS_MAX: usize = 400;

fn fair_run_ends(run: &Run, mut world: World) -> bool {
    let clients = run.requests.len();
    let mut idle_turns = 0;
    for turn in 0..TURNS_MAX {
        if world.clients.iter().all(|client| client.phase == Phase::Done) {
            return true;
        }
        let before = world;
        take_turn(run, &mut world, turn % clients);
        idle_turns = if world == before { idle_turns + 1 } else { 0 };
        // All wait for locks. Those that nobody renews any more run out; if there are none, all
        // wait for each other.
        if idle_turns == clients {
            if !abandoned_leases_end(run, &mut world) {
                return false;
            }
            idle_turns = 0;
        }
    }
    false
}

/// One step of one client, with nodes that answer at once or not at all and a board that is right.
fn take_turn(run: &Run, world: &mut World, who: usize) {
    let client = &world.clients[who];
    match client.phase {
        Phase::Idle => {
            let down = world.nodes.iter().position(|node| !node.is_up());
            world.request(run, who).rule_1_open(down);
        }
        Phase::Holding => world.request(run, who).rule_5_commit(),
        Phase::Opening | Phase::Retaking | Phase::Committing => {
            let awaited = client.on.iter().position(|contact| contact.is_awaited());
            match awaited {
                Some(node) if world.nodes[node].is_up() => world.request(run, who).answered(node),
                Some(node) => world.request(run, who).failed(node),
                None if Request::may_ask_again(world, who) => {
                    world.request(run, who).rule_2_ask_again();
                }
                None => (),
            }
        }
        Phase::Done => (),
    }
}

/// Ends the leases of locks that no client knows of any more. A client that stood still runs again.
fn abandoned_leases_end(run: &Run, world: &mut World) -> bool {
    let mut awake = *world;
    for client in &mut awake.clients {
        client.is_past_lease = false;
    }
    let ending = (0..run.nodes).filter(|&node| faults::lease_may_end(run, &awake, node));
    let ending: Vec<usize> = ending.collect();
    ending.iter().for_each(|&node| world.nodes[node].drop_lock());
    !ending.is_empty()
}
