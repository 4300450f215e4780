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
use crate::node::buffered::KEPT_BYTES;
use crate::node::{Broken, Tag};
use crate::wire::memcached::meta::{Condition, Request};
use crate::wire::memcached::{Cas, Key, Ttl};
use crate::wire::redis::ErrorCode;
use crate::wire::redis::resp::{Reply, encode, integer};
use std::ops::Range;

/// The first version that keeps the rules above. Before, one that was busy with a script could
/// refuse to begin a transaction and carry out what was in it; and one did not count an item as
/// changed that had ended. Source: the release notes of Redis 6.0 and 6.0.9.
const SINCE: (u32, u32) = (6, 2);

/// A session that the server watches for this connection.
pub(super) struct Watch {
    names: Names,
    /// The requests since which it does.
    pub(super) batch: u32,
    /// The lock, if it is the one that was taken or given.
    lock: Option<Cas>,
    /// What the record was when it was read.
    record: Option<Condition>,
}

/// A transaction that ends a session: its record is stored or given a new life, and its lock is
/// given back.
pub(super) struct Transaction {
    names: Names,
    /// The lock.
    held: Cas,
    /// What the record was when it was read.
    read: Condition,
    /// Where what it is to be is in [`Redis::sent`]; none if it stays.
    value: Option<Range<usize>>,
    /// Its new life.
    ttl: Ttl,
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
        let record = names.name(b'r');
        self.add_watch(names);
        self.command(&[b"GET", &record], Step::Get, tag, false);
    }

    /// What was not written in the end is watched still.
    pub(super) fn end_watch(&mut self) {
        if self.watch.take().is_some() {
            encode(&[b"UNWATCH"], &mut self.buffered.output);
            self.asides += 1;
        }
    }

    /// Has the server watch a session for what is sent behind this.
    pub(super) fn add_watch(&mut self, names: Names) {
        self.command(&[b"WATCH", &names.name(b'l')], Step::Watch, None, true);
        self.watch = Some(Watch { names, batch: self.batch, lock: None, record: None });
    }

    /// Adds a transaction for these requests, if the session is watched and was as they want it. It
    /// is not watched any more then. Says whether it has.
    pub(super) fn add_transaction(&mut self, requests: &[Request<'_>], tag: Option<Tag>) -> bool {
        let [write, Request::Delete { key: lock, cas: held, is_quiet: true, .. }] = requests else {
            return false;
        };
        let Some(Watch { names, lock: Some(taken), record: Some(read), .. }) = &self.watch else {
            return false;
        };
        let is_its = |key: Key<'_>, kind| {
            let digest = key.as_str().strip_prefix(kind);
            digest.is_some_and(|digest| digest.as_bytes() == names.digest())
        };
        let (read, is_renewed) = (*read, held != taken);
        let (record, value, ttl) = match *write {
            Request::Set { key, value, ttl, condition, .. } if condition == read => {
                (key, Some(value), ttl)
            }
            // What says whether it is there: not so `PERSIST`.
            Request::Touch { key, ttl, .. } if read != Condition::Absent && u32::from(ttl) != 0 => {
                (key, None, ttl)
            }
            _ => return false,
        };
        if is_renewed || !is_its(record, RECORD) || !is_its(*lock, LOCK) {
            return false;
        }
        // What is known of a lock was answered behind all that was sent before.
        debug_assert!(self.transaction.is_none());
        let Some(Watch { names, .. }) = self.watch.take() else { return false };

        let waits = value.is_some() && self.waits_for(record, tag);
        let (cas, write) = match (value, read) {
            (None, Condition::Unchanged(cas)) => (cas, Write::Touch),
            _ if waits => (self.draw(), Write::StoreAndWait),
            _ => (self.draw(), Write::Store),
        };
        let (start, lease_s, output) = (self.start(), self.lease_s, &mut self.buffered.output);
        output.extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n");
        let value = match value {
            Some(value) => {
                let put = |output: &mut Vec<u8>| names.put(b"r", output);
                let end = encode_set(put, &[&bytes(cas), value], &[], ttl, output);
                Some(end - value.len()..end)
            }
            None => {
                let (word, number) = touching(ttl);
                encode(&[word, &names.name(b'r'), number.as_bytes()], output);
                None
            }
        };
        hand_on(&names, lease_s, output);
        output.extend_from_slice(b"*1\r\n$4\r\nEXEC\r\n");
        self.asides += 2 + HAND_ON_COMMANDS;
        self.expect(start, Step::Exec(cas, write), tag, false, None);
        self.wait_for_replicas(waits);
        self.transaction = Some(Transaction { names, held: *held, read, value, ttl });
        true
    }

    /// A transaction was done.
    pub(super) fn end_transaction(&mut self) {
        self.transaction = None;
        self.sent.clear();
        self.sent.shrink_to(KEPT_BYTES);
    }

    /// Has a script do what a transaction has not done; it tells one reason from the other.
    pub(super) async fn leave_to_script(&mut self) -> Result<(), Broken> {
        let tag = self.take_back().await?.first().and_then(|transaction| transaction.tag);
        let Some(Transaction { names, held, read, value, ttl }) = self.transaction.take() else {
            return Err(Broken::nonsense("an answer to no transaction"));
        };
        let (sent, record) = (std::mem::take(&mut self.sent), [RECORD.as_bytes(), names.digest()]);
        let record = record.concat();
        let record = Key::new(&record).expect("it was one before");
        self.begin();
        match value {
            Some(range) => self.commit(record, &sent[range], ttl, read, held, tag),
            None => self.touch(record, ttl, Some(held), tag),
        }
        self.buffered.flush().await
    }
}

/// How many commands [`hand_on`] encodes.
const HAND_ON_COMMANDS: u32 = 4;

/// Encodes what gives a lock to the first who waits for it, if there is one.
fn hand_on(names: &Names, lease_s: u32, output: &mut Vec<u8>) {
    output.extend_from_slice(b"*3\r\n$3\r\nDEL\r\n");
    names.put(b"lw", output);
    output.extend_from_slice(b"*5\r\n$5\r\nLMOVE\r\n");
    names.put(b"ql", output);
    output.extend_from_slice(b"$5\r\nRIGHT\r\n$4\r\nLEFT\r\n");
    output.extend_from_slice(b"*3\r\n$6\r\nEXPIRE\r\n");
    names.put(b"l", output);
    integer(lease_s, output);
    output.extend_from_slice(b"*3\r\n$4\r\nCOPY\r\n");
    names.put(b"lw", output);
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
