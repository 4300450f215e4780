//! Writing a session without a script.
//!
//! A script costs a server as much as ten commands, and what it is given is copied into Lua and out
//! of it. So whoever takes a lock that is free, or is given one, and is to store and unlock in one
//! write, has the server watch the lock:
//!
//! ```text
//! SET <lock> NX, WATCH <lock>, GET <record>
//! MULTI, SET <record>, DEL <lock> <list>, LMOVE <queue> <lock>, EXPIRE <lock>, COPY <lock> <list>,
//! EXEC
//! ```
//!
//! `EXEC` does it if the lock is still the one that was taken, and has not ended. Then the record
//! is the one that was read as well, for whoever writes one without the lock disturbs the lock. In
//! any other case the server does none of it, and the script is sent, which tells one case from the
//! other; where nobody waits for the answer, when it is read. Whether somebody waits for the lock
//! makes no difference: if so, `LMOVE` makes it that of the first of them, and `COPY` wakes him.
//!
//! The servers of a cluster get scripts only: what is watched may move.
//!
//! Source: the Redis documentation, "Transactions".

use super::{CAS_BYTES, LOCK, Names, RECORD, Redis, Step, bytes, cas_of, encode_set, touching};
use crate::node::Tag;
use crate::wire::memcached::meta::{Condition, Request};
use crate::wire::memcached::{Cas, Key, Ttl};
use crate::wire::redis::ErrorCode;
use crate::wire::redis::resp::{Reply, encode};

/// The first version that keeps the rules above. Before, one that was busy with a script could
/// refuse to begin a transaction and carry out what was in it; and one did not count an item as
/// changed that had ended. Source: the release notes of Redis 6.0 and 6.0.9.
const SINCE: (u32, u32) = (6, 2);

/// A session that the server watches for this connection.
pub(super) struct Watch {
    hex: Vec<u8>,
    /// The requests since which it does.
    pub(super) batch: u32,
    /// The lock, if it is the one that was taken or given.
    lock: Option<Cas>,
    /// What the record was when it was read.
    record: Option<Condition>,
}

/// What a transaction does to a record.
#[derive(Clone, Copy)]
pub(super) enum Write {
    Store,
    /// As [`Step::ChangeAndWait`].
    StoreAndWait,
    Touch,
}

impl Watch {
    /// Takes note of the reply to one of the commands with which it was begun. None: the server
    /// does not watch.
    pub(super) fn told(mut self, step: Step, reply: &Reply<'_>) -> Option<Self> {
        let cas = |value: &[u8]| value.first_chunk::<CAS_BYTES>().and_then(|cas| cas_of(cas));
        let (lock, record) = match (step, reply) {
            (Step::Watch, Reply::Error(_)) => return None,
            // Nobody else's can be watched by then: it would have ended in between, and whoever has
            // got the answer so late does not rely on the lock any more.
            (Step::Add(own), Reply::Simple(_)) => (Some(own), None),
            (Step::Given, Reply::Array(parts)) => match &parts[..] {
                [Reply::Bulk(lock)] => (cas(lock), None),
                _ => (None, None),
            },
            (Step::Get | Step::GivenRecord, record) => (None, Some(record)),
            _ => (None, None),
        };
        self.lock = lock.or(self.lock);
        match record {
            Some(Reply::Nil) => self.record = Some(Condition::Absent),
            Some(Reply::Bulk(record)) => self.record = cas(record).map(Condition::Unchanged),
            _ => {}
        }
        Some(self)
    }
}

impl Redis {
    /// Takes a lock if it is free, and reads the record, which is watched from now on.
    pub(super) fn take_and_watch(
        &mut self,
        lock: Key<'_>,
        value: &[u8],
        ttl: Ttl,
        tag: Option<Tag>,
    ) {
        self.add(lock, value, ttl, tag);
        self.end_watch();
        let names = Names::of(lock.as_str());
        self.add_watch(&names);
        let record = names.name(b'r');
        let start = self.start();
        encode(&[b"GET", &record], &mut self.buffered.output);
        self.expect(start, Step::Get, tag, false, None);
    }

    /// What was not written in the end is watched still.
    pub(super) fn end_watch(&mut self) {
        if self.watch.take().is_some() {
            self.aside(&[b"UNWATCH"], Step::Aside);
        }
    }

    /// Has the server watch a session for what is sent behind this.
    pub(super) fn add_watch(&mut self, names: &Names) {
        self.aside(&[b"WATCH", &names.name(b'l')], Step::Watch);
        let hex = names.hex.clone();
        self.watch = Some(Watch { hex, batch: self.batch, lock: None, record: None });
    }

    /// Puts a transaction in the place of the script that was added for these requests, from the
    /// `first` of the expected commands on, if the session is watched and was as they want it.
    pub(super) fn avoid_script(&mut self, requests: &[Request<'_>], first: usize) {
        let Some(Watch { hex, lock: Some(taken), record: Some(read), .. }) = &self.watch else {
            return;
        };
        let [write, Request::Delete { key: lock, cas: held, is_quiet: true, .. }] = requests else {
            return;
        };
        let is_its = |key: Key<'_>, kind| {
            key.as_str().strip_prefix(kind).is_some_and(|digest| digest.as_bytes() == *hex)
        };
        let is_as_read = match *write {
            Request::Set { key, condition, .. } => is_its(key, RECORD) && condition == *read,
            // What says whether it is there: not so `PERSIST`.
            Request::Touch { key, ttl, .. } => is_its(key, RECORD) && u32::from(ttl) != 0,
            _ => false,
        };
        // Renewed meanwhile, it has another CAS.
        if !is_as_read || !is_its(*lock, LOCK) || held != taken {
            return;
        }
        let (read, names) = (*read, Names { hex: hex.clone() });
        let mut script = self.expected.split_off(first);
        let Some(end) = script.front_mut() else { return };
        let (cas, done) = match (end.step, read) {
            (Step::Change(Some(cas)), _) => (cas, Write::Store),
            (Step::ChangeAndWait(cas), _) => (cas, Write::StoreAndWait),
            (Step::Touch, Condition::Unchanged(cas)) => (cas, Write::Touch),
            _ => return self.expected.append(&mut script),
        };
        end.step = Step::Exec(cas, done);

        // Of the script, the command is kept that was noted, should it be needed after all.
        self.watch = None;
        self.buffered.output.clear();
        self.aside(&[b"MULTI"], Step::Aside);
        let start = self.start();
        let (record, output) = (names.name(b'r'), &mut self.buffered.output);
        match *write {
            Request::Set { value, ttl, .. } => {
                encode_set(&record, &[&bytes(cas), value], &[], ttl, output);
            }
            Request::Touch { ttl, .. } => {
                let (word, number) = touching(ttl);
                let words = [word, &record, number.as_bytes()];
                encode(if number.is_empty() { &words[..2] } else { &words }, output);
            }
            _ => {}
        }
        self.expect(start, Step::Aside, None, true, None);
        let ([lock, queue, list], lease) = (names.names(b"lqw"), self.lease.clone());
        self.aside(&[b"DEL", &lock, &list], Step::Aside);
        self.aside(&[b"LMOVE", &queue, &lock, b"RIGHT", b"LEFT"], Step::Aside);
        self.aside(&[b"EXPIRE", &lock, lease.as_bytes()], Step::Aside);
        self.aside(&[b"COPY", &lock, &list], Step::Aside);
        encode(&[b"EXEC"], &mut self.buffered.output);
        for command in script {
            // Waiting for the replicas.
            if !matches!(command.step, Step::Exec(..)) {
                self.buffered.output.extend_from_slice(&command.command);
            }
            self.expected.push_back(command);
        }
    }

    /// Sends a command whose outcome the one behind it tells.
    pub(super) fn aside(&mut self, words: &[&[u8]], step: Step) {
        let start = self.start();
        encode(words, &mut self.buffered.output);
        self.expect(start, step, None, true, None);
    }
}

/// How many commands [`try_it`] are.
pub(super) const TRIAL_COMMANDS: usize = 5;

/// Has a server do what is needed here with what is not there, which it [`may`] do if each of its
/// replies says so.
pub(super) fn try_it(output: &mut Vec<u8>) {
    let (nothing, nowhere) = (b"sc:trial:1", b"sc:trial:2");
    encode(&[b"WATCH", nothing], output);
    encode(&[b"MULTI"], output);
    encode(&[b"LMOVE", nothing, nowhere, b"RIGHT", b"LEFT"], output);
    encode(&[b"COPY", nothing, nowhere], output);
    encode(&[b"EXEC"], output);
}

/// Whether a reply to the trial says that this may be done, now or when the server has room again.
pub(super) fn may(reply: &Reply<'_>) -> bool {
    use ErrorCode::{Misconf, NoReplicas, OutOfMemory};
    match reply {
        // What came of the transaction as a whole; the commands have been told of already.
        Reply::Error(text) if text.starts_with(b"EXECABORT") => true,
        Reply::Error(text) => {
            matches!(ErrorCode::of(text), OutOfMemory | Misconf | NoReplicas)
        }
        Reply::Array(parts) => !parts.iter().any(is_error),
        _ => true,
    }
}

fn is_error(reply: &Reply<'_>) -> bool {
    matches!(reply, Reply::Error(_))
}

/// Whether a server of this name and version keeps the rules.
pub(super) fn is_known(version: &str) -> bool {
    let number = version.rsplit(' ').next().unwrap_or_default();
    let mut numbers = number.split('.').map_while(|number| number.parse().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version >= SINCE)
}

/// Whether a reply is not that of a transaction of which nothing was done. (Or not all: where a key
/// of ours holds what is not ours. Then the script refuses, since the lock is gone.)
pub(super) fn is_done(step: Step, reply: &Reply<'_>) -> bool {
    match (step, reply) {
        (Step::Exec(..), Reply::Array(parts)) => !parts.iter().any(is_error),
        (Step::Exec(..), _) => false,
        _ => true,
    }
}

/// What the reply to the script means that a transaction stands for.
pub(super) fn of_script(step: Step) -> Step {
    match step {
        Step::Exec(cas, Write::Store) => Step::Change(Some(cas)),
        Step::Exec(cas, Write::StoreAndWait) => Step::ChangeAndWait(cas),
        Step::Exec(_, Write::Touch) => Step::Touch,
        step => step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_known_by_its_first_two_numbers() {
        let cases = [
            ("Redis 6.2.0", true),
            ("Redis 7.0.15", true),
            ("Redis 10.0", true),
            ("Valkey 8.1.4", true),
            ("Redis 6.0.20", false),
            ("Redis 5.9.9", false),
            ("Redis 7", false),
            ("Redis", false),
            ("unknown version", false),
            ("", false),
        ];
        for (version, expected) in cases {
            assert_eq!(is_known(version), expected, "{version}");
        }
    }
}
