//! Opening a session: its locks and its records in one exchange. Giving it back. Keeping it.

use super::holder::{Holder, Signature};
use super::record::{Record, RecordError};
use super::{
    Base, Cluster, Holding, Keys, Lease, Lock, Part, Posted, Seat, delete, get, get_to_write, set,
    timeouts, unlock,
};
use crate::config::{Settings, time_with_unit};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{LOCK_LEASE_MARGIN, LOCK_POLL_MAX, LOCK_POLL_MIN, QUEUE_LOOK, QUEUE_PIECE};
use crate::machine::{Joined, Ticket};
use crate::node::{self as queue, Answer, Cause, Failure, Grant, Node, Turn};
use crate::session::id::Digest;
use crate::stats::Counter;
use crate::wire::memcached::{Cas, Ttl};
use std::sync::Arc;
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
    fn new(settings: &Settings, started: Instant) -> Self {
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

    /// What a lock says.
    fn saw(&mut self, lock: &Answer) {
        if let Answer::Value { bytes, .. } = lock {
            self.holder = Holder::decode(bytes);
        }
    }
}

impl Cluster {
    /// Locks a session and reads it; waits for others up to `lock_wait`. Says how long it has
    /// waited. `script` is what others are told about the holder.
    ///
    /// One round trip, without others. None for a fresh id: its locks are sent, and the answers are
    /// looked at before anything is stored. One more where the session's nodes have different
    /// records or none, or one of them does not answer.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`]: not obtained in time, or too many wait already.
    /// [`ErrorKind::NoNode`]: no node that could know it answers.
    /// [`ErrorKind::Node`]: its nodes can do nothing.
    /// [`ErrorKind::NewerFormat`]: a later version of this program has written the record.
    pub async fn open(
        &mut self,
        digest: &Digest,
        origin: Origin,
        script: &[u8],
        settings: &Settings,
    ) -> Result<Duration> {
        let token = self.world.random();
        let list = self.list(digest);
        let set = self.set_of(&list, &timeouts(settings));
        let stage = "cannot be opened";
        if set.is_empty() {
            return Err(self.no_node(digest, stage, None, &list));
        }
        let (now, now_us) = (Instant::now(), self.now_us());
        let mut holding = Holding {
            digest: *digest,
            lock_value: self.lock_value(token, script, now_us / 1_000_000),
            token,
            lease: settings.lock_lease,
            timeouts: timeouts(settings),
            list,
            seats: set.into_iter().map(|node| Seat::new(node, now)).collect(),
            silent: Vec::new(),
            failure: None,
            base: None,
            damage: None,
            read: None,
            granted: now,
            granted_us: now_us,
            ticket: None,
            stage,
        };
        if origin == Origin::Fresh {
            self.post_locks(&mut holding).await?;
            self.held.push(holding);
            return Ok(Duration::ZERO);
        }
        let mut patience = Patience::new(settings, now);
        match self.obtain(&mut holding, &mut patience).await {
            Ok(()) => {
                if let Some(ticket) = &holding.ticket {
                    ticket.hold();
                }
                self.held.push(holding);
                let waited = patience.has_waited.then(|| patience.started.elapsed());
                Ok(waited.unwrap_or_default())
            }
            Err(error) => {
                self.give_back(holding).await;
                Err(error)
            }
        }
    }

    /// Takes the locks, and finds out what the session is; rule 3.
    async fn obtain(&mut self, holding: &mut Holding, patience: &mut Patience) -> Result<()> {
        self.acquire(holding, patience).await?;
        if !holding.agrees(self.copies) {
            let is_asked = |node| holding.is_asked(node);
            let further: Vec<usize> = self.further(&holding.list, is_asked).collect();
            for node in further {
                match self.is_worth_asking(node) {
                    true => holding.seat(node),
                    // Nobody waits for a node that is down.
                    false => holding.silent.push(node),
                }
            }
            self.acquire(holding, patience).await?;
        }
        let copies = holding.seats.iter_mut().filter_map(|seat| seat.copy.take());
        holding.base = copies.max_by_key(|base| base.record.stamp);
        holding.read = holding.base.as_ref().map(|base| base.record.stamp);
        for seat in &mut holding.seats {
            seat.read = seat.stamp;
        }
        if holding.base.is_some() {
            return Ok(());
        }
        let has_answered = |node| holding.seats.iter().any(|seat| seat.node == node);
        let (list, is_damaged) = (&holding.list, holding.damage.is_some());
        let doubtful = self.doubtful(list, has_answered, is_damaged, &holding.timeouts).await;
        if doubtful.is_empty() {
            return Ok(());
        }
        let error = holding.failure.take();
        Err(error.unwrap_or_else(|| self.no_node(&holding.digest, holding.stage, None, &doubtful)))
    }

    /// What a lock of this process holds while it runs `script`.
    fn lock_value(&mut self, token: u128, script: &[u8], since_s: u64) -> Vec<u8> {
        let known = self.signature.take().filter(|signature| signature.is_of(script));
        let signature = known.unwrap_or_else(|| Signature::of(script));
        self.signature.insert(signature).sign(token, since_s)
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
            for seat in &holding.seats {
                let (Lock::Held(_, lease) | Lock::Asked(lease)) = seat.lock else { continue };
                let not_yet = due.saturating_sub(lease.since.elapsed());
                if !not_yet.is_zero() {
                    left = left.min(not_yet);
                }
            }
            // It has time until the commit.
            let failover = std::mem::take(&mut holding.timeouts.failover);
            self.keep_seats(&mut holding).await;
            holding.timeouts.failover = failover;
            next = Some(next.map_or(left, |next| next.min(left)));
            self.held.push(holding);
        }
        next
    }

    /// Extends the locks that are due; rule 14. Where one has gone with its connection, it is taken
    /// again, if nobody else has it and the node is up. What this request has read stays what it
    /// has read.
    async fn keep_seats(&mut self, holding: &mut Holding) {
        let due = holding.lease / 3;
        let is_due = |seat: &Seat| match seat.lock {
            Lock::Held(_, lease) | Lock::Asked(lease) => lease.since.elapsed() >= due,
            Lock::None => false,
        };
        let wanted: Vec<usize> =
            (0..holding.seats.len()).filter(|index| is_due(&holding.seats[*index])).collect();
        for (index, is_kept) in self.renew_seats(holding, &wanted).await {
            // A node that does not answer is asked again after another third.
            if !is_kept && self.is_usable(holding.seats[index].node) {
                let _ = self.take_seat(holding, index, &mut None).await;
            }
        }
    }

    /// Extends the locks on some nodes. Says of each whether it did.
    pub(super) async fn renew_seats(
        &mut self,
        holding: &mut Holding,
        wanted: &[usize],
    ) -> Vec<(usize, bool)> {
        for index in wanted {
            self.settle_lock(holding, *index).await;
        }
        let mut kept: Vec<(usize, bool)> = wanted.iter().map(|index| (*index, false)).collect();
        let (keys, ttl) = (Keys::of(&holding.digest), holding.lock_ttl(self));
        let since = Instant::now();
        let mut asked = Vec::new();
        let mut indices = Vec::new();
        for index in wanted {
            let seat = &holding.seats[*index];
            if let Lock::Held(cas, _) = seat.lock
                && seat.link == self.nodes[seat.node].link()
            {
                let renewal = set(keys.lock(), &holding.lock_value, ttl, Some(cas));
                asked.push((seat.node, vec![renewal]));
                indices.push(*index);
            }
        }
        let results = self.exchange_all(&holding.timeouts, &asked).await;
        for (index, result) in indices.into_iter().zip(results) {
            let seat = &mut holding.seats[index];
            match result.as_deref() {
                Ok([Answer::Done { cas: Some(cas) }]) => {
                    seat.lock = Lock::Held(*cas, Lease::of(since, holding.lease));
                    self.counters.add(Counter::Renewals, 1);
                    kept.iter_mut()
                        .filter(|(kept, _)| *kept == index)
                        .for_each(|kept| kept.1 = true);
                }
                // Somebody else's, or gone.
                Ok(_) => seat.lock = Lock::None,
                Err(_) => {}
            }
        }
        kept
    }

    /// Waits for the answer to a lock that was sent without waiting.
    pub(super) async fn settle_lock(&mut self, holding: &mut Holding, index: usize) {
        let node = holding.seats[index].node;
        if !matches!(holding.seats[index].lock, Lock::Asked(_)) {
            return;
        }
        // What is lost with the connection counts as a lock that is not held.
        let settled = self.nodes[node].settle(&*self.world, &holding.timeouts).await;
        let _ = self.noted(node, settled);
        let is_its = |(token, at, _): &(u128, usize, _)| *token == holding.token && *at == node;
        let answer = self.late_locks.iter().position(is_its);
        let answer = answer.and_then(|index| self.late_locks.swap_remove(index).2);
        let seat = &mut holding.seats[index];
        seat.lock = match (seat.lock, answer) {
            (Lock::Asked(lease), Some(Answer::Done { cas: Some(cas) })) => Lock::Held(cas, lease),
            _ => Lock::None,
        };
    }

    /// Sends the locks of a fresh session, to other nodes where some cannot be sent to.
    async fn post_locks(&mut self, holding: &mut Holding) -> Result<()> {
        let (keys, ttl) = (Keys::of(&holding.digest), holding.lock_ttl(self));
        while let Some(index) = holding.seats.iter().position(|seat| seat.link.is_none()) {
            let node = holding.seats[index].node;
            let since = Instant::now();
            let asked = [set(keys.lock(), &holding.lock_value, ttl, None)];
            // A connection that was closed while it was idle may take what is written and lose it;
            // the commit finds that out, and takes the lock again.
            let posted = Posted::Lock(holding.token);
            match self.post_again(node, &holding.timeouts, &asked, posted).await {
                Ok(()) => {
                    let seat = &mut holding.seats[index];
                    seat.lock = Lock::Asked(Lease::of(since, holding.lease));
                    seat.link = self.nodes[node].link();
                }
                Err(failure) => match holding.failed(&failure) {
                    error if error.is_of_one_node() => self.replace(holding, node, error)?,
                    error => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Takes the locks that are missing, and reads the records under them; rule 2.
    async fn acquire(&mut self, holding: &mut Holding, patience: &mut Patience) -> Result<()> {
        // Who comes later must not get it earlier.
        if !holding.has_lock() && self.queue.is_contended(self.place(&holding.digest)) {
            match self.nodes[holding.seats[0].node].has_queue() {
                true => self.wait_at_node(holding, 0, patience).await?,
                false => self.wait_in_line(holding, patience).await?,
            }
        }
        let mut retaken = 0;
        loop {
            self.take_missing(holding).await?;
            let missing = holding.seats.iter().position(|seat| !seat.is_held(self));
            let Some(first) = missing else { return Ok(()) };
            // Who has it? If that one is dead, nobody need wait.
            match self.take_seat(holding, first, &mut patience.holder).await {
                // On nodes that are very slow, another one may have ended by now, time and again.
                Ok(true) => {
                    retaken += 1;
                    if retaken > holding.seats.len() {
                        self.check_deadline(holding, patience).await?;
                    }
                    continue;
                }
                Ok(false) => {}
                Err(error) if error.is_of_one_node() => {
                    self.replace(holding, holding.seats[first].node, error)?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            // In the order of the list, and none behind one that somebody else has: two requests
            // never hold what the other one waits for.
            for index in first..holding.seats.len() {
                self.give_back_seat(holding, index).await;
            }
            match self.nodes[holding.seats[first].node].has_queue() {
                true => self.wait_at_node(holding, first, patience).await?,
                false => self.wait(holding, patience).await?,
            }
            // Rule 3: who takes the place of a node that fails is asked of the board then.
            holding.silent.clear();
        }
    }

    /// Tries for all locks that are missing at once, rule 1, with other nodes in place of those
    /// that fail.
    async fn take_missing(&mut self, holding: &mut Holding) -> Result<()> {
        loop {
            let missing: Vec<usize> = (0..holding.seats.len())
                .filter(|index| !holding.seats[*index].is_held(self))
                .collect();
            let (keys, ttl) = (Keys::of(&holding.digest), holding.lock_ttl(self));
            // The version of what is stored under a lock is a reading before it was sent.
            let (since, granted_us) = (Instant::now(), self.now_us());
            let lock = set(keys.lock(), &holding.lock_value, ttl, None);
            for index in &missing {
                self.board.take_back(holding.seats[*index].node, holding.token);
            }
            // With one copy, it is stored and given back in one write.
            let read = if self.copies == 1 { get_to_write } else { get };
            let ask = |index: &usize| (holding.seats[*index].node, vec![lock, read(keys.record())]);
            let asked: Vec<_> = missing.iter().map(ask).collect();
            let results = self.exchange_all_again(&holding.timeouts, &asked).await;
            let mut failed = Vec::new();
            for (index, result) in missing.into_iter().zip(results) {
                let node = holding.seats[index].node;
                let taken = match result {
                    // It may have been carried out: the next try looks who has the lock.
                    Err(Failure { cause: Cause::Cut, .. }) => {
                        holding.seats[index].lock = Lock::None;
                        Ok(())
                    }
                    Err(failure) => Err(holding.failed(&failure)),
                    Ok(answers) => {
                        let mut answers = answers.into_iter();
                        match self.granted(holding, node, answers.next()) {
                            Ok(Some(cas)) => {
                                let lock = Lock::Held(cas, Lease::of(since, holding.lease));
                                (holding.granted, holding.granted_us) = (since, granted_us);
                                self.take_record(holding, index, answers.next(), lock)
                            }
                            Ok(None) => {
                                holding.seats[index].lock = Lock::None;
                                Ok(())
                            }
                            Err(error) => Err(error),
                        }
                    }
                };
                match taken {
                    Err(error) if error.is_of_one_node() => failed.push((node, error)),
                    taken => taken?,
                }
            }
            if failed.is_empty() {
                return Ok(());
            }
            for (node, error) in failed {
                self.replace(holding, node, error)?;
            }
        }
    }

    /// The CAS of a lock that was asked for; none if somebody else has it.
    fn granted(
        &self,
        holding: &Holding,
        node: usize,
        answer: Option<Answer>,
    ) -> Result<Option<Cas>> {
        match answer {
            Some(Answer::Done { cas }) => Ok(cas),
            Some(Answer::ServerError(_, text)) => {
                Err(self.not_locked(&holding.digest, node, &text))
            }
            _ => Ok(None),
        }
    }

    /// A server has said why it does not lock.
    fn not_locked(&self, digest: &Digest, node: usize, text: &str) -> Error {
        let address = self.nodes[node].address();
        let text = format!("session {digest} cannot be locked: node {address} says: {text}");
        Error::new(ErrorKind::Node, text)
    }

    /// Puts the next node of the list that is up in place of one that has failed. Fails as that one
    /// did if none is left.
    pub(super) fn replace(
        &mut self,
        holding: &mut Holding,
        node: usize,
        error: Error,
    ) -> Result<()> {
        self.drop_out(holding, node);
        if let Some(other) = self.next_usable(&holding.list, |node| holding.is_asked(node)) {
            self.counters.add(Counter::Failovers, 1);
            holding.seat(other);
        }
        if holding.seats.is_empty() {
            return Err(error);
        }
        holding.failure = Some(error);
        Ok(())
    }

    /// Tries for the lock on one node, and reads the record there. Says whether it is ours. Looks
    /// who has it: this request itself, if an answer was lost; or one of this machine that has
    /// given it up, or a process of this machine that is dead, which both lose it.
    pub(super) async fn take_seat(
        &mut self,
        holding: &mut Holding,
        index: usize,
        seen: &mut Option<Holder>,
    ) -> Result<bool> {
        let (keys, node) = (Keys::of(&holding.digest), holding.seats[index].node);
        self.board.take_back(node, holding.token);
        let ttl = holding.lock_ttl(self);
        let (since, granted_us) = (Instant::now(), self.now_us());
        let lock = set(keys.lock(), &holding.lock_value, ttl, None);
        let asked = [lock, get(keys.lock()), get(keys.record())];
        let answers = self.exchange_again(node, &holding.timeouts, &asked).await;
        let mut answers = answers.map_err(|failure| holding.failed(&failure))?.into_iter();
        let mut cas = self.granted(holding, node, answers.next())?;
        let (holder, mut record) = (answers.next(), answers.next());
        if cas.is_none()
            && let Some(Answer::Value { bytes, cas: Some(held), .. }) = holder
            && let Some(holder) = Holder::decode(&bytes)
        {
            let is_own =
                holder.token == holding.token || self.board.is_given_up(node, holder.token);
            // The answer to an earlier try was lost with its connection; or nobody has it any more.
            if is_own || holder.is_dead() {
                let asked =
                    [set(keys.lock(), &holding.lock_value, ttl, Some(held)), get(keys.record())];
                let answers = self.exchange(node, &holding.timeouts, &asked).await;
                let mut answers = answers.map_err(|failure| holding.failed(&failure))?.into_iter();
                if let Some(Answer::Done { cas: taken }) = answers.next() {
                    self.counters.add(Counter::Takeovers, u64::from(!is_own));
                    cas = taken;
                }
                record = answers.next();
            }
            *seen = Some(holder);
        }
        let Some(cas) = cas else { return Ok(false) };
        let lease = Lease::of(since, holding.lease);
        self.take_record(holding, index, record, Lock::Held(cas, lease))?;
        (holding.granted, holding.granted_us) = (since, granted_us);
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
        let now_s = self.now_s();
        let seat = &mut holding.seats[index];
        let node = seat.node;
        seat.lock = lock;
        if let Lock::Held(_, lease) | Lock::Asked(lease) = lock {
            seat.known = lease.since;
        }
        seat.link = self.nodes[node].link();
        (seat.cas, seat.copy) = match copy_of(answer, &holding.digest, now_s) {
            Ok(copy) => copy,
            Err(Unreadable::Damaged(cas, error)) => {
                holding.damage = Some(error);
                (cas, None)
            }
            Err(Unreadable::Other(kind, what)) => {
                return Err(self.unreadable(&holding.digest, node, kind, &what));
            }
        };
        seat.stamp = seat.copy.as_ref().map(|copy| copy.record.stamp);
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
        self.keep_seats(holding).await;
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
        let Some(ticket) = self.line_up(holding, patience)? else { return Ok(()) };
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

    /// A place among the requests of this machine that want the same session; none if it has no
    /// room for that.
    fn line_up(&self, holding: &Holding, patience: &Patience) -> Result<Option<Ticket>> {
        match self.queue.join(self.place(&holding.digest), patience.max_waiters) {
            Joined::Ticket(ticket) => Ok(Some(ticket)),
            Joined::NoQueue => Ok(None),
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

    /// Waits at a node that has a queue of its own, in the order of all machines: until the lock
    /// there is ours, or has to be asked for again.
    async fn wait_at_node(
        &mut self,
        holding: &mut Holding,
        index: usize,
        patience: &mut Patience,
    ) -> Result<()> {
        patience.has_waited = true;
        self.check_deadline(holding, patience).await?;
        if !holding.has_lock() && holding.ticket.is_none() {
            holding.ticket = self.line_up(holding, patience)?;
        }
        self.renew().await;
        self.keep_seats(holding).await;
        let node = holding.seats[index].node;
        let reached = self.reach(node, &holding.timeouts).await;
        if let Err(failure) = self.noted(node, reached) {
            return self.asked_in_vain(holding, node, &failure);
        }
        let (keys, value) = (Keys::of(&holding.digest), holding.lock_value.clone());
        let cas = Cas::new(self.world.random() as u64 | 1).expect("more than 0");
        let turn = Turn { key: keys.lock(), value: &value, ttl: holding.lock_ttl(self), cas };
        // What this process holds besides has to be kept meanwhile, over this connection perhaps.
        let is_free = !holding.has_lock() && self.held.is_empty();
        let limit = if is_free { patience.left() } else { holding.lease / 3 };
        self.board.take_back(node, holding.token);
        let (is_to_write, world) = (self.copies == 1, Arc::clone(&self.world));
        let joined = self.nodes[node]
            .join_queue(&*world, &holding.timeouts, &turn, limit, is_to_write)
            .await;
        match self.noted(node, joined) {
            Err(failure) => return self.asked_in_vain(holding, node, &failure),
            Ok(queue::Joined::Refused(text)) => {
                return Err(self.not_locked(&holding.digest, node, &text));
            }
            Ok(queue::Joined::Waiting(lock)) => patience.saw(&lock),
        }
        self.answered(node);
        let mut watch = Node::new(self.nodes[node].address().clone());
        let mut look_at = Instant::now() + QUEUE_LOOK;
        // The server ends the waiting; over a connection that nobody hears any more, perhaps.
        let until = Instant::now() + limit + holding.timeouts.request;
        loop {
            let waited = self.nodes[node].await_grant(QUEUE_PIECE, &holding.timeouts).await;
            match self.noted(node, waited) {
                Err(failure) => return self.asked_in_vain(holding, node, &failure),
                Ok(Some(Some(grant))) => return self.accept(holding, index, &turn, grant).await,
                Ok(Some(None)) => {
                    return self.leave_queue(holding, node, &turn).await.or(Ok(()));
                }
                Ok(None) if Instant::now() < until => {}
                Ok(None) => {
                    self.nodes[node].close();
                    return Ok(());
                }
            }
            let is_dead = patience.holder.as_ref().is_some_and(Holder::is_dead);
            if !is_dead && Instant::now() < look_at {
                continue;
            }
            look_at = Instant::now() + QUEUE_LOOK;
            let seen = watch.poke_queue(&*self.world, &holding.timeouts, &turn, limit).await;
            match self.noted_of(node, watch.asked(), seen) {
                // The server had nobody to give it to: it has lost what waits here.
                Ok((true, _)) => {
                    self.nodes[node].close();
                    return Ok(());
                }
                Ok((false, lock)) => {
                    patience.saw(&lock);
                    self.hand_on(&mut watch, node, &lock, patience, holding).await;
                }
                // That says nothing about the connection that waits.
                Err(failure) if failure.cause == Cause::Shortage => {}
                // It has hung, or was cut off, while it owed us a grant.
                Err(failure) => {
                    self.nodes[node].close();
                    return self.asked_in_vain(holding, node, &failure);
                }
            }
        }
    }

    /// A lock of a process of this machine that is dead, or of a request that has given it up, goes
    /// to the first who waits.
    async fn hand_on(
        &mut self,
        watch: &mut Node,
        node: usize,
        lock: &Answer,
        patience: &Patience,
        holding: &Holding,
    ) {
        let (Answer::Value { cas: Some(cas), .. }, Some(holder)) = (lock, &patience.holder) else {
            return;
        };
        let is_dead = holder.is_dead();
        if is_dead || self.board.is_given_up(node, holder.token) {
            let keys = Keys::of(&holding.digest);
            let asked = [unlock(keys.lock(), *cas)];
            let done = watch.exchange(&*self.world, &holding.timeouts, &asked).await;
            let is_done = matches!(done.as_deref(), Ok([Answer::Done { .. }]));
            self.counters.add(Counter::Takeovers, u64::from(is_dead && is_done));
        }
    }

    /// Takes note of a lock that was granted. With one copy a store is refused if it has ended
    /// since; with several it is taken once more, and whether that was in time is looked at before
    /// anything is stored.
    async fn accept(
        &mut self,
        holding: &mut Holding,
        index: usize,
        turn: &Turn<'_>,
        grant: Grant,
    ) -> Result<()> {
        let node = holding.seats[index].node;
        let (since, granted_us) = (Instant::now(), self.now_us());
        let lease = Lease::of(since, holding.lease);
        let claim = set(turn.key, turn.value, turn.ttl, Some(grant.cas));
        let is_own = grant.cas == turn.cas;
        let (lock, record) = match grant.read {
            // It lasts for as long as whoever has given it back thinks that it should.
            Some((left, record))
                if is_own && self.copies == 1 && left + LOCK_LEASE_MARGIN >= holding.lease =>
            {
                (Lock::Held(grant.cas, lease), Some(record))
            }
            Some((_, record)) if is_own && self.copies > 1 => {
                let posted = Posted::Lock(holding.token);
                match self.post(node, &holding.timeouts, &[claim], posted).await {
                    Ok(()) => (Lock::Asked(lease), Some(record)),
                    Err(_) => return Ok(()),
                }
            }
            _ => {
                // It may say that it is somebody else's, who is dead or asks for it again, so that
                // others may take it too: who is the first has it.
                if !is_own && self.leave_queue(holding, node, turn).await.is_err() {
                    return Ok(());
                }
                let keys = Keys::of(&holding.digest);
                let asked = [claim, get(keys.record())];
                let mut answers = match self.exchange(node, &holding.timeouts, &asked).await {
                    Ok(answers) => answers.into_iter(),
                    Err(failure) => return self.asked_in_vain(holding, node, &failure),
                };
                match answers.next() {
                    Some(Answer::Done { cas: Some(cas) }) => {
                        (Lock::Held(cas, lease), answers.next())
                    }
                    _ => return Ok(()),
                }
            }
        };
        self.take_record(holding, index, record, lock)?;
        (holding.granted, holding.granted_us) = (since, granted_us);
        Ok(())
    }

    /// Waits no more for a lock; nothing must be outstanding.
    async fn leave_queue(
        &mut self,
        holding: &Holding,
        node: usize,
        turn: &Turn<'_>,
    ) -> Result<(), Failure> {
        let left = self.nodes[node].leave_queue(&*self.world, &holding.timeouts, turn).await;
        self.noted(node, left)
    }

    /// A node has failed while its lock was waited for. What was cut is asked for again, and so is
    /// one that may fail over.
    fn asked_in_vain(
        &mut self,
        holding: &mut Holding,
        node: usize,
        failure: &Failure,
    ) -> Result<()> {
        if failure.cause == Cause::Cut || self.is_worth_a_retry(node, failure, &holding.timeouts) {
            return Ok(());
        }
        match holding.failed(failure) {
            error if error.is_of_one_node() => self.replace(holding, node, error),
            error => Err(error),
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
                self.board.give_up(node, holding.token);
            }
        } else if matches!(lock, Lock::Held(..)) {
            self.board.give_up(seat.node, holding.token);
        }
    }
}

impl Holding {
    /// A node has not answered.
    pub(super) fn failed(&self, failure: &Failure) -> Error {
        failed(&self.digest, self.stage, failure)
    }

    /// Gives a node a part in this session, in the order of the list.
    pub(super) fn seat(&mut self, node: usize) {
        let rank = |node| self.list.iter().position(|listed| *listed == node);
        let place = self.seats.partition_point(|seat| rank(seat.node) < rank(node));
        self.seats.insert(place, Seat::new(node, Instant::now()));
    }

    /// Whether a node has a part in it, or has failed to take one.
    pub(super) fn is_asked(&self, node: usize) -> bool {
        self.silent.contains(&node) || self.seats.iter().any(|seat| seat.node == node)
    }

    /// The life of its lock, as a node is told.
    pub(super) fn lock_ttl(&self, cluster: &Cluster) -> Ttl {
        Ttl::new(self.lease, || cluster.world.now())
    }

    /// Whether all of its nodes have the same record, so that no other one need be asked.
    fn agrees(&self, copies: usize) -> bool {
        match &self.seats[..] {
            // With one copy, an older one elsewhere would be no better than a damaged one.
            [only] if copies == 1 => only.cas.is_some(),
            seats => {
                let first = seats.first().and_then(|seat| seat.stamp);
                first.is_some() && seats.iter().all(|seat| seat.stamp == first)
            }
        }
    }

    fn has_lock(&self) -> bool {
        self.seats.iter().any(|seat| !matches!(seat.lock, Lock::None))
    }
}

impl Seat {
    pub(super) fn new(node: usize, now: Instant) -> Self {
        Self {
            node,
            link: None,
            lock: Lock::None,
            cas: None,
            stamp: None,
            read: None,
            known: now,
            copy: None,
            part: Part::Due,
        }
    }

    /// Whether its lock can be relied on.
    fn is_held(&self, cluster: &Cluster) -> bool {
        let (Lock::Held(_, lease) | Lock::Asked(lease)) = self.lock else { return false };
        Instant::now() < lease.until && self.link == cluster.nodes[self.node].link()
    }
}

/// A node has not answered.
pub(super) fn failed(digest: &Digest, stage: &str, failure: &Failure) -> Error {
    let kind = match failure.cause {
        // No other node is asked instead, which with one copy would mean a session anew.
        Cause::Shortage => ErrorKind::Io,
        _ => ErrorKind::NoNode,
    };
    Error::new(kind, format!("session {digest} {stage}: {failure}"))
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
        Some(Answer::Value { bytes, cas, .. }) => match Record::decode(&bytes, digest) {
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

/// Between half of a pause and all of it, so that those who wait do not march in step.
pub(super) fn jittered(pause: Duration, random: u128) -> Duration {
    let half = pause / 2;
    half + half.mul_f64((random as u32) as f64 / f64::from(u32::MAX))
}
