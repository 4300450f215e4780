//! The rules, as a request follows them on the nodes.
//!
//! A client serves one request after the other; a request opens the session, holds it while the
//! script runs, and commits. It speaks to all nodes of its set at once: each answer (or time-out)
//! is a step of the model, in any order, and when none is awaited any more the request goes on with
//! [`Request::go_on`]. The rules have the protocol's numbers: 1 to 4 are in [`open`], the others in
//! [`commit`], and here is what both use.

mod commit;
mod open;

pub use commit::rule_13_store;
pub use open::{rule_3_ask_further, rule_3_may_be_empty};

use crate::check;
use crate::node::{Cas, Copied, NO_CAS, NODES_MAX, Node, Record};
use crate::rules::Rule;
use crate::world::{CLOCK_OFFSETS, CLOCK_OFFSETS_APART, Op, Run, World};

/// What a request is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// The client has not begun its next request.
    Idle,
    Opening,
    /// The script runs.
    Holding,
    /// The lease had run out before the commit was sent: locks are renewed or taken again.
    Retaking,
    Committing,
    /// The client has served all its requests.
    Done,
}

/// Where a request stands with one node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// Nothing is asked and nothing is held there.
    Nothing,
    AskedLock,
    AskedRenewal,
    AskedStore,
    /// The lock was granted and the copy read; in a commit, perhaps only read (rule 7).
    Granted,
    /// Another request has the lock.
    Denied,
    /// An error or a time-out.
    Failed,
    Stored,
    /// The store was refused; the copy that is there was read.
    Refused,
}

/// What a request knows of one node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Contact {
    pub step: Step,
    /// The node belongs to the request's set.
    pub in_set: bool,
    /// Left out by the request's view: the board called it down at the start, or it failed since.
    pub skipped: bool,
    /// The commit was sent there, or tried to.
    tried: bool,
    /// Its lock was held, as far as the request knows, when the commit was sent.
    pub held_when_sent: bool,
    /// The connection broke while nothing was awaited.
    pub connection_lost: bool,
    /// Only read, which is not what rule 3 says.
    pub read_only: bool,
    /// Of our lock, or [`NO_CAS`].
    pub lock: Cas,
    pub copy: Copied,
    pub copy_cas: Cas,
}

impl Contact {
    const NONE: Contact = Contact {
        step: Step::Nothing,
        in_set: false,
        skipped: false,
        tried: false,
        held_when_sent: false,
        connection_lost: false,
        read_only: false,
        lock: NO_CAS,
        copy: None,
        copy_cas: NO_CAS,
    };

    pub fn is_awaited(&self) -> bool {
        matches!(self.step, Step::AskedLock | Step::AskedRenewal | Step::AskedStore)
    }

    fn ask(&mut self, step: Step) {
        self.in_set = true;
        self.step = step;
    }

    fn granted(&mut self, node: &Node) {
        self.step = Step::Granted;
        self.connection_lost = false;
        self.read(node);
    }

    fn read(&mut self, node: &Node) {
        self.copy = node.record;
        self.copy_cas = node.record_cas;
    }

    /// Forgets what was learned there, but not why the node is asked.
    fn forget(&mut self) {
        let Contact { in_set, skipped, read_only, .. } = *self;
        *self = Contact { in_set, skipped, read_only, ..Contact::NONE };
    }

    fn leave_set(&mut self) {
        *self = Contact { skipped: self.skipped, ..Contact::NONE };
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Client {
    pub requests_done: u8,
    pub phase: Phase,
    /// By node.
    pub on: [Contact; NODES_MAX],
    /// The record that this request works on.
    pub base: Copied,
    asked_further: bool,
    /// The reading of the client's clock that belongs to its locks.
    reading: u8,
    /// The client has stood still for so long that its leases have run out.
    pub is_past_lease: bool,
    /// A store went unanswered: it may still arrive, or have been done.
    may_be_stored: bool,
    /// What was acknowledged before this request began.
    acked_before: u8,
    /// The request began after the node of the last fault was back.
    pub began_after_repair: bool,
}

impl Client {
    /// A client that begins with its first request.
    pub const NEW: Client = Client {
        requests_done: 0,
        phase: Phase::Idle,
        on: [Contact::NONE; NODES_MAX],
        base: None,
        asked_further: false,
        reading: 0,
        is_past_lease: false,
        may_be_stored: false,
        acked_before: 0,
        began_after_repair: false,
    };

    /// A client whose requests are all served.
    pub const fn done(requests_done: u8) -> Client {
        Client { requests_done, phase: Phase::Done, ..Client::NEW }
    }

    pub fn is_waiting(&self) -> bool {
        self.on.iter().any(Contact::is_awaited)
    }

    fn is_on(&self, step: Step) -> bool {
        self.on.iter().any(|contact| contact.in_set && contact.step == step)
    }

    fn set_len(&self) -> usize {
        self.on.iter().filter(|contact| contact.in_set).count()
    }

    /// The first node of the set whose lock has to be asked for again.
    fn first_given_back(&self) -> Option<usize> {
        self.on.iter().position(|contact| contact.in_set && contact.step == Step::Nothing)
    }
}

/// Rule 15: how a request ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Saved,
    /// A touch that did not reach its copies, because somebody newer wrote or nodes were missing.
    NotTouched,
    /// Nothing was sent, or every answer was a refusal.
    NotSaved,
    Indeterminate,
    /// The session could not be opened.
    NotOpened,
}

/// One client's current request, and the world it works in.
pub struct Request<'a> {
    pub run: &'a Run,
    pub world: &'a mut World,
    pub who: usize,
}

impl Request<'_> {
    fn me(&mut self) -> &mut Client {
        &mut self.world.clients[self.who]
    }

    fn on(&mut self, node: usize) -> &mut Contact {
        &mut self.me().on[node]
    }

    /// What this request knows of a node, and the node itself.
    fn at(&mut self, node: usize) -> (&mut Contact, &mut Node) {
        (&mut self.world.clients[self.who].on[node], &mut self.world.nodes[node])
    }

    /// The nodes of the set, in list order.
    fn set(&mut self) -> impl Iterator<Item = usize> + use<> {
        let in_set = self.me().on.map(|contact| contact.in_set);
        (0..NODES_MAX).filter(move |&node| in_set[node])
    }

    fn has(&self, rule: Rule) -> bool {
        self.run.rules.has(rule)
    }

    fn id(&self) -> u8 {
        self.run.request_id(self.world, self.who)
    }

    fn op(&self) -> Op {
        self.run.op(self.world, self.who)
    }

    /// The client's clock, in eighths of a lease.
    fn clock(&self) -> u8 {
        let agree = self.has(Rule::ClocksAgree);
        let offsets = if agree { CLOCK_OFFSETS } else { CLOCK_OFFSETS_APART };
        self.world.clock * 8 + offsets[self.who]
    }

    /// What this request stores. A touch repairs with base itself (rule 12), a destroy leaves a
    /// tombstone (rule 13), and a version is higher than base's and not before the clock's reading
    /// (rule 5).
    pub fn own_record(&self) -> Copied {
        let client = &self.world.clients[self.who];
        let op = self.op();
        if op == Op::Touch {
            return client.base;
        }
        let next = client.base.map_or(1, |base| base.version + 1);
        let reading = if self.has(Rule::ClockInVersion) { client.reading } else { 0 };
        Some(Record {
            version: next.max(reading),
            writer: self.id() + 1,
            history: client.base.map_or(0, |base| base.history) | 1 << self.id(),
            is_tombstone: op == Op::Destroy,
        })
    }

    /// An answer of `node` to what it was asked last.
    pub fn answered(&mut self, node: usize) {
        match self.on(node).step {
            Step::AskedLock => self.rule_1_lock_and_read(node),
            Step::AskedRenewal => self.rule_14_renew(node),
            Step::AskedStore => self.store(node),
            step => unreachable!("nothing is awaited in {step:?}"),
        }
        self.go_on();
    }

    /// Nothing came back from `node`: for this request it has failed.
    pub fn failed(&mut self, node: usize) {
        let contact = self.on(node);
        let was_store = contact.step == Step::AskedStore;
        contact.step = Step::Failed;
        contact.skipped = true;
        contact.read_only = false;
        self.me().may_be_stored |= was_store;
        self.go_on();
    }

    /// Takes the next step when no answer is awaited.
    pub fn go_on(&mut self) {
        if self.me().is_waiting() {
            return;
        }
        match self.me().phase {
            Phase::Opening => self.go_on_opening(),
            Phase::Retaking => self.rule_5_go_on_retaking(),
            Phase::Committing => self.go_on_committing(),
            Phase::Idle | Phase::Holding | Phase::Done => (),
        }
    }

    /// Fills the set up to R nodes. True if a node was asked.
    fn ask_replacements(&mut self) -> bool {
        let full = |contact: &&Contact| contact.in_set && !contact.read_only;
        while self.me().on.iter().filter(full).count() < self.run.replicas {
            let Some(node) = self.rule_6_next_node() else { break };
            let is_commit = self.me().phase == Phase::Committing;
            let contact = self.on(node);
            contact.ask(Step::AskedLock);
            contact.tried = is_commit;
        }
        self.me().is_waiting()
    }

    /// Rules 3 and 6: the next node is the first in list order, not in the set and not yet tried in
    /// this commit, that is up: because the request's own view says so, or because the board does
    /// now. With the view alone a request that has waited for long would miss a node that is back.
    fn rule_6_next_node(&mut self) -> Option<usize> {
        let nodes = 0..self.run.nodes;
        let on = self.me().on;
        let by_view = |node: &usize| !on[*node].in_set && !on[*node].skipped;
        let asks_board = self.has(Rule::AskBoardAgain);
        let by_board = |node: &usize| {
            let is_left = !on[*node].in_set && !on[*node].tried;
            asks_board && is_left && self.world.board_says_up(*node)
        };
        if self.has(Rule::ListOrder) {
            nodes.clone().find(|node| by_view(node) || by_board(node))
        } else {
            nodes.clone().find(by_view).or_else(|| nodes.clone().find(by_board))
        }
    }

    /// Rule 15: the outcome is told. Rule 11: the locks are given back now that it is known.
    fn rule_15_end(&mut self, outcome: Outcome) {
        for node in self.set() {
            if self.on(node).step != Step::Failed {
                self.rule_11_unlock(node);
            }
        }
        check::ended(self.run, self.world, self.who, outcome);
        let done = self.me().requests_done + 1;
        let is_last = usize::from(done) == self.run.requests[self.who].len();
        *self.me() = if is_last {
            Client::done(done)
        } else {
            Client { requests_done: done, ..Client::NEW }
        };
    }

    /// Rule 11: a lock is given back by its CAS, unless the connection that the CAS belongs to is
    /// gone (rule 4). Nobody waits for the answer.
    fn rule_11_unlock(&mut self, node: usize) {
        let tokens_die = self.has(Rule::TokensDie);
        let (contact, there) = self.at(node);
        if !(contact.connection_lost && tokens_die) {
            there.unlock(contact.lock);
            contact.lock = NO_CAS;
        }
    }
}
