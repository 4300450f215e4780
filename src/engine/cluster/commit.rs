//! Storing what a request has made of a session: commit, touch, destroy.
//!
//! A store has the CAS of the record that was read as its condition, so it never replaces anything
//! that this request has not seen. Where an answer does not say what happened, the record itself is
//! looked at: it names its writer. A node that fails is replaced by the next one of the list, never
//! blindly: that one is locked and read first.

use super::open::{copy_of, jittered};
use super::read::Found;
use super::record::{Record, Stamp};
use super::{Cluster, Holding, Keys, Lock, Part, Posted, Seat, delete, get, set, timeouts, touch};
use crate::config::{Settings, WriteMode};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{
    LOCK_LEASE_MARGIN, LOCK_POLL_MAX, LOCK_POLL_MIN, REPLACEMENT_PAUSE, REPLACEMENT_TRIES,
};
use crate::node::{Answer, Cause, Failure, Timeouts};
use crate::session::id::Digest;
use crate::stats::Counter;
use crate::wire::memcached::meta::Request;
use crate::wire::memcached::{Key, ServerError, Ttl};
use tokio::time::{Instant, sleep};

/// Rounds of one commit or destroy beyond one for each node, at most. More than one is needed where
/// a connection was closed while it was idle, and where a store of an earlier request arrived late.
const TRIES: usize = 4;

/// Rounds of a store without the lock, at most. Others who have none may do the same at the same
/// time, on nodes that each of them meets in another order; so each round but the first begins
/// after a pause, in all a fifth of a second.
const UNLOCKED_TRIES: usize = 16;

/// Capacity of the buffer for records that is kept, in bytes: one large session must not be paid
/// for by every worker for ever.
const KEPT_BYTES: usize = 256 * 1024;

/// What is to be stored.
#[derive(Clone, Copy)]
enum Content<'a> {
    Data(&'a [u8]),
    Tombstone,
}

/// How what a node has compares with what this request has read and stored.
#[derive(PartialEq, Eq)]
enum Standing {
    /// It is what this request has stored.
    Stored,
    /// It is what this request has read, or older: to be stored over.
    Base,
    /// Somebody else has stored or destroyed it since, or it is gone.
    Overtaken,
}

/// What has become of a store or a touch so far.
#[derive(Default)]
struct Tally {
    /// Who stores; none for a touch.
    writer: Option<u64>,
    /// Nodes that have it.
    stored: usize,
    /// Why no other node is asked any more: one has refused it for good, as a rule.
    refusal: Option<Error>,
    /// Why it may be carried out where it was not acknowledged.
    doubt: Option<Failure>,
    /// Why a node that was needed did not store it.
    error: Option<Error>,
    /// When the first of the locks ends under which it was sent anywhere.
    lease_end: Option<Instant>,
    /// Whether the last answer that was needed came after that.
    is_late: bool,
}

impl Cluster {
    /// Stores the data of a session that is held, and gives its lock back. One round trip; with
    /// [`WriteMode::Delayed`] none. The session is not held any more, whatever
    /// comes of it. Says what it is now.
    ///
    /// # Errors
    /// Nothing was saved: [`ErrorKind::LeaseLost`], [`ErrorKind::Destroyed`],
    /// [`ErrorKind::TooLarge`], [`ErrorKind::Node`]. Nobody knows: [`ErrorKind::Indeterminate`].
    pub async fn commit(
        &mut self,
        digest: &Digest,
        data: &[u8],
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<Stamp> {
        self.store_held(digest, Content::Data(data), lifetime_s, settings).await
    }

    /// Tells the nodes of a session that is held that it was used, and gives its lock back. One
    /// round trip; with [`WriteMode::Delayed`] none. A copy that is missing or older is brought up
    /// to date. False, with the session still held, if that is not enough and the session has to be
    /// committed.
    ///
    /// # Errors
    /// [`ErrorKind::Node`], [`ErrorKind::NoNode`].
    pub async fn touch(
        &mut self,
        digest: &Digest,
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<bool> {
        let Some(mut holding) = self.take(digest) else { return Ok(false) };
        holding.stage = "is not marked as used";
        let now_s = self.now_s();
        let record = holding.base.as_ref().map(|base| base.record);
        let record = record.filter(|record| {
            let is_same = !record.is_tombstone && record.lifetime_s == lifetime_s;
            is_same && !record.ends_too_early(now_s)
        });
        let moves = self.copies == 1 && holding.seats.len() > 1;
        let Some(record) = record.filter(|_| !moves) else {
            self.held.push(holding);
            return Ok(false);
        };
        let result = match self.copies {
            1 => self.touch_only(&mut holding, &record, settings).await,
            _ => self.touch_all(&mut holding, &record, settings).await.map(|()| true),
        };
        match result {
            // Forgotten since it was read: it is stored again, as if it were new.
            Ok(false) => {
                (holding.base, holding.read) = (None, None);
                holding.seats = vec![Seat::new(holding.seats[0].node, Instant::now())];
                self.held.push(holding);
                Ok(false)
            }
            result => {
                self.give_back(holding).await;
                result
            }
        }
    }

    /// With one copy, the lock is given back in the same write. Says whether the node has the
    /// session.
    async fn touch_only(
        &mut self,
        holding: &mut Holding,
        record: &Record,
        settings: &Settings,
    ) -> Result<bool> {
        let (keys, now_s) = (Keys::of(&holding.digest), self.now_s());
        let seat = &mut holding.seats[0];
        let (node, lock) = (seat.node, seat.lock);
        let mut asked = vec![touch(keys.record(), self.ttl(record.kept_s(now_s)))];
        if let Lock::Held(cas, _) = lock
            && seat.link == self.nodes[node].link()
        {
            asked.push(delete(keys.lock(), cas));
            seat.lock = Lock::None;
        }
        let timeouts = holding.timeouts;
        let mut answers = match settings.write {
            WriteMode::Delayed => {
                let posted = Posted::Commit(holding.digest);
                let posted = self.post(node, &timeouts, &asked, posted).await;
                posted.map(|()| vec![Answer::Done { cas: None }])
            }
            WriteMode::Through => self.exchange(node, &timeouts, &asked).await,
        };
        if let Err(failure) = &answers
            && self.is_worth_a_retry(node, failure, &timeouts)
        {
            // The CAS of the lock was good for that connection: it is asked for again.
            answers = self.exchange_again(node, &timeouts, &[asked[0], get(keys.lock())]).await;
            if let (Ok([_, Answer::Value { bytes, cas: Some(cas), .. }]), Lock::Held(_, lease)) =
                (answers.as_deref(), lock)
                && *bytes == holding.lock_value
            {
                let seat = &mut holding.seats[0];
                (seat.lock, seat.link) = (Lock::Held(*cas, lease), self.nodes[node].link());
            }
        }
        let answers = answers.map_err(|failure| holding.failed(&failure))?;
        Ok(matches!(answers.first(), Some(Answer::Done { .. })))
    }

    /// Rule 12.
    async fn touch_all(
        &mut self,
        holding: &mut Holding,
        record: &Record,
        settings: &Settings,
    ) -> Result<()> {
        // As in a commit.
        holding.silent.clear();
        let keys = Keys::of(&holding.digest);
        let ttl = self.ttl(record.kept_s(self.now_s()));
        let bytes = holding.base.as_ref().map(|base| base.bytes.clone()).unwrap_or_default();
        let stamp = Some(record.stamp);
        let mut tally = Tally::default();
        let mut touched = 0;
        let mut changed = Vec::new();
        for _ in 0..self.nodes.len() + TRIES {
            // Rule 4: what was read is worth nothing without its connection.
            for node in holding.unlinked(self) {
                if !self.join(holding, node, &mut tally).await {
                    self.drop_out(holding, node);
                }
            }
            // A newer one, found when a lost lock was taken again, is of somebody who has used it.
            for seat in holding.seats.iter_mut().filter(|seat| seat.stamp > stamp) {
                touched += usize::from(seat.part == Part::Due);
                seat.part = Part::Stored;
            }
            let due = holding.due();
            if due.is_empty() {
                match self.join_next(holding, &mut tally).await {
                    Some(_) => continue,
                    None => break,
                }
            }
            let mut asked = Vec::with_capacity(due.len());
            for index in &due {
                let seat = &holding.seats[*index];
                let request = match seat.stamp == stamp {
                    true => touch(keys.record(), ttl),
                    false => set(keys.record(), &bytes, ttl, seat.cas),
                };
                asked.push((seat.node, vec![request]));
            }
            if settings.write == WriteMode::Delayed {
                for (node, requests) in &asked {
                    let posted = Posted::Commit(holding.digest);
                    match self.post(*node, &holding.timeouts, requests, posted).await {
                        Ok(()) => touched += 1,
                        Err(failure) => tally.error = Some(holding.failed(&failure)),
                    }
                }
                break;
            }
            let results = self.exchange_all(&holding.timeouts, &asked).await;
            let mut failed = Vec::new();
            for (index, result) in due.into_iter().zip(results) {
                let seat = &mut holding.seats[index];
                match result {
                    Ok(answers) => match answers.into_iter().next() {
                        // Vanished since it was read: it is stored again.
                        Some(Answer::Missing) if seat.stamp == stamp => {
                            (seat.stamp, seat.cas) = (None, None);
                        }
                        Some(Answer::ServerError(_, text)) => {
                            let address = self.nodes[seat.node].address();
                            let text = format!(
                                "session {} is not marked as used: node {address} says: {text}",
                                holding.digest
                            );
                            tally.error = Some(Error::new(ErrorKind::Node, text));
                            seat.part = Part::Refused;
                        }
                        answer => {
                            let is_repaired =
                                seat.stamp != stamp && matches!(answer, Some(Answer::Done { .. }));
                            self.counters.add(Counter::Repairs, u64::from(is_repaired));
                            if let Some(Answer::Done { cas }) = answer
                                && cas != seat.cas
                                && !is_repaired
                            {
                                changed.push(seat.node);
                            }
                            seat.part = Part::Stored;
                            touched += 1;
                        }
                    },
                    Err(failure) => failed.push((seat.node, failure)),
                }
            }
            for (node, failure) in failed {
                tally.error = Some(holding.failed(&failure));
                self.rejoin(holding, node, &failure, &mut tally).await;
            }
        }
        if !changed.is_empty() {
            self.keep_tombstones(&holding.digest, &changed, &holding.timeouts).await;
        }
        match tally.error {
            Some(error) if touched == 0 => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives tombstones the life that they should have, rule 13: a touch was meant for the record
    /// that was there before, which need not live for so long.
    async fn keep_tombstones(&mut self, digest: &Digest, nodes: &[usize], timeouts: &Timeouts) {
        let (keys, now_s) = (Keys::of(digest), self.now_s());
        let asked: Vec<_> = nodes.iter().map(|node| (*node, vec![get(keys.record())])).collect();
        let results = self.exchange_all(timeouts, &asked).await;
        let mut tombstones = Vec::new();
        for (node, result) in nodes.iter().zip(results) {
            if let Ok(answers) = result
                && let Ok((_, Some(found))) = copy_of(answers.into_iter().next(), digest, now_s)
                && found.record.is_tombstone
            {
                let ttl = self.ttl(found.record.kept_s(now_s));
                tombstones.push((*node, vec![touch(keys.record(), ttl)]));
            }
        }
        // One that fails now ends early there, and stands on the other nodes.
        self.exchange_all(timeouts, &tombstones).await;
    }

    /// Tells the nodes of a session that is not held that it was used, and leaves what others have
    /// made of it as it is. Two round trips. False if there is no such session.
    ///
    /// # Errors
    /// [`ErrorKind::Node`], [`ErrorKind::NoNode`].
    pub async fn touch_unlocked(
        &mut self,
        digest: &Digest,
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<bool> {
        let (keys, timeouts, now_s) = (Keys::of(digest), timeouts(settings), self.now_s());
        let survey = self.survey(digest, settings, "is not marked as used").await?;
        let Some(base) = &survey.newest else { return Ok(false) };
        let record = base.record;
        if record.is_tombstone {
            return Ok(true);
        }
        let is_enough = record.lifetime_s == lifetime_s && !record.ends_too_early(now_s);
        let ttl = self.ttl(Record::new(record.stamp, lifetime_s, now_s).kept_s(now_s));
        let mut bytes = base.bytes.clone();
        if !is_enough {
            let version = record.stamp.version.saturating_add(1).max(self.now_us());
            let stamp = Stamp { version, writer: self.world.random() as u64 };
            let data = bytes.split_off(Record::BYTES);
            Record::new(stamp, lifetime_s, now_s).encode(digest, &data, &mut bytes);
        }
        let current =
            survey.copies.iter().filter(|found| found.link == self.nodes[found.node].link());
        let current: Vec<_> = current
            .filter(|found| self.copies > 1 || found.stamp == Some(record.stamp))
            .map(|found| (found.node, found.cas, is_enough && found.stamp == Some(record.stamp)))
            .collect();
        let asked: Vec<_> = current
            .iter()
            .map(|(node, cas, is_touch)| match is_touch {
                true => (*node, vec![touch(keys.record(), ttl)]),
                false => (*node, vec![set(keys.record(), &bytes, ttl, *cas)]),
            })
            .collect();
        let results = self.exchange_all(&timeouts, &asked).await;
        let (mut is_missing, mut error) = (true, None);
        let mut changed = Vec::new();
        for ((node, cas, is_touch), result) in current.iter().zip(results) {
            match result.map(|answers| answers.into_iter().next()) {
                Ok(Some(Answer::Missing)) => {}
                Ok(Some(Answer::Done { cas: found })) if *is_touch && found != *cas => {
                    is_missing = false;
                    changed.push(*node);
                }
                Ok(Some(Answer::ServerError(kind, text))) => {
                    error = Some(self.server_error(digest, *node, kind, &text));
                }
                // Refused: somebody has stored it since, and so used it.
                Ok(_) => is_missing = false,
                Err(failure) => {
                    let text = format!("session {digest} is not marked as used: {failure}");
                    error = Some(Error::new(ErrorKind::NoNode, text));
                }
            }
        }
        self.keep_tombstones(digest, &changed, &timeouts).await;
        match error {
            Some(error) if is_missing => Err(error),
            _ => Ok(!is_missing),
        }
    }

    /// Destroys a session, held or not: what is stored from now on says so, and stands against
    /// copies that come back and writes that come late. One round trip if it is held, otherwise two
    /// or more.
    ///
    /// # Errors
    /// As [`Cluster::commit`].
    pub async fn destroy(
        &mut self,
        digest: &Digest,
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<()> {
        if self.is_held(digest) {
            let result = self.store_held(digest, Content::Tombstone, lifetime_s, settings).await;
            match result {
                // Who destroys a session does not mind what it has become meanwhile.
                Err(error) if error.kind() == ErrorKind::LeaseLost => {}
                Err(error) if error.kind() == ErrorKind::Destroyed => return Ok(()),
                // Nor where it is destroyed already, by others perhaps. If that cannot be made
                // certain, it stays unknown.
                Err(error) if error.kind() == ErrorKind::Indeterminate => {
                    let again =
                        self.store_unlocked(digest, Content::Tombstone, lifetime_s, settings);
                    return again.await.map_err(|_| error);
                }
                result => return result.map(|_| ()),
            }
        }
        self.store_unlocked(digest, Content::Tombstone, lifetime_s, settings).await
    }

    /// Stores data without a lock, over whatever is there: the last one wins. Two round trips.
    ///
    /// # Errors
    /// As [`Cluster::commit`].
    pub async fn overwrite(
        &mut self,
        digest: &Digest,
        data: &[u8],
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<()> {
        self.store_unlocked(digest, Content::Data(data), lifetime_s, settings).await
    }

    /// Makes a fresh id count as a session that exists and is empty. Not waited for: who does not
    /// find it gets another id.
    ///
    /// # Errors
    /// [`ErrorKind::NoNode`].
    pub async fn make(
        &mut self,
        digest: &Digest,
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<()> {
        let (keys, now_s) = (Keys::of(digest), self.now_s());
        let stamp = Stamp { version: self.now_us(), writer: self.world.random() as u64 };
        let record = Record::new(stamp, lifetime_s, now_s);
        let mut bytes = Vec::new();
        record.encode(digest, b"", &mut bytes);
        let asked = [set(keys.record(), &bytes, self.ttl(record.kept_s(now_s)), None)];
        let list = self.list(digest);
        let mut failure = None;
        let mut made = 0;
        let timeouts = timeouts(settings);
        for node in self.set_of(&list, &timeouts) {
            match self.post_again(node, &timeouts, &asked, Posted::Nothing).await {
                Ok(()) => made += 1,
                Err(failed) => failure = Some(failed),
            }
        }
        match made {
            0 => Err(self.no_node(digest, "cannot be opened", failure.as_ref(), &list)),
            _ => Ok(()),
        }
    }

    async fn store_held(
        &mut self,
        digest: &Digest,
        content: Content<'_>,
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<Stamp> {
        let Some(mut holding) = self.take(digest) else {
            let text = format!("session {digest} is not held, not saved");
            return Err(Error::new(ErrorKind::LeaseLost, text));
        };
        holding.stage = "is not saved";
        let mut record = std::mem::take(&mut self.scratch);
        let result = self.store(&mut holding, content, lifetime_s, settings, &mut record).await;
        record.shrink_to(KEPT_BYTES);
        self.scratch = record;
        self.give_back(holding).await;
        result
    }

    async fn store(
        &mut self,
        holding: &mut Holding,
        content: Content<'_>,
        lifetime_s: u64,
        settings: &Settings,
        bytes: &mut Vec<u8>,
    ) -> Result<Stamp> {
        let (digest, read) = (holding.digest, holding.read);
        let keys = Keys::of(&digest);
        self.secure(holding).await?;
        // Rule 5: more than what it replaces, and the clock when the lock was granted. Its own
        // record is known by its writer.
        let version = read.map_or(0, |read| read.version.saturating_add(1));
        let writer = self.world.random() as u64;
        let stamp = Stamp { version: version.max(holding.granted_us), writer };
        let replaced_s = holding.base.as_ref().map(|base| base.record.lifetime_s);
        let (now_s, data) = (self.now_s(), content.data());
        let record = content.record(stamp, lifetime_s, replaced_s, now_s);
        record.encode(&digest, data, bytes);
        let ttl = self.ttl(record.kept_s(now_s));
        for seat in &holding.seats {
            self.check_size(&digest, seat.node, keys.record(), bytes.len(), data.len())?;
        }

        let mut tally = Tally { writer: Some(writer), ..Tally::default() };
        let need = self.copies.min(self.nodes.len() - 1).max(1);
        let is_delayed = settings.write == WriteMode::Delayed;
        // Fewer nodes than needed can only make it a write of which nobody knows, and which may
        // count later: then nothing is sent at all.
        while holding.seats.len() < need {
            let Some(node) = self.join_next(holding, &mut tally).await else {
                let none = || self.no_node(&digest, holding.stage, None, &holding.silent);
                return Err(tally.error.unwrap_or_else(none));
            };
            self.check_size(&digest, node, keys.record(), bytes.len(), data.len())?;
        }
        for _ in 0..self.nodes.len() + TRIES {
            if tally.refusal.is_some() || tally.is_late || tally.stored >= self.copies {
                break;
            }
            let had_enough = tally.stored >= need;
            // More of them than a session has copies were asked for what they have. Those that are
            // drained come last.
            let mut due = holding.due();
            due.sort_by_key(|index| self.board.is_drained(holding.seats[*index].node));
            due.truncate(self.copies - tally.stored);
            if due.is_empty() {
                match self.join_next(holding, &mut tally).await {
                    Some(node) => {
                        self.check_size(&digest, node, keys.record(), bytes.len(), data.len())?;
                        continue;
                    }
                    None => break,
                }
            }
            let record = (&bytes[..], ttl);
            let sent = self.send_record(holding, &keys, due, record, is_delayed, &mut tally).await;
            let (refused, failed) = sent;
            if !refused.is_empty() {
                self.look(holding, &refused, &mut tally).await;
            }
            for (node, failure) in failed {
                tally.error = Some(unknown(&digest, &failure));
                let is_in = self.rejoin(holding, node, &failure, &mut tally).await;
                if failure.may_have_been_sent() {
                    // With one copy, that of another node is as good only if this one's is gone:
                    // the node that comes back with it is asked first.
                    if self.copies == 1 && !is_in && !self.board.is_gone(node) {
                        tally.refusal = Some(unknown(&digest, &failure));
                    }
                    tally.doubt.get_or_insert(failure);
                }
            }
            let is_in_time = tally.lease_end.is_none_or(|end| is_delayed || Instant::now() < end);
            tally.is_late |= !had_enough && !is_in_time;
        }
        self.outcome(holding, tally, need)?;
        if self.copies == 1 && holding.seats.len() > 1 {
            self.forget_elsewhere(holding).await;
        }
        Ok(stamp)
    }

    /// Sends a record to the nodes of these seats. Gives the seats whose nodes have refused it, and
    /// the nodes that have failed.
    async fn send_record(
        &mut self,
        holding: &mut Holding,
        keys: &Keys,
        due: Vec<usize>,
        (bytes, ttl): (&[u8], Ttl),
        is_delayed: bool,
        tally: &mut Tally,
    ) -> (Vec<usize>, Vec<(usize, Failure)>) {
        let leases = holding.seats.iter().filter_map(Seat::lease_end);
        tally.lease_end = leases.chain(tally.lease_end).min();
        // With one copy, whoever gets the lock behind this store reads what it has stored; and with
        // delayed writes nothing is waited for.
        let unlocks = is_delayed || self.copies == 1;
        let mut asked = Vec::with_capacity(due.len());
        for index in &due {
            let seat = &mut holding.seats[*index];
            let mut requests = vec![set(keys.record(), bytes, ttl, seat.cas)];
            if unlocks && let Lock::Held(cas, _) = seat.lock {
                requests.push(delete(keys.lock(), cas));
                seat.lock = Lock::None;
            }
            asked.push((seat.node, requests));
        }
        let results = match is_delayed {
            false => self.exchange_all(&holding.timeouts, &asked).await,
            true => self.post_all(holding, &asked).await,
        };
        let (mut refused, mut failed) = (Vec::new(), Vec::new());
        for (index, result) in due.into_iter().zip(results) {
            let seat = &mut holding.seats[index];
            match result.map(|answers| answers.into_iter().next()) {
                Ok(Some(Answer::Done { .. })) => {
                    seat.part = Part::Stored;
                    tally.stored += 1;
                }
                Ok(Some(Answer::ServerError(error, text))) => {
                    seat.part = Part::Refused;
                    let error = self.server_error(&holding.digest, seat.node, error, &text);
                    tally.error = Some(error);
                }
                Ok(Some(Answer::Fenced)) => {
                    seat.part = Part::Refused;
                    tally.refusal = Some(lost_to_another(&holding.digest));
                }
                Ok(_) => refused.push(index),
                Err(failure) => failed.push((seat.node, failure)),
            }
        }
        (refused, failed)
    }

    /// What has become of a store: rules 9, 10 and 15.
    fn outcome(&self, holding: &Holding, tally: Tally, need: usize) -> Result<()> {
        let digest = &holding.digest;
        let Tally { stored, refusal, doubt, error, is_late, .. } = tally;
        let perhaps = |why: String| {
            let text = format!("session {digest} may or may not have been saved: {why}");
            Error::new(ErrorKind::Indeterminate, text)
        };
        match (refusal, doubt) {
            (None, _) if stored >= need && !is_late => Ok(()),
            (None, _) if stored >= need => {
                Err(perhaps("the answer came after the lock had ended".into()))
            }
            // Others may have read what was stored, and stored theirs over it.
            (_, Some(doubt)) => Err(unknown(digest, &doubt)),
            (Some(refusal), None) if stored == 0 => Err(refusal),
            (Some(_), None) => Err(perhaps("another request has changed it meanwhile".into())),
            (None, None) if stored == 0 => Err(error.unwrap_or_else(|| {
                let text = format!("session {digest} is not saved: others keep changing it");
                Error::new(ErrorKind::LeaseLost, text)
            })),
            (None, None) => {
                let why = error.map_or_else(String::new, |error| format!(", {error}"));
                Err(perhaps(format!("only {stored} of {need} nodes have it{why}")))
            }
        }
    }

    async fn post_all(
        &mut self,
        holding: &Holding,
        asked: &[(usize, Vec<Request<'_>>)],
    ) -> Vec<Result<Vec<Answer>, Failure>> {
        let mut results = Vec::with_capacity(asked.len());
        for (node, requests) in asked {
            let posted = Posted::Commit(holding.digest);
            let posted = self.post(*node, &holding.timeouts, requests, posted).await;
            results.push(posted.map(|()| vec![Answer::Done { cas: None }]));
        }
        results
    }

    /// Makes sure of the locks before something is stored under them, rule 5: more than a request's
    /// timeout has to be left of each. Otherwise they are renewed or taken again, and what the
    /// nodes have is compared with what was read. A node that fails loses its part.
    async fn secure(&mut self, holding: &mut Holding) -> Result<()> {
        // Rule 6: a node that has not answered before may be back; the board knows.
        holding.silent.clear();
        let mut error = None;
        for _ in 0..TRIES {
            for index in 0..holding.seats.len() {
                self.settle_lock(holding, index).await;
            }
            let is_weak =
                |index: &usize| !holding.seats[*index].is_secure(self, holding.timeouts.request);
            let weak: Vec<usize> = (0..holding.seats.len()).filter(is_weak).collect();
            // A look may take as long as a node that hangs is waited for, and they have to last.
            if weak.is_empty() && !self.look_again(holding).await? {
                break;
            }
            let mut failed = Vec::new();
            for (index, is_kept) in self.renew_seats(holding, &weak).await {
                let node = holding.seats[index].node;
                if is_kept {
                    continue;
                }
                // Where no connection stands, the board's word is as good as waiting. Without
                // another node to turn to, it is tried all the same.
                let is_known_dead =
                    self.copies > 1 && self.nodes[node].link().is_none() && !self.is_up(node);
                let taken = match is_known_dead {
                    true => Err(self.no_node(&holding.digest, holding.stage, None, &[node])),
                    false => self.take_seat(holding, index, &mut None).await,
                };
                match taken {
                    Ok(true) => {}
                    Ok(false) => {
                        let error = self.in_use(holding, index).await;
                        let timeout = holding.timeouts.request;
                        // Rule 7: lost with its node while another one is unbroken, somebody has
                        // it who waits for that one. It is stored there without the lock.
                        if !holding.seats.iter().any(|seat| seat.is_secure(self, timeout)) {
                            return Err(error);
                        }
                        if error.is_of_one_node() {
                            failed.push((node, error));
                        }
                    }
                    Err(failure) if failure.is_of_one_node() => failed.push((node, failure)),
                    Err(error) => return Err(error),
                }
            }
            for (node, failure) in failed {
                self.drop_out(holding, node);
                error = Some(failure);
            }
        }
        // Nothing is left to read, unless all rounds were needed.
        self.look_again(holding).await?;
        // Taken again just now, or by the thread that renews them.
        for index in 0..holding.seats.len() {
            if holding.standing(index, None, self) == Standing::Overtaken {
                return Err(overtaken(holding, index));
            }
        }
        let seats = &holding.seats;
        let is_secure = |seat: &Seat| seat.is_secure(self, holding.timeouts.request);
        let is_ready = |seat: &Seat| is_secure(seat) || matches!(seat.lock, Lock::None);
        let is_there =
            holding.read.is_none() || seats.iter().any(|seat| seat.stamp == holding.read);
        let only = self.copies == 1;
        match error {
            _ if seats.iter().any(is_secure)
                && seats.iter().all(is_ready)
                && (is_there || only) =>
            {
                Ok(())
            }
            // With one copy, the next node takes it, if there is no other one that could come back.
            Some(_)
                if only
                    && seats.is_empty()
                    && self.nodes.len() > 1
                    && (holding.read.is_none()
                        || holding.silent.iter().all(|node| self.board.is_gone(*node))) =>
            {
                Ok(())
            }
            Some(error) => Err(error),
            None => {
                let why = match is_there || only {
                    true => "its lock was lost",
                    false => "what this request has read is on no node any more",
                };
                let text = format!("session {} is not saved: {why}", holding.digest);
                Err(Error::new(ErrorKind::LeaseLost, text))
            }
        }
    }

    /// Reads again what was read long before the last lock was granted. Who destroys a session
    /// needs no lock: his tombstone is newer than all that is stored under locks of that time, but
    /// not than what is stored under one that was taken again later. Says whether that was needed.
    async fn look_again(&mut self, holding: &mut Holding) -> Result<bool> {
        let is_old =
            |index: &usize| holding.seats[*index].known + LOCK_LEASE_MARGIN < holding.granted;
        let old: Vec<usize> = (0..holding.seats.len()).filter(is_old).collect();
        if old.is_empty() {
            return Ok(false);
        }
        let (keys, since) = (Keys::of(&holding.digest), Instant::now());
        let ask = |index: &usize| (holding.seats[*index].node, vec![get(keys.record())]);
        let asked: Vec<_> = old.iter().map(ask).collect();
        let results = self.exchange_all_again(&holding.timeouts, &asked).await;
        let mut silent = Vec::new();
        for (index, result) in old.into_iter().zip(results) {
            let seat = &holding.seats[index];
            let (node, is_same) = (seat.node, seat.link == self.nodes[seat.node].link());
            let lock = if is_same { seat.lock } else { Lock::None };
            match result {
                Ok(answers) => {
                    self.take_record(holding, index, answers.into_iter().next(), lock)?;
                    holding.seats[index].known = since;
                }
                Err(_) => silent.push(node),
            }
        }
        for node in silent {
            self.drop_out(holding, node);
        }
        Ok(true)
    }

    /// Somebody else has the lock that this request has lost.
    async fn in_use(&mut self, holding: &mut Holding, index: usize) -> Error {
        let node = holding.seats[index].node;
        let keys = Keys::of(&holding.digest);
        let answers = self.exchange(node, &holding.timeouts, &[get(keys.record())]).await;
        let answers = match answers {
            Ok(answers) => answers,
            Err(failure) => return holding.failed(&failure),
        };
        let read = self.take_record(holding, index, answers.into_iter().next(), Lock::None);
        match holding.standing(index, None, self) {
            Standing::Overtaken if read.is_ok() => overtaken(holding, index),
            _ => lost_to_another(&holding.digest),
        }
    }

    /// Reads the records of nodes that have refused a store; rule 8.
    async fn look(&mut self, holding: &mut Holding, refused: &[usize], tally: &mut Tally) {
        let keys = Keys::of(&holding.digest);
        let ask = |index: &usize| (holding.seats[*index].node, vec![get(keys.record())]);
        let asked: Vec<_> = refused.iter().map(ask).collect();
        let results = self.exchange_all(&holding.timeouts, &asked).await;
        let mut failed = Vec::new();
        for (index, result) in refused.iter().zip(results) {
            match result {
                Ok(answers) => {
                    let lock = holding.seats[*index].lock;
                    let record = answers.into_iter().next();
                    match self.take_record(holding, *index, record, lock) {
                        Ok(()) => self.judge(holding, *index, tally),
                        Err(error) => tally.refusal = Some(error),
                    }
                }
                Err(failure) => {
                    let text = format!("session {} is not saved: {failure}", holding.digest);
                    tally.error = Some(Error::new(ErrorKind::NoNode, text));
                    tally.doubt.get_or_insert(failure);
                    failed.push(holding.seats[*index].node);
                }
            }
        }
        for node in failed {
            self.drop_out(holding, node);
        }
    }

    /// What a node that was just read has to do with the store that is going on.
    fn judge(&self, holding: &mut Holding, index: usize, tally: &mut Tally) {
        match holding.standing(index, tally.writer, self) {
            Standing::Stored => {
                holding.seats[index].part = Part::Stored;
                tally.stored += 1;
            }
            Standing::Base => {}
            Standing::Overtaken => {
                holding.seats[index].part = Part::Refused;
                tally.refusal = Some(overtaken(holding, index));
            }
        }
    }

    /// A node has failed in the middle of a store. What was cut is connected to again; otherwise
    /// the node loses its part. Says whether it keeps it.
    async fn rejoin(
        &mut self,
        holding: &mut Holding,
        node: usize,
        failure: &Failure,
        tally: &mut Tally,
    ) -> bool {
        let is_cut =
            failure.cause == Cause::Cut || self.is_worth_a_retry(node, failure, &holding.timeouts);
        let is_in = is_cut && self.join(holding, node, tally).await;
        if !is_in {
            self.drop_out(holding, node);
        }
        is_in
    }

    /// A node has no part in a session any more. It may still carry out what it was sent.
    pub(super) fn drop_out(&self, holding: &mut Holding, node: usize) {
        holding.seats.retain(|seat| seat.node != node);
        holding.silent.push(node);
        self.board.give_up(node, holding.token);
    }

    /// Gives the next node of the list that is up a part in a store, rules 6 and 7; none if there
    /// is none left, or enough nodes have a part.
    async fn join_next(&mut self, holding: &mut Holding, tally: &mut Tally) -> Option<usize> {
        loop {
            let is_full = |part: &Seat| part.part != Part::Refused;
            if holding.seats.iter().filter(|seat| is_full(seat)).count() >= self.copies {
                return None;
            }
            let node = self.next_usable(&holding.list, |node| holding.is_asked(node))?;
            holding.seat(node);
            if self.join(holding, node, tally).await {
                self.counters.add(Counter::Failovers, 1);
                return Some(node);
            }
            self.drop_out(holding, node);
        }
    }

    /// Locks and reads a node that takes part in a store from now on. One that somebody else has
    /// locked is stored to without a lock: he may wait for us. False if it does not answer.
    async fn join(&mut self, holding: &mut Holding, node: usize, tally: &mut Tally) -> bool {
        let index = holding.seats.iter().position(|seat| seat.node == node);
        let index = index.expect("it has a part");
        let mut is_ours = false;
        for attempt in 0..REPLACEMENT_TRIES {
            if attempt > 0 {
                sleep(REPLACEMENT_PAUSE).await;
            }
            match self.take_seat(holding, index, &mut None).await {
                Ok(taken) => is_ours = taken,
                Err(error) => {
                    tally.error = Some(error);
                    return false;
                }
            }
            if is_ours {
                break;
            }
        }
        if !is_ours {
            let error = self.in_use(holding, index).await;
            if error.is_of_one_node() {
                return false;
            }
            let is_stored = tally.writer.is_some()
                && holding.standing(index, tally.writer, self) == Standing::Stored;
            // With one copy there is nobody to wait for.
            if self.copies == 1 && !is_stored {
                holding.seats[index].part = Part::Refused;
                tally.refusal = Some(error);
                return true;
            }
        }
        if tally.writer.is_some() {
            self.judge(holding, index, tally);
        }
        true
    }

    /// Removes the copies of a session that has moved to the node it belongs to: nobody would keep
    /// them up to date.
    async fn forget_elsewhere(&mut self, holding: &mut Holding) {
        let keys = Keys::of(&holding.digest);
        for seat in holding.seats.iter_mut().filter(|seat| seat.part != Part::Stored) {
            if seat.link != self.nodes[seat.node].link() {
                continue;
            }
            let mut asked = Vec::new();
            asked.extend(seat.cas.map(|cas| delete(keys.record(), cas)));
            if let Lock::Held(cas, _) = std::mem::replace(&mut seat.lock, Lock::None) {
                asked.push(delete(keys.lock(), cas));
            }
            // If it does not arrive, the copy ends with its lifetime.
            let _ = self.post(seat.node, &holding.timeouts, &asked, Posted::Nothing).await;
        }
    }

    async fn store_unlocked(
        &mut self,
        digest: &Digest,
        content: Content<'_>,
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<()> {
        let (keys, timeouts) = (Keys::of(digest), timeouts(settings));
        let writer = self.world.random() as u64;
        let need = self.copies.min(self.nodes.len() - 1).max(1);
        let mut bytes = Vec::new();
        let (mut first, mut doubt) = (None::<Stamp>, None::<Failure>);
        let mut pause = LOCK_POLL_MIN;
        for attempt in 0..UNLOCKED_TRIES {
            if attempt > 0 {
                sleep(jittered(pause, self.world.random())).await;
                pause = (pause * 2).min(LOCK_POLL_MAX);
            }
            let survey = match self.survey(digest, settings, "is not saved").await {
                Ok(survey) => survey,
                Err(error) => return Err(doubt.map_or(error, |doubt| unknown(digest, &doubt))),
            };
            // Where replicas are waited for, nobody knows whether they have it.
            let has = |found: &Found, stamp| {
                found.stamp == Some(stamp) && !self.nodes[found.node].awaits_replicas()
            };
            let base = survey.newest.as_ref().map(|base| base.record);
            // Somebody has destroyed it meanwhile, with what is newer than ours: that is as it
            // would be if ours had been there before.
            if let Content::Tombstone = content
                && let Some(base) = base.filter(|base| base.is_tombstone)
                && first.is_some_and(|first| first < base.stamp)
                && survey.copies.iter().filter(|found| has(found, base.stamp)).count() >= need
            {
                return Ok(());
            }
            let own = base.filter(|base| base.stamp.writer == writer).map(|base| base.stamp);
            let stamp = own.unwrap_or_else(|| {
                let (step, ahead_us) = match content {
                    Content::Data(_) => (1, 0),
                    // More than what is stored by anybody who has the lock now: one more than the
                    // base, or his clock, which may be ahead by less than a lease.
                    Content::Tombstone => (2, settings.lock_lease.as_micros() as u64),
                };
                let version = base.map_or(0, |base| base.stamp.version.saturating_add(step));
                Stamp { version: version.max(self.now_us().saturating_add(ahead_us)), writer }
            });
            first.get_or_insert(stamp);
            let replaced_s = base.map(|base| base.lifetime_s);
            let (now_s, data) = (self.now_s(), content.data());
            let record = content.record(stamp, lifetime_s, replaced_s, now_s);
            record.encode(digest, data, &mut bytes);
            let ttl = self.ttl(record.kept_s(now_s));
            // With one copy, it is stored on the first node, where whoever holds it will find it.
            let mut copies: Vec<_> = survey.copies.iter().collect();
            copies.sort_by_key(|found| {
                let place = survey.list.iter().position(|node| *node == found.node);
                (self.board.is_drained(found.node), place)
            });
            let elsewhere = match self.copies {
                1 => copies.split_off(1),
                _ => Vec::new(),
            };
            let mut stored = copies.iter().filter(|found| has(found, stamp)).count();
            copies
                .retain(|found| !has(found, stamp) && found.link == self.nodes[found.node].link());
            let mut asked = Vec::with_capacity(copies.len());
            for found in copies {
                self.check_size(digest, found.node, keys.record(), bytes.len(), data.len())?;
                asked.push((found.node, vec![set(keys.record(), &bytes, ttl, found.cas)]));
            }
            let (mut is_refused, mut error) = (false, None);
            for ((node, _), result) in asked.iter().zip(self.exchange_all(&timeouts, &asked).await)
            {
                match result.map(|answers| answers.into_iter().next()) {
                    Ok(Some(Answer::Done { .. })) => stored += 1,
                    Ok(Some(Answer::ServerError(kind, text))) => {
                        error = Some(self.server_error(digest, *node, kind, &text));
                    }
                    // Somebody was faster; what he has stored is replaced.
                    Ok(_) => is_refused = true,
                    Err(failure) => {
                        doubt = Some(failure).filter(Failure::may_have_been_sent).or(doubt);
                    }
                }
            }
            if stored >= need && !is_refused {
                for found in elsewhere {
                    if let Some(cas) = found.cas
                        && found.link == self.nodes[found.node].link()
                    {
                        let asked = [delete(keys.record(), cas)];
                        let _ = self.post(found.node, &timeouts, &asked, Posted::Nothing).await;
                    }
                }
                return Ok(());
            }
            if let Some(error) = error {
                return Err(error);
            }
        }
        Err(doubt.map_or_else(
            || {
                let text = format!("session {digest} is not saved: others keep changing it");
                Error::new(ErrorKind::LeaseLost, text)
            },
            |doubt| unknown(digest, &doubt),
        ))
    }

    /// Refuses what a server would. It must not be sent: a server that cannot store an item removes
    /// the one that is there.
    fn check_size(
        &self,
        digest: &Digest,
        node: usize,
        key: Key<'_>,
        record_bytes: usize,
        data_bytes: usize,
    ) -> Result<()> {
        let Some(max) = self.nodes[node].item_bytes_max() else { return Ok(()) };
        if key.item_bytes(record_bytes) <= max {
            return Ok(());
        }
        let (address, setting) =
            (self.nodes[node].address(), self.nodes[node].item_bytes_setting());
        let text = format!(
            "session {digest} has {data_bytes} bytes, more than fit into an item of {max} bytes, \
             the limit of node {address}{setting}, not saved"
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }

    fn server_error(&self, digest: &Digest, node: usize, error: ServerError, text: &str) -> Error {
        let address = self.nodes[node].address();
        let (kind, what) = match error {
            ServerError::TooLarge => (ErrorKind::TooLarge, "is not saved and may be lost"),
            // memcached has removed the record before.
            ServerError::OutOfMemory => (ErrorKind::Node, "is not saved and may be lost"),
            ServerError::NotStored => (ErrorKind::Node, "is not saved"),
            ServerError::Other => (ErrorKind::Indeterminate, "may or may not have been saved"),
        };
        self.counters.add(Counter::ServerErrors, 1);
        Error::new(kind, format!("session {digest} {what}: node {address} says: {text}"))
    }
}

impl Content<'_> {
    fn data(&self) -> &[u8] {
        match self {
            Self::Data(data) => data,
            Self::Tombstone => b"",
        }
    }

    fn record(&self, stamp: Stamp, lifetime_s: u64, replaced_s: Option<u64>, now_s: u64) -> Record {
        match self {
            Self::Data(_) => Record::new(stamp, lifetime_s, now_s),
            Self::Tombstone => Record::tombstone(stamp, lifetime_s, replaced_s, now_s),
        }
    }
}

impl Seat {
    /// Whether a store under its lock will be answered while the lock stands.
    fn is_secure(&self, cluster: &Cluster, timeout: std::time::Duration) -> bool {
        matches!(self.lock, Lock::Held(_, lease) if Instant::now() + timeout < lease.until)
            && self.link == cluster.nodes[self.node].link()
    }

    fn lease_end(&self) -> Option<Instant> {
        match self.lock {
            Lock::Held(_, lease) => Some(lease.until),
            Lock::Asked(_) | Lock::None => None,
        }
    }
}

impl Holding {
    /// The seats that have to do their part in a store.
    fn due(&self) -> Vec<usize> {
        (0..self.seats.len()).filter(|index| self.seats[*index].part == Part::Due).collect()
    }

    /// The nodes of seats whose connection is not the one that told what they have.
    fn unlinked(&self, cluster: &Cluster) -> Vec<usize> {
        let is_lost = |seat: &&Seat| seat.link != cluster.nodes[seat.node].link();
        self.seats.iter().filter(is_lost).map(|seat| seat.node).collect()
    }

    /// How a node's record compares with what this request has read, and stored as `writer`. With
    /// one copy, a record that is missing though there was one counts as overtaken too: the node
    /// has lost what this request has read.
    ///
    /// Where replicas are waited for, what this request has stored is stored again, for they may
    /// not have it. And what is older than what was read may be what others have stored since, on a
    /// server that was made the primary without having it.
    fn standing(&self, index: usize, writer: Option<u64>, cluster: &Cluster) -> Standing {
        let seat = &self.seats[index];
        let (is_only, awaits) = (cluster.copies == 1, cluster.nodes[seat.node].awaits_replicas());
        match seat.stamp {
            Some(stamp) if Some(stamp.writer) == writer && awaits => Standing::Base,
            Some(stamp) if Some(stamp.writer) == writer => Standing::Stored,
            found if found > self.read => Standing::Overtaken,
            found if is_only && awaits && found != self.read => Standing::Overtaken,
            None if is_only && seat.read.is_some() => Standing::Overtaken,
            _ => Standing::Base,
        }
    }
}

/// The record as it is now says what happened.
fn overtaken(holding: &Holding, index: usize) -> Error {
    let (digest, seat) = (holding.digest, &holding.seats[index]);
    let (kind, what) = match &seat.copy {
        None => (ErrorKind::LeaseLost, "was lost by its node meanwhile"),
        Some(copy) if copy.record.is_tombstone => {
            (ErrorKind::Destroyed, "was destroyed by another request")
        }
        Some(_) => {
            (ErrorKind::LeaseLost, "was changed by another request, after this one lost its lock")
        }
    };
    Error::new(kind, format!("session {digest} {what}, not saved"))
}

fn lost_to_another(digest: &Digest) -> Error {
    let text = format!(
        "session {digest} is in use by another request, after this one lost its lock, not saved"
    );
    Error::new(ErrorKind::LeaseLost, text)
}

fn unknown(digest: &Digest, failure: &Failure) -> Error {
    match failure.may_have_been_sent() {
        true => {
            let text = format!("session {digest} may or may not have been saved: {failure}");
            Error::new(ErrorKind::Indeterminate, text)
        }
        false => not_saved(digest, failure),
    }
}

fn not_saved(digest: &Digest, failure: &Failure) -> Error {
    Error::new(ErrorKind::NoNode, format!("session {digest} is not saved: {failure}"))
}
