//! Opening a session: rules 1 to 4.

use super::{Contact, Outcome, Phase, Request, Step};
use crate::check;
use crate::node::{Copied, NO_CAS, is_newer};
use crate::rules::Rule;
use crate::world::{Run, World};

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

impl Request<'_> {
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

    /// Rule 1 on one node: the lock is granted together with the copy, or held by another. Rule 7:
    /// a replacement in a commit is read all the same, to be written without the lock.
    pub(super) fn rule_1_lock_and_read(&mut self, node: usize) {
        let id = self.id();
        let is_replacement = self.me().phase == Phase::Committing;
        let may_do_without = is_replacement && self.has(Rule::StoreWithoutLock);
        let (contact, there) = self.at(node);
        let lock = if contact.read_only { None } else { there.add_lock(id) };
        contact.lock = lock.unwrap_or(NO_CAS);
        if lock.is_some() || contact.read_only || may_do_without {
            contact.granted(there);
        } else {
            contact.step = Step::Denied;
        }
    }

    pub(super) fn go_on_opening(&mut self) {
        if self.rule_3_replace_failed() {
            return;
        }
        if self.me().set_len() == 0 {
            return self.rule_15_end(Outcome::NotOpened);
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
        self.rule_11_unlock(node);
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
            return self.rule_15_end(Outcome::NotOpened);
        }
        check::handed_out(self.run, self.world, client.acked_before, base);
        let client = self.me();
        client.base = base;
        client.reading = clock;
        client.phase = Phase::Holding;
    }
}
