//! Opening a session: its lock and its record in one exchange. Giving it back. Keeping it.

use super::holder::{Holder, Signature};
use super::record::{Record, RecordError};
use super::{
    Base, Cluster, Copy, Holding, Keys, Lease, Lock, Posted, Seat, delete, get, set, timeouts,
};
use crate::config::{Settings, time_with_unit};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{GIVEN_UP_MAX, LOCK_POLL_MAX, LOCK_POLL_MIN};
use crate::machine::Joined;
use crate::node::{Answer, Failure};
use crate::session::id::Digest;
use crate::stats::Counter;
use crate::wire::memcached::{Cas, Ttl};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What the caller knows about a session's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody sent it: there may be a session, or have been one.
    Sent,
    /// It was just drawn, so nobody else can know it.
    Fresh,
}

/// How the tries of one request for a lock go on.
struct Patience {
    started: Instant,
    deadline: Instant,
    lock_wait: Duration,
    max_waiters: u32,
    /// Longest pause before the next try.
    pause: Duration,
    has_waited: bool,
    /// Who has the lock, as seen last.
    holder: Option<Holder>,
}

impl Patience {
    fn new(settings: &Settings) -> Self {
        let started = Instant::now();
        Self {
            started,
            deadline: started + settings.lock_wait,
            lock_wait: settings.lock_wait,
            max_waiters: settings.max_waiters,
            pause: LOCK_POLL_MIN,
            has_waited: false,
            holder: None,
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl Cluster {
    /// Locks a session and reads it; waits for others up to `lock_wait`. Says how long it has
    /// waited. `script` is what others are told about the holder.
    ///
    /// One round trip, without others. None for a fresh id: its lock is sent, and the answer is
    /// looked at before anything is stored. One more where the session's node has no record.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`]: not obtained in time, or too many wait already.
    /// [`ErrorKind::Node`]: a node does not answer.
    /// [`ErrorKind::NewerFormat`]: a later version of this program has written the record.
    pub async fn open(
        &mut self,
        digest: &Digest,
        origin: Origin,
        script: &[u8],
        settings: &Settings,
    ) -> Result<Duration> {
        let token = self.world.random();
        let [first, second] = self.preference(digest);
        let first = first.expect("a pool has a node");
        let mut holding = Holding {
            digest: *digest,
            lock_value: self.lock_value(token, script),
            token,
            lease: settings.lock_lease,
            timeouts: timeouts(settings),
            seats: vec![Seat::new(first)],
            base: None,
            damage: None,
            read: None,
            granted_us: self.now_us(),
            ticket: None,
            stage: "cannot be opened",
        };
        if origin == Origin::Fresh {
            self.post_lock(&mut holding).await?;
            self.held.push(holding);
            return Ok(Duration::ZERO);
        }
        let mut patience = Patience::new(settings);
        let mut result = self.acquire(&mut holding, &mut patience).await;
        // Rule 3: a node that was added to the pool has nothing yet; the next one had it before.
        if result.is_ok()
            && holding.is_missing()
            && let Some(second) = second
        {
            holding.seats.push(Seat::new(second));
            result = self.acquire(&mut holding, &mut patience).await;
            // With one copy of a session, its own node decides whether there is one.
            if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Node) {
                holding.seats.truncate(1);
                result = self.acquire(&mut holding, &mut patience).await;
            }
        }
        match result {
            Ok(()) => {
                if let Some(ticket) = &holding.ticket {
                    ticket.hold();
                }
                holding.read = holding.base.as_ref().map(|base| base.record.stamp);
                for seat in &mut holding.seats {
                    seat.read = seat.stamp;
                }
                self.held.push(holding);
                let waited = patience.started.elapsed();
                Ok(if patience.has_waited { waited } else { Duration::ZERO })
            }
            Err(error) => {
                // A node that has not answered may still carry out what it was sent.
                self.give_up(holding.token);
                self.give_back(holding).await;
                Err(error)
            }
        }
    }

    /// Remembers a lock that this process has given up without knowing whether it has it: nobody
    /// else would free it before its lease ends.
    fn give_up(&mut self, token: u128) {
        if self.given_up.len() == GIVEN_UP_MAX {
            self.given_up.remove(0);
        }
        self.given_up.push(token);
    }

    /// What a lock of this process holds while it runs `script`.
    fn lock_value(&mut self, token: u128, script: &[u8]) -> Vec<u8> {
        let since_s = self.now_s();
        let known = self.signature.take().filter(|signature| signature.is_of(script));
        let signature = known.unwrap_or_else(|| Signature::of(script));
        self.signature.insert(signature).sign(token, since_s)
    }

    /// Reads a session without its lock, into `buffer`: as it was committed last, or as it is just
    /// being committed. One round trip; two where its node has no record.
    ///
    /// # Errors
    /// [`ErrorKind::Node`], [`ErrorKind::NewerFormat`].
    pub async fn peek<'a>(
        &mut self,
        digest: &Digest,
        settings: &Settings,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Copy<'a>> {
        let (keys, now_s) = (Keys::of(digest), self.now_s());
        let [first, second] = self.preference(digest);
        buffer.clear();
        for node in [first, second].into_iter().flatten() {
            let asked = [get(keys.record())];
            let answers = match self.exchange_again(node, &timeouts(settings), &asked).await {
                Ok(answers) => answers,
                // As in `open`, a session's own node decides.
                Err(_) if Some(node) != first => break,
                Err(failure) => return Err(not_opened(digest, &failure)),
            };
            match copy_of(answers.into_iter().next(), digest, now_s) {
                Ok((_, None)) => continue,
                Ok((_, Some(base))) if base.record.is_tombstone => return Ok(Copy::Absent),
                Ok((_, Some(base))) => {
                    *buffer = base.bytes;
                    return Ok(Copy::Data(&buffer[Record::BYTES..]));
                }
                // An older one that the next node may still have would be no better.
                Err(Unreadable::Damaged(_, error)) => return Ok(Copy::Damaged(error)),
                Err(Unreadable::Other(kind, what)) => {
                    return Err(self.unreadable(digest, node, kind, &what));
                }
            }
        }
        Ok(Copy::Absent)
    }

    /// Gives back the lock of a session, if it is held. Does not wait for an answer, except where
    /// that of the lock itself is still to come.
    pub async fn release(&mut self, digest: &Digest) {
        if let Some(holding) = self.take(digest) {
            self.give_back(holding).await;
        }
    }

    /// Extends the locks that were held for a third of their lease or longer. To be called again
    /// after the time that it returns; none if nothing is held.
    ///
    /// What fails is left for the commit to find out: it does not rely on a lock that may have
    /// ended.
    pub async fn renew(&mut self) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        for mut holding in std::mem::take(&mut self.held) {
            let due = holding.lease / 3;
            let mut left = due;
            for index in 0..holding.seats.len() {
                let (Lock::Held(_, lease) | Lock::Asked(lease)) = holding.seats[index].lock else {
                    continue;
                };
                match due.checked_sub(lease.since.elapsed()).filter(|left| !left.is_zero()) {
                    Some(not_yet) => left = left.min(not_yet),
                    // A node that does not answer is asked again after another third.
                    None => self.keep_seat(&mut holding, index).await,
                }
            }
            next = Some(next.map_or(left, |next| next.min(left)));
            self.held.push(holding);
        }
        next
    }

    /// Extends the lock on one node; rule 14. Where it has gone with its connection, it is taken
    /// again, if nobody else has it. What this request has read stays what it has read.
    async fn keep_seat(&mut self, holding: &mut Holding, index: usize) {
        if !self.renew_seat(holding, index).await {
            let _ = self.take_seat(holding, index, Some(&mut None)).await;
        }
    }

    /// Extends the lock on one node. Says whether it did.
    pub(super) async fn renew_seat(&mut self, holding: &mut Holding, index: usize) -> bool {
        self.settle_lock(holding, index).await;
        let seat = &holding.seats[index];
        let Lock::Held(cas, _) = seat.lock else { return false };
        if seat.link != self.nodes[seat.node].link() {
            return false;
        }
        let (keys, node) = (Keys::of(&holding.digest), seat.node);
        let since = Instant::now();
        let asked = [set(keys.lock(), &holding.lock_value, holding.lock_ttl(self), Some(cas))];
        let answers = self.exchange(node, &holding.timeouts, &asked).await;
        let seat = &mut holding.seats[index];
        match answers.as_deref() {
            Ok([Answer::Done { cas: Some(cas) }]) => {
                seat.lock = Lock::Held(*cas, Lease::of(since, holding.lease));
                self.counters.add(Counter::Renewals, 1);
                true
            }
            // Somebody else's, or gone.
            Ok(_) => {
                seat.lock = Lock::None;
                false
            }
            Err(_) => false,
        }
    }

    /// Waits for the answer to a lock that was sent without waiting.
    pub(super) async fn settle_lock(&mut self, holding: &mut Holding, index: usize) {
        let node = holding.seats[index].node;
        if !matches!(holding.seats[index].lock, Lock::Asked(_)) {
            return;
        }
        // What is lost with the connection counts as a lock that is not held.
        let _ = self.nodes[node].settle(&holding.timeouts).await;
        self.take_late(node);
        let answer = self.late_locks.iter().position(|(token, ..)| *token == holding.token);
        let answer = answer.and_then(|index| self.late_locks.swap_remove(index).1);
        let seat = &mut holding.seats[index];
        seat.lock = match (seat.lock, answer) {
            (Lock::Asked(lease), Some(Answer::Done { cas: Some(cas) })) => Lock::Held(cas, lease),
            _ => Lock::None,
        };
    }

    /// Sends the lock of a fresh session.
    async fn post_lock(&mut self, holding: &mut Holding) -> Result<()> {
        let (keys, node) = (Keys::of(&holding.digest), holding.seats[0].node);
        let ttl = holding.lock_ttl(self);
        let since = Instant::now();
        let asked = [set(keys.lock(), &holding.lock_value, ttl, None)];
        // A connection that was closed while it was idle may take what is written and lose it; the
        // commit finds that out, and takes the lock again.
        let posted = Posted::Lock(holding.token);
        let sent = self.post_again(node, &holding.timeouts, &asked, posted).await;
        sent.map_err(|failure| holding.failed(&failure))?;
        let seat = &mut holding.seats[0];
        seat.lock = Lock::Asked(Lease::of(since, holding.lease));
        seat.link = self.nodes[node].link();
        Ok(())
    }

    /// Takes the locks that are missing, and reads the records under them; rule 2.
    async fn acquire(&mut self, holding: &mut Holding, patience: &mut Patience) -> Result<()> {
        // Who comes later must not get it earlier.
        if !holding.has_lock() && self.queue.is_contended(self.place(&holding.digest)) {
            self.wait_in_line(holding, patience).await?;
        }
        loop {
            let mut blocked = false;
            for index in 0..holding.seats.len() {
                if holding.seats[index].is_held(self) {
                    continue;
                }
                // In the order of the list, and none behind one that somebody else has: two
                // requests never hold what the other one waits for.
                if blocked {
                    self.give_back_seat(holding, index).await;
                    continue;
                }
                let is_ours = self.take_seat(holding, index, None).await?;
                // Who has it? If that one is dead, nobody need wait.
                let holder = Some(&mut patience.holder);
                blocked = !is_ours && !self.take_seat(holding, index, holder).await?;
            }
            if !blocked {
                return Ok(());
            }
            self.wait(holding, patience).await?;
        }
    }

    /// Tries for the lock on one node, and reads the record there. Says whether it is ours. With
    /// `seen`, also looks who has it: this request itself, if an answer was lost; or an earlier one
    /// of this process that has given it up, or a process of this machine that is dead, which both
    /// lose it.
    pub(super) async fn take_seat(
        &mut self,
        holding: &mut Holding,
        index: usize,
        seen: Option<&mut Option<Holder>>,
    ) -> Result<bool> {
        let (keys, node) = (Keys::of(&holding.digest), holding.seats[index].node);
        let ttl = holding.lock_ttl(self);
        // What this node had before counts no more.
        let stamp = holding.seats[index].stamp.take();
        if stamp.is_some() && stamp == holding.base.as_ref().map(|base| base.record.stamp) {
            holding.base = None;
        }
        // The version of what is stored under this lock is a reading before it was sent.
        let (since, granted_us) = (Instant::now(), self.now_us());
        let lock = set(keys.lock(), &holding.lock_value, ttl, None);
        let answers = match seen {
            None => {
                let asked = [lock, get(keys.record())];
                self.exchange_again(node, &holding.timeouts, &asked).await
            }
            Some(_) => {
                let asked = [lock, get(keys.lock()), get(keys.record())];
                self.exchange_again(node, &holding.timeouts, &asked).await
            }
        };
        let answers = answers.map_err(|failure| holding.failed(&failure))?;
        let mut answers = answers.into_iter();
        let locked = answers.next();
        let holder = if seen.is_some() { answers.next() } else { None };
        let mut cas = match locked {
            Some(Answer::Done { cas }) => cas,
            Some(Answer::ServerError(_, text)) => {
                let address = self.nodes[node].address();
                let digest = holding.digest;
                let text =
                    format!("session {digest} cannot be locked: node {address} says: {text}");
                return Err(Error::new(ErrorKind::Node, text));
            }
            _ => None,
        };
        let mut record = answers.next();
        if cas.is_none()
            && let Some(Answer::Value { bytes, cas: Some(held) }) = holder
            && let Some(holder) = Holder::decode(&bytes)
        {
            let is_own = holder.token == holding.token || self.given_up.contains(&holder.token);
            // The answer to an earlier try was lost with its connection; or nobody has it any more.
            if is_own || holder.is_dead() {
                let asked =
                    [set(keys.lock(), &holding.lock_value, ttl, Some(held)), get(keys.record())];
                let answers = self.exchange(node, &holding.timeouts, &asked).await;
                let answers = answers.map_err(|failure| holding.failed(&failure))?;
                let mut answers = answers.into_iter();
                if let Some(Answer::Done { cas: taken }) = answers.next() {
                    self.counters.add(Counter::Takeovers, u64::from(!is_own));
                    cas = taken;
                }
                record = answers.next();
            }
            if let Some(seen) = seen {
                *seen = Some(holder);
            }
        }
        let Some(cas) = cas else { return Ok(false) };
        let lease = Lease::of(since, holding.lease);
        self.take_record(holding, index, record, Lock::Held(cas, lease))?;
        holding.granted_us = granted_us;
        Ok(true)
    }

    /// Notes what a node has, together with the lock there.
    pub(super) fn take_record(
        &mut self,
        holding: &mut Holding,
        index: usize,
        answer: Option<Answer>,
        lock: Lock,
    ) -> Result<()> {
        let node = holding.seats[index].node;
        let seat = &mut holding.seats[index];
        seat.lock = lock;
        seat.link = self.nodes[node].link();
        let (cas, base) = match copy_of(answer, &holding.digest, self.now_s()) {
            Ok(copy) => copy,
            Err(Unreadable::Damaged(cas, error)) => {
                holding.damage = Some(error);
                (cas, None)
            }
            Err(Unreadable::Other(kind, what)) => {
                return Err(self.unreadable(&holding.digest, node, kind, &what));
            }
        };
        let seat = &mut holding.seats[index];
        seat.cas = cas;
        seat.stamp = base.as_ref().map(|base| base.record.stamp);
        // The newest copy is what the request works on.
        if seat.stamp > holding.base.as_ref().map(|base| base.record.stamp) {
            holding.base = base;
        }
        Ok(())
    }

    pub(super) fn unreadable(
        &self,
        digest: &Digest,
        node: usize,
        kind: ErrorKind,
        what: &str,
    ) -> Error {
        let address = self.nodes[node].address();
        let text = format!("session {digest} cannot be read from node {address}: {what}");
        Error::new(kind, text)
    }

    /// Waits some time before the next try.
    async fn wait(&mut self, holding: &mut Holding, patience: &mut Patience) -> Result<()> {
        patience.has_waited = true;
        self.check_deadline(holding, patience).await?;
        // In line with others of this machine, but not while they may need what we have.
        if !holding.has_lock() && holding.ticket.is_none() {
            self.wait_in_line(holding, patience).await?;
            if holding.ticket.is_some() {
                return Ok(());
            }
        }
        self.renew().await;
        for index in 0..holding.seats.len() {
            if let Lock::Held(_, lease) = holding.seats[index].lock
                && lease.since.elapsed() >= holding.lease / 3
            {
                self.renew_seat(holding, index).await;
            }
        }
        let pause = jittered(patience.pause, self.world.random()).min(patience.left());
        patience.pause = (patience.pause * 2).min(LOCK_POLL_MAX);
        match &mut holding.ticket {
            // Whoever of this machine gives it back wakes us.
            Some(ticket) => _ = ticket.wait(pause),
            None => sleep(pause).await,
        }
        Ok(())
    }

    /// Gets in line with the requests of this machine that want the same session, and waits until
    /// it is our turn to ask the node.
    async fn wait_in_line(&mut self, holding: &mut Holding, patience: &mut Patience) -> Result<()> {
        patience.has_waited = true;
        match self.queue.join(self.place(&holding.digest), patience.max_waiters) {
            Joined::Ticket(ticket) => {
                // Cut in pieces, for other sessions of this process may have to be kept.
                let piece = holding.lease / 3;
                // Who is first asks by itself, for who has the session may be anywhere.
                while !ticket.is_first() && !ticket.wait(piece.min(patience.left())) {
                    self.check_deadline(holding, patience).await?;
                    self.renew().await;
                }
                holding.ticket = Some(ticket);
                Ok(())
            }
            Joined::NoQueue => Ok(()),
            Joined::Full { waiting } => {
                let text = format!(
                    "session {} is waited for by {waiting} requests of this machine already \
                     (sessclust.max_waiters)",
                    holding.digest
                );
                Err(Error::new(ErrorKind::Locked, text))
            }
        }
    }

    async fn check_deadline(
        &mut self,
        holding: &mut Holding,
        patience: &mut Patience,
    ) -> Result<()> {
        if Instant::now() < patience.deadline {
            return Ok(());
        }
        // Who never got to ask wants to know what it has waited for.
        if patience.holder.is_none() {
            let (keys, node) = (Keys::of(&holding.digest), holding.seats[0].node);
            let answers = self.exchange(node, &holding.timeouts, &[get(keys.lock())]).await;
            if let Ok([Answer::Value { bytes, .. }]) = answers.as_deref() {
                patience.holder = Holder::decode(bytes);
            }
        }
        let holder = match &patience.holder {
            Some(holder) => holder.describe(self.now_s()),
            None => "another request".into(),
        };
        let text = format!(
            "session {} is in use by {holder} and was not released within {} \
             (sessclust.lock_wait)",
            holding.digest,
            time_with_unit(patience.lock_wait)
        );
        Err(Error::new(ErrorKind::Locked, text))
    }

    /// Gives back all that is held of a session.
    pub(super) async fn give_back(&mut self, mut holding: Holding) {
        for index in 0..holding.seats.len() {
            self.give_back_seat(&mut holding, index).await;
        }
        self.leave(&mut holding);
    }

    /// Lets the next request of this machine have its turn.
    pub(super) fn leave(&self, holding: &mut Holding) {
        match holding.ticket.take() {
            Some(ticket) => drop(ticket),
            None => self.queue.released(self.place(&holding.digest)),
        }
    }

    async fn give_back_seat(&mut self, holding: &mut Holding, index: usize) {
        self.settle_lock(holding, index).await;
        let seat = &mut holding.seats[index];
        let lock = std::mem::replace(&mut seat.lock, Lock::None);
        if let Lock::Held(cas, _) = lock
            && seat.link == self.nodes[seat.node].link()
        {
            let (keys, node) = (Keys::of(&holding.digest), seat.node);
            let asked = [delete(keys.lock(), cas)];
            // If it does not arrive, the lock ends with its lease, or is met by this process again.
            if self.post(node, &holding.timeouts, &asked, Posted::Nothing).await.is_err() {
                self.give_up(holding.token);
            }
        } else if matches!(lock, Lock::Held(..)) {
            self.give_up(holding.token);
        }
    }
}

impl Holding {
    /// A node has not answered.
    fn failed(&self, failure: &Failure) -> Error {
        let text = format!("session {} {}: {failure}", self.digest, self.stage);
        Error::new(ErrorKind::Node, text)
    }

    /// The life of its lock, as a node is told.
    pub(super) fn lock_ttl(&self, cluster: &Cluster) -> Ttl {
        Ttl::new(self.lease, cluster.world.now())
    }

    /// Whether no node has a record, good or not.
    fn is_missing(&self) -> bool {
        self.seats.iter().all(|seat| seat.cas.is_none())
    }

    fn has_lock(&self) -> bool {
        self.seats.iter().any(|seat| !matches!(seat.lock, Lock::None))
    }
}

impl Seat {
    pub(super) fn new(node: usize) -> Self {
        Self { node, link: None, lock: Lock::None, cas: None, stamp: None, read: None }
    }

    /// Whether its lock can be relied on.
    fn is_held(&self, cluster: &Cluster) -> bool {
        matches!(self.lock, Lock::Held(_, lease) if Instant::now() < lease.until)
            && self.link == cluster.nodes[self.node].link()
    }
}

/// Why a record cannot be used.
pub(super) enum Unreadable {
    /// Its bytes fail their checks; it can be replaced by its CAS.
    Damaged(Option<Cas>, RecordError),
    /// It must not be replaced, or the server could not give it.
    Other(ErrorKind, String),
}

/// The CAS and the record in the answer to a `get`; a record past its life counts as missing.
pub(super) fn copy_of(
    answer: Option<Answer>,
    digest: &Digest,
    now_s: u64,
) -> Result<(Option<Cas>, Option<Base>), Unreadable> {
    match answer {
        Some(Answer::Value { bytes, cas }) => match Record::decode(&bytes, digest) {
            Ok(record) if record.is_past(now_s) => Ok((cas, None)),
            Ok(record) => Ok((cas, Some(Base { record, bytes }))),
            Err(error @ RecordError::NewerFormat(_)) => {
                Err(Unreadable::Other(ErrorKind::NewerFormat, error.to_string()))
            }
            Err(error) => Err(Unreadable::Damaged(cas, error)),
        },
        Some(Answer::ServerError(_, text)) => {
            Err(Unreadable::Other(ErrorKind::Node, format!("it says: {text}")))
        }
        _ => Ok((None, None)),
    }
}

pub(super) fn not_opened(digest: &Digest, failure: &Failure) -> Error {
    Error::new(ErrorKind::Node, format!("session {digest} cannot be opened: {failure}"))
}

/// Between half of a pause and all of it, so that waiters do not march in step.
fn jittered(pause: Duration, random: u128) -> Duration {
    let half = pause / 2;
    half + half.mul_f64((random as u32) as f64 / f64::from(u32::MAX))
}
