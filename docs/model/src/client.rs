//! The rules, as a request follows them on the nodes.
//!
//! A client serves one request after the other; a request opens the session, holds it while the
//! script runs, and commits. It speaks to all nodes of its set at once: each answer (or time-out)
//! is a step of the model, in any order, and when none is awaited any more the request goes on with
//! [`Request::go_on`]. The rules have the protocol's numbers.

use crate::check;
use crate::node::{Cas, Copied, NO_CAS, NODES_MAX, Node, Record, is_newer};
use crate::rules::Rule;
use crate::world::{Op, Run, World};

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
    /// The lock was granted and the copy read.
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

/// Rule 3: copies that differ, or all miss, are not believed before further nodes were asked.
pub fn rule_3_ask_further(run: &Run, copies: impl IntoIterator<Item = Copied>) -> bool {
    let mut copies = copies.into_iter();
    let Some(first) = copies.next() else { return false };
    let all_equal = copies.all(|copy| copy == first);
    if all_equal {
        first.is_none() && run.rules.has(Rule::AskWhenMissing)
    } else {
        run.rules.has(Rule::AskWhenDifferent)
    }
}

/// Rule 3: empty is handed out only if, of the first 2R - 1 nodes, at most one did not answer, and
/// then only if none of those that answered was born within the session's lifetime.
pub fn rule_3_may_be_empty(run: &Run, answered: usize, one_is_young: bool) -> bool {
    let expected = run.nodes.min(2 * run.replicas - 1);
    match expected.saturating_sub(answered) {
        0 => true,
        1 => !(one_is_young && run.rules.has(Rule::BirthMark)),
        _ => false,
    }
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
        self.world.clock * 8 + self.run.clock_offsets[self.who]
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

    // Opening.

    /// Rule 1: add the lock and read the record on the first R nodes that the view does not skip.
    pub fn rule_1_open(&mut self, skipped: Option<usize>) {
        let (replicas, nodes) = (self.run.replicas, self.run.nodes);
        let (acked, is_repaired) = (self.world.history.acked, self.world.is_repaired());
        let client = self.me();
        client.phase = Phase::Opening;
        client.acked_before = acked;
        client.began_after_repair = is_repaired;
        if let Some(node) = skipped {
            client.on[node].skipped = true;
        }
        for node in (0..nodes).filter(|&node| Some(node) != skipped).take(replicas) {
            client.on[node].ask(Step::AskedLock);
        }
    }

    /// Rule 1 on one node: the lock is granted together with the copy, or held by another.
    fn rule_1_lock_and_read(&mut self, node: usize) {
        let id = self.id();
        let is_replacement = self.me().phase == Phase::Committing;
        let without_lock =
            self.on(node).read_only || is_replacement && self.run.rules.has(Rule::StoreWithoutLock);
        let there = &mut self.world.nodes[node];
        let lock =
            if self.world.clients[self.who].on[node].read_only { None } else { there.add_lock(id) };
        let contact = &mut self.world.clients[self.who].on[node];
        contact.lock = lock.unwrap_or(NO_CAS);
        contact.step = Step::Denied;
        if lock.is_some() || without_lock {
            contact.step = Step::Granted;
            contact.connection_lost = false;
            contact.read(there);
        }
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
            Phase::Retaking => self.go_on_retaking(),
            Phase::Committing => self.go_on_committing(),
            Phase::Idle | Phase::Holding | Phase::Done => (),
        }
    }

    fn go_on_opening(&mut self) {
        if self.rule_3_replace_failed() {
            return;
        }
        if self.me().set_len() == 0 {
            return self.end(Outcome::NotOpened);
        }
        if self.rule_2_keep_front_part()
            || self.rule_2_start_again()
            || self.rule_4_lock_again()
            || self.rule_3_ask_next()
        {
            return;
        }
        self.rule_3_believe();
    }

    /// Rule 3: a node that failed in the open is replaced. True if a node was asked.
    fn rule_3_replace_failed(&mut self) -> bool {
        for node in self.set() {
            if self.on(node).step == Step::Failed {
                self.on(node).leave_set();
            }
        }
        self.ask_replacements()
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
        let by_view = |request: &Self, node: usize| {
            let contact = request.world.clients[request.who].on[node];
            !contact.in_set && !contact.skipped
        };
        let by_board = |request: &Self, node: usize| {
            let contact = request.world.clients[request.who].on[node];
            let is_up = request.world.board_says_up(node) && request.has(Rule::AskBoardAgain);
            !contact.in_set && !contact.tried && is_up
        };
        let nodes = 0..self.run.nodes;
        if self.has(Rule::ListOrder) {
            nodes.clone().find(|&node| by_view(self, node) || by_board(self, node))
        } else {
            let first = nodes.clone().find(|&node| by_view(self, node));
            first.or_else(|| nodes.clone().find(|&node| by_board(self, node)))
        }
    }

    /// Rule 2: of the set, only the unbroken front part of granted locks is kept, and all behind it
    /// is given back and asked for again. True if something is missing.
    fn rule_2_keep_front_part(&mut self) -> bool {
        let is_missing = |contact: &Contact| matches!(contact.step, Step::Denied | Step::Nothing);
        let client = *self.me();
        let Some(first_missing) = self.set().find(|&node| is_missing(&client.on[node])) else {
            return false;
        };
        let first = self.set().next();
        for node in self.set() {
            let is_behind = self.has(Rule::FrontPartOnly) || Some(first_missing) == first;
            if is_missing(&client.on[node]) || (node > first_missing && is_behind) {
                self.give_back(node);
            }
        }
        true
    }

    /// Rule 2: a lease that has run out before the last lock was granted: all is given back.
    fn rule_2_start_again(&mut self) -> bool {
        let is_too_late = self.me().is_past_lease && self.has(Rule::LeaseCheck);
        if is_too_late {
            self.set().for_each(|node| self.give_back(node));
            self.me().is_past_lease = false;
        }
        is_too_late
    }

    /// Rule 4: what was granted on a connection that is gone is unknown, and asked for again.
    fn rule_4_lock_again(&mut self) -> bool {
        let mut is_one_lost = false;
        for node in self.set() {
            if self.on(node).connection_lost && self.has(Rule::TokensDie) {
                self.on(node).forget();
                is_one_lost = true;
            }
        }
        is_one_lost && self.rule_2_keep_front_part()
    }

    fn give_back(&mut self, node: usize) {
        self.unlock(node);
        self.on(node).forget();
    }

    /// Whether asking again for locks given back can change something: a node that answers "held"
    /// once more is not worth a step.
    pub fn may_ask_again(world: &World, who: usize) -> bool {
        let client = &world.clients[who];
        let is_ready = client.phase == Phase::Opening
            && client.on.iter().all(|contact| contact.step != Step::AskedLock);
        is_ready
            && client.first_given_back().is_some_and(|node| {
                let node = &world.nodes[node];
                node.lock.is_none() || !node.is_up()
            })
    }

    /// Rule 2: asks again for the locks that are missing.
    pub fn rule_2_ask_again(&mut self) {
        for node in self.set() {
            if self.on(node).step == Step::Nothing {
                self.on(node).ask(Step::AskedLock);
            }
        }
    }

    /// Rule 3: when the copies are not to be believed, the next max(R - 1, 1) nodes of the list are
    /// locked and read too, those that the view skips included. True if a node was asked.
    fn rule_3_ask_next(&mut self) -> bool {
        let client = *self.me();
        let copies = self.set().map(|node| client.on[node].copy);
        if client.asked_further || !rule_3_ask_further(self.run, copies) {
            return false;
        }
        let (nodes, count) = (self.run.nodes, (self.run.replicas - 1).max(1));
        let asks_skipped = self.has(Rule::AskSkipped);
        let read_only = !self.has(Rule::LockFurther);
        let client = self.me();
        client.asked_further = true;
        let is_next =
            |contact: &&mut Contact| !contact.in_set && (asks_skipped || !contact.skipped);
        for contact in client.on[..nodes].iter_mut().filter(is_next).take(count) {
            contact.skipped = false;
            contact.read_only = read_only;
            contact.ask(Step::AskedLock);
        }
        client.is_waiting()
    }

    /// Rule 3: base is the newest copy; empty is handed out only if enough nodes say so.
    fn rule_3_believe(&mut self) {
        let clock = self.clock();
        let client = *self.me();
        let mut base = None;
        let mut one_is_young = false;
        for node in self.set() {
            let copy = client.on[node].copy;
            base = if is_newer(copy, base) { copy } else { base };
            one_is_young |= self.world.nodes[node].is_young;
            if client.on[node].read_only {
                self.on(node).leave_set();
            }
        }
        if base.is_none() && !rule_3_may_be_empty(self.run, client.set_len(), one_is_young) {
            return self.end(Outcome::NotOpened);
        }
        check::handed_out(self.run, self.world, client.acked_before, base);
        let client = self.me();
        client.base = base;
        client.reading = clock;
        client.phase = Phase::Holding;
    }

    // Committing.

    /// Rule 5: nothing is sent unless the lease of every lock has time left. Otherwise locks are
    /// renewed or taken again first.
    pub fn rule_5_commit(&mut self) {
        if self.me().is_past_lease && self.has(Rule::LeaseCheck) {
            self.retake();
        } else {
            self.send_commit();
        }
    }

    fn retake(&mut self) {
        let client = self.me();
        client.is_past_lease = false;
        client.phase = Phase::Retaking;
        for contact in client.on.iter_mut().filter(|contact| contact.in_set) {
            contact.step = Step::AskedRenewal;
        }
    }

    /// Rule 14: renew the lock by its CAS, or take it again if nobody has it. Either way the copy is
    /// read again.
    fn rule_14_renew(&mut self, node: usize) {
        let id = self.id();
        let contact = &mut self.world.clients[self.who].on[node];
        let is_unknown = contact.connection_lost && self.run.rules.has(Rule::TokensDie);
        let there = &mut self.world.nodes[node];
        let renewed = if is_unknown { None } else { there.renew_lock(id, contact.lock) };
        let lock = renewed.or_else(|| there.add_lock(id));
        contact.lock = lock.unwrap_or(NO_CAS);
        contact.step = Step::Denied;
        if lock.is_some() {
            contact.step = Step::Granted;
            contact.connection_lost = false;
            contact.read(there);
        }
    }

    /// Rule 5, when the locks were taken again: another holder, a newer copy, or no copy that equals
    /// base means "not saved". Otherwise a new reading of the clock, and the check once more.
    fn go_on_retaking(&mut self) {
        let base = self.me().base;
        let client = *self.me();
        let is_overtaken = client.is_on(Step::Denied)
            || client
                .on
                .iter()
                .any(|contact| contact.step == Step::Granted && is_newer(contact.copy, base));
        if is_overtaken {
            return self.end(Outcome::NotSaved);
        }
        for node in self.set() {
            if self.on(node).step == Step::Failed {
                self.on(node).leave_set();
            }
        }
        let has_base = self.set().any(|node| client.on[node].copy == base);
        let is_base_gone = base.is_some() && !has_base && self.has(Rule::BaseStillThere);
        if self.me().set_len() == 0 || is_base_gone {
            return self.end(Outcome::NotSaved);
        }
        if self.has(Rule::CheckAgain) && self.me().is_past_lease && self.has(Rule::LeaseCheck) {
            return self.retake();
        }
        if self.has(Rule::NewReading) {
            self.me().reading = self.clock();
        }
        self.send_commit();
    }

    /// Rules 6 and 12: a commit goes to the nodes that the request holds, whatever the board says
    /// now. A touch changes nothing that the model knows, except where the record is missing or
    /// older. Where the connection was lost, rule 1 comes first (rule 4).
    fn send_commit(&mut self) {
        let is_touch = self.op() == Op::Touch;
        let (repairs, tokens_die) = (self.has(Rule::TouchRepairs), self.has(Rule::TokensDie));
        let client = self.me();
        let base = client.base;
        client.phase = Phase::Committing;
        for contact in client.on.iter_mut().filter(|contact| contact.in_set) {
            contact.tried = true;
            contact.held_when_sent = true;
            let is_good = contact.copy == base || base.is_none() || !repairs;
            if contact.connection_lost && tokens_die {
                contact.lock = NO_CAS;
                contact.step = Step::AskedLock;
            } else if is_touch && is_good {
                contact.step = Step::Stored;
            } else {
                contact.step = Step::AskedStore;
            }
        }
        self.go_on();
    }

    /// The conditional store on one node. A refusal brings what is there instead (rule 8).
    fn store(&mut self, node: usize) {
        let record = self.own_record().expect("a touch without base stores nothing");
        let contact = &mut self.world.clients[self.who].on[node];
        let there = &mut self.world.nodes[node];
        if rule_13_store(self.run, there, record, contact.copy_cas) {
            contact.step = Step::Stored;
        } else {
            contact.step = Step::Refused;
            contact.read(there);
        }
        if !self.run.rules.has(Rule::UnlockLast) {
            self.unlock(node);
        }
    }

    fn go_on_committing(&mut self) {
        if self.rule_8_refused() || self.rule_7_replaced() || self.rule_6_replace_failed() {
            return;
        }
        let outcome = self.rules_9_and_10_outcome();
        self.end(outcome);
    }

    /// Rule 8: a refusal is one only if the copy there is newer than base and not our own record.
    /// Otherwise the store is sent again with the CAS of that copy. True if the request waits or has
    /// ended.
    fn rule_8_refused(&mut self) -> bool {
        let own = self.own_record();
        let base = self.me().base;
        let retries = self.has(Rule::RetryRefusal);
        let refused = |contact: &&mut Contact| contact.step == Step::Refused;
        let mut is_refused = false;
        for contact in self.me().on.iter_mut().filter(refused) {
            if contact.copy == own && retries {
                contact.step = Step::Stored;
            } else if !retries || is_newer(contact.copy, base) {
                is_refused = true;
            }
        }
        if is_refused {
            self.end_refused();
            return true;
        }
        for contact in self.me().on.iter_mut().filter(refused) {
            contact.step = Step::AskedStore;
        }
        self.me().is_waiting()
    }

    /// Rule 7: on a replacement, a copy newer than base that is not our own record is a conflict;
    /// anything else is stored over by its CAS. True if the request waits or has ended.
    fn rule_7_replaced(&mut self) -> bool {
        let own = self.own_record();
        let base = self.me().base;
        let compared = if self.has(Rule::CompareWithBase) { base } else { own };
        for node in self.set() {
            let contact = self.on(node);
            if contact.step != Step::Granted {
                continue;
            }
            if contact.copy != own && is_newer(contact.copy, compared) {
                self.end_refused();
                return true;
            }
            let is_good = contact.copy == own || own.is_none();
            contact.step = if is_good { Step::Stored } else { Step::AskedStore };
        }
        self.me().is_waiting()
    }

    /// Rule 6: a node fails for this commit only by its own error or time-out, and is replaced. True
    /// if a node was asked.
    fn rule_6_replace_failed(&mut self) -> bool {
        for contact in &mut self.me().on {
            if contact.in_set && matches!(contact.step, Step::Failed | Step::Denied) {
                let Contact { tried, held_when_sent, .. } = *contact;
                *contact = Contact { skipped: true, tried, held_when_sent, ..Contact::NONE };
            }
        }
        self.has(Rule::Replace) && self.ask_replacements()
    }

    /// Rules 9 and 10: success needs min(R, N - 1) copies, and the last needed answer before the
    /// lease of every lock that was held when the store was sent has ended.
    fn rules_9_and_10_outcome(&mut self) -> Outcome {
        let is_touch = self.op() == Op::Touch;
        let need = if self.has(Rule::EnoughCopies) {
            self.run.replicas.min(self.run.nodes - 1).max(1)
        } else {
            1
        };
        let has_nothing_to_store = self.own_record().is_none();
        let client = self.me();
        let is_enough = client.set_len() >= need || has_nothing_to_store;
        let is_late = client.is_past_lease;
        if client.set_len() == 0 {
            Outcome::Indeterminate
        } else if is_enough && !(is_late && self.has(Rule::InTime)) {
            Outcome::Saved
        } else if is_touch {
            Outcome::NotTouched
        } else {
            Outcome::Indeterminate
        }
    }

    /// Rule 15: after a refusal the write is "not saved" only if it can be nowhere.
    fn end_refused(&mut self) {
        let is_somewhere = self.me().may_be_stored || self.me().is_on(Step::Stored);
        self.end(match self.op() {
            Op::Touch => Outcome::NotTouched,
            _ if is_somewhere => Outcome::Indeterminate,
            _ => Outcome::NotSaved,
        });
    }

    /// Rule 11: the locks are given back when the outcome is known.
    fn end(&mut self, outcome: Outcome) {
        for node in self.set() {
            if self.on(node).step != Step::Failed {
                self.unlock(node);
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

    /// Conditional `md`, unless the connection that the CAS belongs to is gone (rule 4).
    fn unlock(&mut self, node: usize) {
        let contact = &mut self.world.clients[self.who].on[node];
        if !(contact.connection_lost && self.run.rules.has(Rule::TokensDie)) {
            self.world.nodes[node].unlock(contact.lock);
            contact.lock = NO_CAS;
        }
    }
}

/// Rule 13: a destroyed session is a record like any other, a tombstone. Every store is conditional
/// (rule 8), whether a request waits for it or has given it up long ago.
pub fn rule_13_store(run: &Run, node: &mut Node, record: Record, expected: Cas) -> bool {
    let is_stored = if run.rules.has(Rule::CompareAndSwap) {
        node.store(record, expected)
    } else {
        node.set_record(record);
        true
    };
    if is_stored && record.is_tombstone && !run.rules.has(Rule::Tombstone) {
        node.drop_record();
    }
    is_stored
}
