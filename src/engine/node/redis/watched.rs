//! Writing a session without a script.
//!
//! A script costs a server as much as ten commands, and what it is given is copied into Lua and out
//! of it. So whoever takes a lock that is free, and is to store and give it back in one write whose
//! answer he reads, has the server watch the session as well, and reads what is watched:
//!
//! ```text
//! SET <lock> NX, WATCH <record> <lock> <count>, MGET <lock> <count>, GET <record>
//! MULTI, SET <record>, DEL <lock>, EXEC
//! ```
//!
//! `EXEC` does it if nothing of it was written by anybody: the lock is still the one that was
//! taken, and has not ended; the record is the one that was read; and nobody who would be counted
//! waits for the lock. In any other case the server does none of it, and the script is sent, which
//! tells one case from the other.
//!
//! The servers of a cluster get scripts only: what is watched may move.
//!
//! Source: the Redis documentation, "Transactions".

use super::{CAS_BYTES, LOCK, Names, RECORD, Redis, Step, bytes, cas_of, encode_set, touching};
use crate::node::Tag;
use crate::wire::memcached::meta::{Condition, Request};
use crate::wire::memcached::{Cas, Key, Ttl};
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
    /// The lock, if it is the one that was taken and nobody waits for it.
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
        match (step, reply) {
            (Step::Watch, Reply::Error(_)) => return None,
            (Step::Watched(cas), Reply::Array(parts)) => {
                let is_own = match &parts[..] {
                    [Reply::Bulk(lock), Reply::Nil | Reply::Bulk(b"0")] => {
                        lock.starts_with(&bytes(cas))
                    }
                    _ => false,
                };
                self.lock = is_own.then_some(cas);
            }
            (Step::Get, Reply::Nil) => self.record = Some(Condition::Absent),
            (Step::Get, Reply::Bulk(record)) => {
                let cas = record.first_chunk::<CAS_BYTES>().and_then(|cas| cas_of(cas));
                self.record = cas.map(Condition::Unchanged);
            }
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
        let cas = self.add(lock, value, ttl, tag);
        // What was not written in the end is watched still.
        if self.watch.is_some() {
            self.aside(&[b"UNWATCH"], Step::Aside);
        }
        let names = Names::of(lock.as_str());
        let [record, lock, count] = [b'r', b'l', b'q'].map(|kind| names.name(kind));
        self.aside(&[b"WATCH", &record, &lock, &count], Step::Watch);
        self.aside(&[b"MGET", &lock, &count], Step::Watched(cas));
        let start = self.start();
        encode(&[b"GET", &record], &mut self.buffered.output);
        self.expect(start, Step::Get, tag, false, None);
        self.watch = Some(Watch { hex: names.hex, batch: self.batch, lock: None, record: None });
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
            Request::Touch { key, .. } => is_its(key, RECORD),
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
        self.aside(&[b"DEL", &names.name(b'l')], Step::Aside);
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
    fn aside(&mut self, words: &[&[u8]], step: Step) {
        let start = self.start();
        encode(words, &mut self.buffered.output);
        self.expect(start, step, None, true, None);
    }
}

/// Whether a server of this name and version keeps the rules.
pub(super) fn is_known(version: &str) -> bool {
    let number = version.rsplit(' ').next().unwrap_or_default();
    let mut numbers = number.split('.').map_while(|number| number.parse().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version >= SINCE)
}

/// Whether a reply is not that of a transaction of which nothing was done.
pub(super) fn is_done(step: Step, reply: &Reply<'_>) -> bool {
    let is_error = |reply: &Reply<'_>| matches!(reply, Reply::Error(_));
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
