//! What clients did and were told, and whether a store may answer so.
//!
//! The data of a session are the numbers of the operations that made them, in order: who commits
//! adds its own to those it has read. So it can be told exactly which writes an answer has seen.
//! Whatever is against the promises is a violation, the first of which ends a simulation.

use super::network::{Grant, Millis};
use sessclust_engine::ErrorKind;
use sessclust_engine::cluster::Stamp;
use std::collections::BTreeSet;

/// An operation; they are numbered in the order in which they began.
pub type OpId = usize;

/// When something happened, as a number that is greater for what happened later.
type Moment = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads under the lock and stores what was read and its own number.
    Commit,
    /// Reads under the lock and says that the session was used, or stores what was read.
    Touch,
    /// Reads under the lock and gives it back.
    Look,
    /// Reads without the lock.
    Peek,
    /// Destroys the session, with its lock or without.
    Destroy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Saved(Option<Stamp>),
    /// Certain: it is not there, and never will be.
    NotSaved,
    /// It may be there, or come.
    Unknown,
}

/// One operation of one client on one session.
pub struct Op {
    pub session: usize,
    pub client: usize,
    pub kind: Kind,
    begun: Moment,
    begun_at: Millis,
    opened: Option<Moment>,
    /// When it began to store, or to give the lock back.
    acted: Option<Moment>,
    read: Vec<OpId>,
    ended: Option<(Moment, Outcome)>,
    /// Whether it has the lock, as far as it knows, and relies on it.
    holds: bool,
}

impl Op {
    pub fn has_opened(&self) -> bool {
        self.opened.is_some()
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }
}

/// All of it.
#[derive(Default)]
pub struct History {
    pub ops: Vec<Op>,
    now: Moment,
    seen: BTreeSet<OpId>,
    /// What is against the promises; the first counts.
    violations: Vec<String>,
    /// Whether two may not hold a session at once: not promised where a lock can be lost with the
    /// only node that has it.
    pub is_exclusive: bool,
}

impl History {
    pub fn violation(&self) -> Option<&str> {
        self.violations.first().map(String::as_str)
    }

    pub fn violate(&mut self, text: String) {
        self.violations.push(text);
    }

    fn tick(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    pub fn begin(&mut self, client: usize, session: usize, kind: Kind, begun_at: Millis) -> OpId {
        let begun = self.tick();
        self.ops.push(Op {
            session,
            client,
            kind,
            begun,
            begun_at,
            opened: None,
            acted: None,
            read: Vec::new(),
            ended: None,
            holds: false,
        });
        self.ops.len() - 1
    }

    /// It has read the session; no operations: there is none.
    pub fn read(&mut self, op: OpId, read: Vec<OpId>, stamp: Option<Stamp>) {
        let now = self.tick();
        self.ops[op].opened = Some(now);
        self.ops[op].read.clone_from(&read);
        self.check_read(op, &read);
        if self.ops[op].kind != Kind::Peek {
            self.check_stamp(op, stamp);
        }
        self.seen.extend(read);
    }

    /// It knows that nobody has the session: it has just drawn its id, or destroys what is there.
    pub fn reads_nothing(&mut self, op: OpId) {
        let now = self.tick();
        self.ops[op].opened = Some(now);
    }

    /// It has the lock. `grants` are those of all clients for this session.
    pub fn hold(&mut self, op: OpId, grants: &[Grant], lease: Millis, now: Millis) {
        self.ops[op].holds = true;
        if !self.is_exclusive {
            return;
        }
        for other in 0..self.ops.len() {
            let (own, rival) = (&self.ops[op], &self.ops[other]);
            if other != op
                && rival.holds
                && rival.session == own.session
                && now < valid_until(own, grants, lease)
                && now < valid_until(rival, grants, lease)
            {
                let text = format!("{} and {} hold a session at once", self.name(op), {
                    self.name(other)
                });
                self.violate(text);
            }
        }
    }

    /// It begins to store, or to give the lock back.
    pub fn let_go(&mut self, op: OpId) {
        self.ops[op].holds = false;
        let now = self.tick();
        self.ops[op].acted = Some(now);
    }

    pub fn end(&mut self, op: OpId, outcome: Outcome) {
        let now = self.tick();
        self.ops[op].holds = false;
        self.ops[op].ended = Some((now, outcome));
        match outcome {
            Outcome::NotSaved if self.ops[op].kind == Kind::Commit && self.seen.contains(&op) => {
                let text = format!("{} was not saved, and had been seen", self.name(op));
                self.violate(text);
            }
            Outcome::Saved(_) if self.ops[op].kind == Kind::Commit => self.check_saved(op),
            _ => {}
        }
    }

    /// Whether a session has been destroyed by somebody while an operation ran, so that it may be
    /// refused.
    pub fn is_disturbed(&self, op: OpId) -> bool {
        let own = &self.ops[op];
        self.ops.iter().any(|other| {
            other.session == own.session
                && other.kind == Kind::Destroy
                && other.ended.is_none_or(|(ended, _)| ended > own.begun)
        })
    }

    pub fn name(&self, op: OpId) -> String {
        let Op { client, session, kind, begun_at, .. } = self.ops[op];
        format!("{kind:?} {op} (client {client}, session {session}, begun {begun_at})")
    }

    /// What a session holds after an operation that was saved.
    fn result(&self, op: OpId) -> Vec<OpId> {
        let mut list = self.ops[op].read.clone();
        if self.ops[op].kind == Kind::Commit {
            list.push(op);
        }
        list
    }

    /// Whether a destroy may have come between two moments.
    fn may_be_destroyed(&self, session: usize, from: Moment, to: Moment) -> bool {
        self.ops.iter().any(|op| {
            op.session == session
                && op.kind == Kind::Destroy
                && op.begun < to
                && match op.ended {
                    Some((_, Outcome::NotSaved)) => false,
                    Some((ended, Outcome::Saved(_))) => ended > from,
                    Some((_, Outcome::Unknown)) | None => true,
                }
        })
    }

    /// From when on a destroy counts. Who finds that somebody else has destroyed the session since
    /// it was opened leaves it at that.
    fn destroyed_from(&self, destroy: OpId) -> Moment {
        let own = &self.ops[destroy];
        let since = own.opened.unwrap_or(own.begun);
        let is_meant = |op: &&Op| {
            op.session == own.session
                && op.kind == Kind::Destroy
                && op.ended.is_none_or(|(ended, how)| ended > since && how != Outcome::NotSaved)
        };
        let acted = |op: &Op| op.acted.unwrap_or(op.begun).max(since);
        self.ops.iter().filter(is_meant).map(acted).min().unwrap_or(since)
    }

    fn check_read(&mut self, op: OpId, list: &[OpId]) {
        let (session, begun, now) = (self.ops[op].session, self.ops[op].begun, self.now);
        let mut wrong = Vec::new();
        for &seen in list {
            match self.ops.get(seen) {
                Some(Op { session: of, kind: Kind::Commit, ended, .. }) if *of == session => {
                    if matches!(ended, Some((_, Outcome::NotSaved))) {
                        wrong.push(format!("sees {}, which was not saved", self.name(seen)));
                    }
                }
                _ => wrong.push(format!("sees {seen}, which is none of this session")),
            }
        }
        for earlier in 0..self.ops.len() {
            let known = &self.ops[earlier];
            let Some((ended, Outcome::Saved(_))) = known.ended else { continue };
            if known.session != session || ended > begun {
                continue;
            }
            if known.kind == Kind::Destroy {
                let acted = self.destroyed_from(earlier);
                let is_older = |seen: &&OpId| self.ops[**seen].opened.is_none_or(|at| at < acted);
                if let Some(seen) = list.iter().find(is_older) {
                    let (seen, destroy) = (self.name(*seen), self.name(earlier));
                    wrong.push(format!("sees {seen}, which {destroy} had destroyed"));
                }
                continue;
            }
            let needed = self.result(earlier);
            let is_lost = !list.starts_with(&needed);
            let is_same = !list.is_empty() && list.first() == needed.first();
            // A commit would be refused; a touch does not mind that the session was destroyed
            // after a node was asked for it, and that may have been before its answer came.
            let since = match known.kind {
                Kind::Touch => known.begun,
                _ => known.opened.unwrap_or(known.begun),
            };
            if is_lost && (is_same || !self.may_be_destroyed(session, since, now)) {
                let name = self.name(earlier);
                wrong.push(format!("sees {list:?}, and not {needed:?} of {name}"));
            }
        }
        for text in wrong {
            let text = format!("{} {text}", self.name(op));
            self.violate(text);
        }
    }

    /// Versions do not go back.
    fn check_stamp(&mut self, op: OpId, stamp: Option<Stamp>) {
        let own = &self.ops[op];
        let newest =
            self.ops.iter().filter(|other| other.session == own.session).filter_map(|other| {
                match other.ended {
                    Some((ended, Outcome::Saved(stamp))) if ended < own.begun => stamp,
                    _ => None,
                }
            });
        let newest = newest.max();
        if stamp < newest {
            let text = format!("{} reads {stamp:?}, older than {newest:?}", self.name(op));
            self.violate(text);
        }
    }

    /// Of two writes that were saved, one has read the other, unless somebody destroyed the session
    /// between them.
    fn check_saved(&mut self, op: OpId) {
        let own = self.result(op);
        for other in 0..self.ops.len() {
            let rival = &self.ops[other];
            let is_saved = matches!(rival.ended, Some((_, Outcome::Saved(_))));
            if other == op || rival.session != self.ops[op].session || !is_saved {
                continue;
            }
            if rival.kind != Kind::Commit {
                continue;
            }
            let theirs = self.result(other);
            let is_ordered = own.starts_with(&theirs) || theirs.starts_with(&own);
            let is_same = own.first() == theirs.first();
            let since = self.ops[op].begun.min(rival.begun);
            if !is_ordered && (is_same || !self.may_be_destroyed(rival.session, since, Moment::MAX))
            {
                let text = format!(
                    "{} and {} were both saved, and neither has seen the other",
                    self.name(op),
                    self.name(other)
                );
                self.violate(text);
            }
        }
    }
}

/// Until when an operation may rely on its locks: the first of them ends a lease, less a second,
/// after it was sent. Nodes that it has given back only make this earlier.
fn valid_until(op: &Op, grants: &[Grant], lease: Millis) -> Millis {
    let own = |grant: &&Grant| grant.client == op.client && grant.sent >= op.begun_at;
    let nodes = grants.iter().filter(own).map(|grant| grant.node);
    nodes
        .filter_map(|node| {
            let latest = grants.iter().filter(own).filter(|grant| grant.node == node);
            latest.map(|grant| grant.sent).max()
        })
        .min()
        .map_or(0, |sent| sent + lease - 1000)
}

/// What a failed operation has certainly not done.
pub fn outcome_of(kind: ErrorKind) -> Outcome {
    match kind {
        ErrorKind::Indeterminate => Outcome::Unknown,
        _ => Outcome::NotSaved,
    }
}
