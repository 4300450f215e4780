//! Storing what a request has made of a session: commit, touch, destroy.
//!
//! A store has the CAS of the record that was read as its condition, so it never replaces anything
//! that this request has not seen. Where an answer does not say what happened, the record itself is
//! looked at: it names its writer.

use super::open::{Unreadable, copy_of, not_opened};
use super::record::{Record, Stamp};
use super::{Base, Cluster, Holding, Keys, Lock, Posted, Seat, delete, get, set, timeouts, touch};
use crate::config::{Settings, WriteMode};
use crate::error::{Error, ErrorKind, Result};
use crate::node::{Answer, Cause, Failure};
use crate::session::id::Digest;
use crate::stats::Counter;
use crate::wire::memcached::{Key, ServerError};
use tokio::time::Instant;

/// Tries of one commit or destroy, at most. More than one is needed where a connection was closed
/// while it was idle, and where a store of an earlier request arrived late.
const TRIES: u32 = 4;

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
    /// It is what this request has read: to be stored over.
    Base,
    /// Somebody else has stored or destroyed it since, or it is gone.
    Overtaken,
}

impl Cluster {
    /// Stores the data of a session that is held, and gives its lock back in the same write. One
    /// round trip; with [`WriteMode::Delayed`] none. The session is not held any more, whatever
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

    /// Tells the node of a session that is held that it was used, and gives its lock back in the
    /// same write. One round trip; with [`WriteMode::Delayed`] none. False, with the session still
    /// held, if that is not enough and the session has to be committed.
    ///
    /// # Errors
    /// [`ErrorKind::Node`].
    pub async fn touch(
        &mut self,
        digest: &Digest,
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<bool> {
        let Some(mut holding) = self.take(digest) else { return Ok(false) };
        let now_s = self.now_s();
        let record = holding.base.as_ref().map(|base| base.record);
        let is_enough = |record: Record| {
            let is_same = !record.is_tombstone && record.lifetime_s == lifetime_s;
            is_same && !record.ends_too_early(now_s)
        };
        let [seat] = &mut holding.seats[..] else {
            self.held.push(holding);
            return Ok(false);
        };
        let Some(record) = record.filter(|record| is_enough(*record)) else {
            self.held.push(holding);
            return Ok(false);
        };
        let (keys, node) = (Keys::of(digest), seat.node);
        let mut asked = vec![touch(keys.record(), self.ttl(record.kept_s(now_s)))];
        let lock = seat.lock;
        if let Lock::Held(cas, _) = lock
            && seat.link == self.nodes[node].link()
        {
            asked.push(delete(keys.lock(), cas));
            seat.lock = Lock::None;
        }
        let timeouts = timeouts(settings);
        let mut answers = match settings.write {
            WriteMode::Delayed => {
                let posted = self.post(node, &timeouts, &asked, Posted::Commit(*digest)).await;
                posted.map(|()| vec![Answer::Done { cas: None }])
            }
            WriteMode::Through => self.exchange(node, &timeouts, &asked).await,
        };
        if answers.as_ref().is_err_and(Failure::is_stale) {
            // The CAS of the lock was good for that connection: it is asked for again.
            answers = self.exchange(node, &timeouts, &[asked[0], get(keys.lock())]).await;
            if let (Ok([_, Answer::Value { bytes, cas: Some(cas) }]), Lock::Held(_, lease)) =
                (answers.as_deref(), lock)
                && *bytes == holding.lock_value
            {
                (seat.lock, seat.link) = (Lock::Held(*cas, lease), self.nodes[node].link());
            }
        }
        let result = answers.map(|answers| answers.into_iter().next().unwrap_or(Answer::Missing));
        match result {
            Ok(Answer::Done { .. }) => {
                self.give_back(holding).await;
                Ok(true)
            }
            // Forgotten since it was read: it is stored again, as if it were new.
            Ok(_) => {
                (holding.base, holding.read) = (None, None);
                holding.seats = vec![Seat::new(node)];
                self.held.push(holding);
                Ok(false)
            }
            Err(failure) => {
                self.give_back(holding).await;
                let text = format!("session {digest} is not marked as used: {failure}");
                Err(Error::new(ErrorKind::Node, text))
            }
        }
    }

    /// Tells the node of a session that is not held that it was used, and leaves what others have
    /// made of it as it is. Two round trips. False if there is no such session.
    ///
    /// # Errors
    /// [`ErrorKind::Node`].
    pub async fn touch_unlocked(
        &mut self,
        digest: &Digest,
        lifetime_s: u64,
        settings: &Settings,
    ) -> Result<bool> {
        let (keys, timeouts, now_s) = (Keys::of(digest), timeouts(settings), self.now_s());
        let not_marked = |failure: Failure| {
            let text = format!("session {digest} is not marked as used: {failure}");
            Error::new(ErrorKind::Node, text)
        };
        let [first, second] = self.preference(digest);
        for node in [first, second].into_iter().flatten() {
            let answers = self.exchange_again(node, &timeouts, &[get(keys.record())]).await;
            if answers.is_err() && Some(node) != first {
                break;
            }
            let answer = answers.map_err(not_marked)?.into_iter().next();
            let Ok((cas, Some(Base { record, mut bytes }))) = copy_of(answer, digest, now_s) else {
                continue;
            };
            if record.is_tombstone {
                return Ok(true);
            }
            let ttl = self.ttl(Record::new(record.stamp, lifetime_s, now_s).kept_s(now_s));
            let asked = if record.lifetime_s == lifetime_s && !record.ends_too_early(now_s) {
                touch(keys.record(), ttl)
            } else {
                let version = record.stamp.version.saturating_add(1).max(self.now_us());
                let stamp = Stamp { version, writer: self.world.random() as u64 };
                let data = bytes.split_off(Record::BYTES);
                Record::new(stamp, lifetime_s, now_s).encode(digest, &data, &mut bytes);
                set(keys.record(), &bytes, ttl, cas)
            };
            let answers = self.exchange(node, &timeouts, &[asked]).await.map_err(not_marked)?;
            return match answers.into_iter().next() {
                Some(Answer::Missing) => Ok(false),
                Some(Answer::ServerError(error, text)) => {
                    Err(self.server_error(digest, node, error, &text))
                }
                // Refused: somebody has stored it since, and so used it.
                _ => Ok(true),
            };
        }
        Ok(false)
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
    /// [`ErrorKind::Node`].
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
        let node = self.primary(digest);
        let sent = self.post_again(node, &timeouts(settings), &asked, Posted::Nothing).await;
        sent.map_err(|failure| not_opened(digest, &failure))
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
        let digest = holding.digest;
        let keys = Keys::of(&digest);
        let node = holding.seats[0].node;
        // Its own record is known by this, whatever its version became.
        let writer = self.world.random() as u64;
        let base = holding.read;
        let replaced_s = holding.base.as_ref().map(|base| base.record.lifetime_s);
        // Why an earlier try may have been carried out.
        let mut doubt: Option<Failure> = None;
        for _ in 0..TRIES {
            match self.secure(holding, writer).await {
                Ok(Standing::Base) => {}
                Ok(Standing::Stored) => return Ok(stored(holding)),
                Ok(Standing::Overtaken) => return Err(overtaken(holding, doubt.as_ref())),
                Err(error) => return Err(doubt.map_or(error, |doubt| unknown(&digest, &doubt))),
            }
            // Rule 5: more than what it replaces, and the clock when the lock was granted.
            let version = base.map_or(0, |base| base.version.saturating_add(1));
            let stamp = Stamp { version: version.max(holding.granted_us), writer };
            let (now_s, data) = (self.now_s(), content.data());
            let record = content.record(stamp, lifetime_s, replaced_s, now_s);
            record.encode(&digest, data, bytes);
            self.check_size(&digest, node, keys.record(), bytes.len(), data.len())?;

            let ttl = self.ttl(record.kept_s(now_s));
            let seat = &mut holding.seats[0];
            let Lock::Held(lock_cas, lease) = seat.lock else { continue };
            let mut asked = vec![set(keys.record(), bytes, ttl, seat.cas)];
            if let [seat] = &mut holding.seats[..] {
                // One copy: whoever gets the lock behind this store reads what it has stored.
                asked.push(delete(keys.lock(), lock_cas));
                seat.lock = Lock::None;
                if settings.write == WriteMode::Delayed {
                    let posted = Posted::Commit(digest);
                    match self.post(node, &holding.timeouts, &asked, posted).await {
                        Ok(()) => return Ok(stamp),
                        Err(failure) if failure.is_stale() || failure.cause == Cause::Cut => {
                            doubt = Some(failure).filter(Failure::may_have_been_sent).or(doubt);
                        }
                        Err(failure) => {
                            return Err(unknown(&digest, doubt.as_ref().unwrap_or(&failure)));
                        }
                    }
                    continue;
                }
            }
            match self.exchange(node, &holding.timeouts, &asked).await {
                Ok(answers) => match answers.into_iter().next() {
                    Some(Answer::Done { .. }) if Instant::now() < lease.until => {
                        self.forget_elsewhere(holding).await;
                        return Ok(stamp);
                    }
                    Some(Answer::Done { .. }) => {
                        let text = format!(
                            "session {digest} may or may not have been saved: the answer came \
                             after the lock had ended"
                        );
                        return Err(Error::new(ErrorKind::Indeterminate, text));
                    }
                    Some(Answer::ServerError(error, text)) => {
                        return Err(self.server_error(&digest, node, error, &text));
                    }
                    // Rule 8: not a refusal yet.
                    _ => match self.look(holding, writer).await {
                        Ok(Standing::Stored) => return Ok(stored(holding)),
                        Ok(Standing::Base) => {}
                        Ok(Standing::Overtaken) => return Err(overtaken(holding, doubt.as_ref())),
                        Err(failure) => return Err(unknown(&digest, &failure)),
                    },
                },
                // The next try asks for lock and record again, on another connection.
                Err(failure) if failure.is_stale() || failure.cause == Cause::Cut => {
                    doubt = Some(failure).filter(Failure::may_have_been_sent).or(doubt);
                }
                Err(failure) => {
                    return Err(unknown(&digest, doubt.as_ref().unwrap_or(&failure)));
                }
            }
        }
        Err(overtaken(holding, doubt.as_ref()))
    }

    /// Makes sure of the locks before something is stored under them, rule 5: more than a request's
    /// timeout has to be left of each. Otherwise they are renewed or taken again, and what the
    /// nodes have is compared with what was read.
    async fn secure(&mut self, holding: &mut Holding, writer: u64) -> Result<Standing> {
        for index in 0..holding.seats.len() {
            self.settle_lock(holding, index).await;
            let is_ours = holding.seats[index].is_secure(self, holding.timeouts.request)
                || self.renew_seat(holding, index).await
                || self.take_seat(holding, index, Some(&mut None)).await?;
            if !is_ours {
                let standing = self.look(holding, writer).await;
                return match standing.map_err(|failure| not_saved(&holding.digest, &failure))? {
                    Standing::Base => {
                        let text = format!(
                            "session {} is in use by another request, after this one lost its \
                             lock, not saved",
                            holding.digest
                        );
                        Err(Error::new(ErrorKind::LeaseLost, text))
                    }
                    standing => Ok(standing),
                };
            }
            // Taken again just now, or by the thread that renews it.
            let standing = holding.seats[index].standing(writer);
            if standing != Standing::Base {
                return Ok(standing);
            }
        }
        Ok(Standing::Base)
    }

    /// Reads the record again, on its first node.
    async fn look(&mut self, holding: &mut Holding, writer: u64) -> Result<Standing, Failure> {
        let (keys, node) = (Keys::of(&holding.digest), holding.seats[0].node);
        let asked = [get(keys.record())];
        let answers = self.exchange(node, &holding.timeouts, &asked).await?;
        let copy = copy_of(answers.into_iter().next(), &holding.digest, self.now_s());
        let (cas, found) = copy.unwrap_or((None, None));
        let stamp = found.as_ref().map(|found| found.record.stamp);
        let seat = &mut holding.seats[0];
        (seat.cas, seat.stamp, seat.link) = (cas, stamp, self.nodes[node].link());
        let standing = seat.standing(writer);
        if standing == Standing::Overtaken {
            holding.base = found;
        }
        Ok(standing)
    }

    /// Removes the copies of a session that has moved to the node it belongs to: nobody would keep
    /// them up to date.
    async fn forget_elsewhere(&mut self, holding: &mut Holding) {
        let keys = Keys::of(&holding.digest);
        for seat in holding.seats.iter_mut().skip(1) {
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
        let mut bytes = Vec::new();
        let [first, second] = self.preference(digest);
        let first = first.expect("a pool has a node");
        let mut doubt: Option<Failure> = None;
        for _ in 0..TRIES {
            let not_saved = |failure: Failure| match &doubt {
                Some(doubt) => unknown(digest, doubt),
                None => not_saved(digest, &failure),
            };
            // Where it is: on its node, or still on the next one. It is stored on its own in any
            // case, where whoever holds it will find it when it moves it there.
            let (mut cas, mut base, mut elsewhere) = (None, None, None);
            for node in [Some(first), second].into_iter().flatten() {
                let answers = self.exchange_again(node, &timeouts, &[get(keys.record())]).await;
                if answers.is_err() && node != first {
                    break;
                }
                let answer = answers.map_err(not_saved)?.into_iter().next();
                let (found, copy) = match copy_of(answer, digest, self.now_s()) {
                    Ok(copy) => copy,
                    Err(Unreadable::Damaged(cas, _)) => (cas, None),
                    Err(Unreadable::Other(kind, what)) => {
                        return Err(self.unreadable(digest, node, kind, &what));
                    }
                };
                if let Some(found) = found {
                    match node == first {
                        true => cas = Some(found),
                        false => elsewhere = Some((node, found, self.nodes[node].link())),
                    }
                    base = copy;
                    break;
                }
            }
            let base = base.map(|base: Base| base.record);
            if base.is_some_and(|base| base.stamp.writer == writer) {
                return Ok(());
            }
            let version = base.map_or(0, |base| base.stamp.version.saturating_add(1));
            let stamp = Stamp { version: version.max(self.now_us()), writer };
            let replaced_s = base.map(|base| base.lifetime_s);
            let (now_s, data) = (self.now_s(), content.data());
            let record = content.record(stamp, lifetime_s, replaced_s, now_s);
            record.encode(digest, data, &mut bytes);
            self.check_size(digest, first, keys.record(), bytes.len(), data.len())?;
            let asked = [set(keys.record(), &bytes, self.ttl(record.kept_s(now_s)), cas)];
            match self.exchange(first, &timeouts, &asked).await {
                Ok(answers) => match answers.into_iter().next() {
                    Some(Answer::Done { .. }) => {
                        if let Some((node, cas, link)) = elsewhere
                            && link == self.nodes[node].link()
                        {
                            let asked = [delete(keys.record(), cas)];
                            let _ = self.post(node, &timeouts, &asked, Posted::Nothing).await;
                        }
                        return Ok(());
                    }
                    Some(Answer::ServerError(error, text)) => {
                        return Err(self.server_error(digest, first, error, &text));
                    }
                    // Somebody was faster; what he has stored is replaced.
                    _ => {}
                },
                Err(failure) if failure.is_stale() || failure.cause == Cause::Cut => {
                    doubt = Some(failure).filter(Failure::may_have_been_sent).or(doubt);
                }
                Err(failure) => return Err(unknown(digest, &failure)),
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
        let address = self.nodes[node].address();
        let text = format!(
            "session {digest} has {data_bytes} bytes, more than fit into an item of {max} bytes, \
             the limit of node {address} (memcached -I), not saved"
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }

    fn server_error(&self, digest: &Digest, node: usize, error: ServerError, text: &str) -> Error {
        let address = self.nodes[node].address();
        let (kind, what) = match error {
            ServerError::TooLarge => (ErrorKind::TooLarge, "is not saved and may be lost"),
            // memcached has removed the record before.
            ServerError::OutOfMemory => (ErrorKind::Node, "is not saved and may be lost"),
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
    /// How its record compares with what was read there. With one copy, a record that is missing
    /// though there was one counts as overtaken too: the node has lost what this request has read.
    fn standing(&self, writer: u64) -> Standing {
        match self.stamp {
            Some(stamp) if stamp.writer == writer => Standing::Stored,
            found if found == self.read => Standing::Base,
            _ => Standing::Overtaken,
        }
    }

    /// Whether a store under its lock will be answered while the lock stands.
    fn is_secure(&self, cluster: &Cluster, timeout: std::time::Duration) -> bool {
        matches!(self.lock, Lock::Held(_, lease) if Instant::now() + timeout < lease.until)
            && self.link == cluster.nodes[self.node].link()
    }
}

/// The record on the first node, which is this request's own.
fn stored(holding: &Holding) -> Stamp {
    holding.seats[0].stamp.expect("a record that was recognised")
}

/// The record as it is now says what happened, unless an earlier try may have been carried out:
/// then others may have read what it stored, and stored theirs over it.
fn overtaken(holding: &Holding, doubt: Option<&Failure>) -> Error {
    let digest = holding.digest;
    if let Some(doubt) = doubt {
        return unknown(&digest, doubt);
    }
    let (kind, what) = match holding.seats[0].stamp {
        None => (ErrorKind::LeaseLost, "was lost by its node meanwhile"),
        Some(_) if holding.base.as_ref().is_some_and(|base| base.record.is_tombstone) => {
            (ErrorKind::Destroyed, "was destroyed by another request")
        }
        Some(_) => {
            (ErrorKind::LeaseLost, "was changed by another request, after this one lost its lock")
        }
    };
    Error::new(kind, format!("session {digest} {what}, not saved"))
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
    Error::new(ErrorKind::Node, format!("session {digest} is not saved: {failure}"))
}
