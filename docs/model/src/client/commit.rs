//! Committing what a request holds: rules 5 to 10, and 12 to 15.

use super::{Contact, Outcome, Phase, Request, Step};
use crate::node::{Cas, NO_CAS, Node, Record, is_newer};
use crate::rules::Rule;
use crate::world::{Op, Run};

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

impl Request<'_> {
    /// Rule 5: nothing is sent unless the lease of every lock has time left. Otherwise locks are
    /// renewed or taken again first.
    pub fn rule_5_commit(&mut self) {
        if self.me().is_past_lease && self.has(Rule::LeaseCheck) {
            self.retake();
        } else {
            self.rules_6_and_12_send();
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

    /// Rule 14: renew the lock by its CAS, or take it again if nobody has it. Either way the copy
    /// is read again.
    pub(super) fn rule_14_renew(&mut self, node: usize) {
        let id = self.id();
        let tokens_die = self.has(Rule::TokensDie);
        let (contact, there) = self.at(node);
        let is_cas_known = !(contact.connection_lost && tokens_die);
        let renewed = if is_cas_known { there.renew_lock(id, contact.lock) } else { None };
        let lock = renewed.or_else(|| there.add_lock(id));
        contact.lock = lock.unwrap_or(NO_CAS);
        if lock.is_some() {
            contact.granted(there);
        } else {
            contact.step = Step::Denied;
        }
    }

    /// Rule 5, when the locks were taken again: another holder, a newer copy, or no copy that
    /// equals base means "not saved". Otherwise a new reading of the clock, and the check once
    /// more.
    pub(super) fn rule_5_go_on_retaking(&mut self) {
        let base = self.me().base;
        let client = *self.me();
        let is_overtaken = client.is_on(Step::Denied)
            || client
                .on
                .iter()
                .any(|contact| contact.step == Step::Granted && is_newer(contact.copy, base));
        if is_overtaken {
            return self.rule_15_end(Outcome::NotSaved);
        }
        for node in self.set() {
            if self.on(node).step == Step::Failed {
                self.on(node).leave_set();
            }
        }
        let has_base = self.set().any(|node| client.on[node].copy == base);
        let is_base_gone = base.is_some() && !has_base && self.has(Rule::BaseStillThere);
        if self.me().set_len() == 0 || is_base_gone {
            return self.rule_15_end(Outcome::NotSaved);
        }
        if self.has(Rule::CheckAgain) && self.me().is_past_lease && self.has(Rule::LeaseCheck) {
            return self.retake();
        }
        if self.has(Rule::NewReading) {
            self.me().reading = self.clock();
        }
        self.rules_6_and_12_send();
    }

    /// Rules 6 and 12: a commit goes to the nodes that the request holds, whatever the board says
    /// now. A touch changes nothing that the model knows, except where the record is missing or
    /// older. Where the connection was lost, rule 1 comes first (rule 4).
    fn rules_6_and_12_send(&mut self) {
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
    pub(super) fn store(&mut self, node: usize) {
        let record = self.own_record().expect("a touch without base stores nothing");
        let run = self.run;
        let (contact, there) = self.at(node);
        if rule_13_store(run, there, record, contact.copy_cas) {
            contact.step = Step::Stored;
        } else {
            contact.step = Step::Refused;
            contact.read(there);
        }
        if !self.has(Rule::UnlockLast) {
            self.rule_11_unlock(node);
        }
    }

    pub(super) fn go_on_committing(&mut self) {
        if self.rule_8_refused() || self.rule_7_replaced() || self.rule_6_replace_failed() {
            return;
        }
        let outcome = self.rules_9_and_10_outcome();
        self.rule_15_end(outcome);
    }

    /// Rule 8: a refusal is one only if the copy there is newer than base and not our own record.
    /// Otherwise the store is sent again with the CAS of that copy. True if the request waits or
    /// has ended.
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
            self.rule_15_refused();
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
                self.rule_15_refused();
                return true;
            }
            let is_good = contact.copy == own || own.is_none();
            contact.step = if is_good { Step::Stored } else { Step::AskedStore };
        }
        self.me().is_waiting()
    }

    /// Rule 6: a node fails for this commit only by its own error or time-out, and is replaced.
    /// True if a node was asked.
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
    fn rule_15_refused(&mut self) {
        let is_somewhere = self.me().may_be_stored || self.me().is_on(Step::Stored);
        self.rule_15_end(match self.op() {
            Op::Touch => Outcome::NotTouched,
            _ if is_somewhere => Outcome::Indeterminate,
            _ => Outcome::NotSaved,
        });
    }
}
