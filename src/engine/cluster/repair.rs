//! Where the copies of a session are, and giving it those again that it should have: for the
//! operator, after a node came back empty.
//!
//! A repair takes no lock, so no request ever waits for it. It is safe all the same:
//!
//! * It stores what a request has stored, byte for byte: the same version, the same end of life. So
//!   it never makes anything newer, and a tombstone stays one.
//! * It stores by the CAS of the older copy that it has read, or adds where it has read none. If
//!   the session changes meanwhile, that is refused, and the copies are the request's affair
//!   (rule 12). A request that finds the older copy stored anew has rule 8 for that.
//! * It stores with the time that the newest copy has left: a session that nobody uses ends when it
//!   would have ended.

use super::holder::Holder;
use super::open::{Unreadable, copy_of};
use super::record::{Record, RecordError};
use super::{Base, Cluster, Keys, get, get_with_life, set, timeouts};
use crate::config::Settings;
use crate::node::{Answer, Link, birth_key, whole};
use crate::session::id::Digest;
use crate::wire::memcached::{Cas, Ttl};
use std::time::Duration;

/// A node and what it has of a session.
#[derive(Debug)]
pub struct Place {
    /// Index of the node.
    pub node: usize,
    /// Whether it should have a copy: the first nodes of the preference list should that answer and
    /// are not drained, as many as there are to be copies.
    pub is_in_set: bool,
    /// Its copy.
    pub found: Found,
    /// Who has the lock there.
    pub holder: Option<Holder>,
}

/// What a node has of a session.
#[derive(Debug)]
pub enum Found {
    /// Nothing, or a record past its end of life.
    Missing,
    /// A record.
    Copy {
        /// Its header.
        record: Record,
        /// Its data, in bytes.
        data_bytes: usize,
        /// The time it has left, if the node tells; [`Duration::MAX`]: no end.
        time_left: Option<Duration>,
    },
    /// Bytes that fail their checks.
    Damaged(RecordError),
    /// The node does not answer, or what it has must not be touched; why.
    Unknown(String),
}

/// What a repair has found and done.
#[derive(Debug, Default)]
pub struct Repaired {
    /// Whether there was a copy to be believed.
    pub is_found: bool,
    /// Whether as many nodes have it now as should; in a dry run, would have.
    pub is_whole: bool,
    /// Copies that were stored; in a dry run, that would have been.
    pub written: usize,
    /// Copies that were not stored because a request has changed them meanwhile.
    pub changed: usize,
    /// Damaged copies, which are left alone: the session's next commit replaces them.
    pub damaged: usize,
    /// Why copies could not be looked at or stored, each with its node.
    pub failures: Vec<String>,
}

/// The servers that a repair of all sessions began with, and their birth marks.
pub struct Lives(Vec<Life>);

struct Life {
    node: usize,
    link: Option<Link>,
    cas: Option<Cas>,
    mark: Vec<u8>,
}

/// A node's copy, for as long as its connection stands.
struct Look {
    node: usize,
    is_target: bool,
    link: Option<Link>,
    cas: Option<Cas>,
    base: Option<Base>,
    is_damaged: bool,
    time_left: Option<Duration>,
}

impl Cluster {
    /// Asks all nodes what they have of a session, in the order of its preference list.
    pub async fn locate(&mut self, digest: &Digest, settings: &Settings) -> Vec<Place> {
        let keys = Keys::of(digest);
        let mut places = Vec::new();
        let mut in_set = 0;
        let ask = |node| (node, vec![get(keys.lock()), get_with_life(keys.record())]);
        let asked: Vec<_> = self.list(digest).into_iter().map(ask).collect();
        let answers = self.exchange_all_again(&timeouts(settings), &asked).await;
        for ((node, _), answers) in asked.into_iter().zip(answers) {
            let is_in_set = answers.is_ok() && in_set < self.copies && !self.board.is_drained(node);
            in_set += usize::from(is_in_set);
            let mut place = Place { node, is_in_set, found: Found::Missing, holder: None };
            match answers {
                Err(failure) => place.found = Found::Unknown(failure.to_string()),
                Ok(answers) => {
                    let mut answers = answers.into_iter();
                    if let Some(Answer::Value { bytes, .. }) = answers.next() {
                        place.holder = Holder::decode(&bytes);
                    }
                    place.found = self.found(answers.next(), digest);
                }
            }
            places.push(place);
        }
        places
    }

    fn found(&self, answer: Option<Answer>, digest: &Digest) -> Found {
        let time_left = time_left(answer.as_ref());
        match copy_of(answer, digest, self.now_s()) {
            Ok((_, None)) => Found::Missing,
            Ok((_, Some(Base { record, bytes }))) => {
                Found::Copy { record, data_bytes: bytes.len() - Record::BYTES, time_left }
            }
            Err(Unreadable::Damaged(_, error)) => Found::Damaged(error),
            Err(Unreadable::Other(_, what)) => Found::Unknown(what),
        }
    }

    /// Gives a session, copies of which were seen on the nodes `seen`, the copies that it should
    /// have. With `is_dry`, only looks what there would be to do.
    ///
    /// The newest copy is looked for where a request would look for it (rule 3): on the first
    /// 2 x `replicas` - 1 nodes of the preference list, and on `seen`. They are asked at once; then
    /// there is a round trip for each copy that is stored.
    pub async fn repair(
        &mut self,
        digest: &Digest,
        seen: &[usize],
        is_dry: bool,
        settings: &Settings,
    ) -> Repaired {
        let mut repaired = Repaired::default();
        let looks = self.looks(digest, seen, &mut repaired, settings).await;
        let stamp = |look: &Look| look.base.as_ref().map(|base| base.record.stamp);
        let Some(newest) = looks.iter().max_by_key(|look| stamp(look)) else { return repaired };
        let Some(Base { record, bytes }) = &newest.base else { return repaired };
        repaired.is_found = true;
        // Where one of the nodes has missed a touch, the other one knows how long the session
        // lives.
        let equal = looks.iter().filter(|look| stamp(look) == Some(record.stamp));
        let time_left = equal.filter_map(|look| look.time_left).max();
        let ttl = self.remaining(record, time_left);
        let targets = || looks.iter().filter(|look| look.is_target && !look.is_damaged);
        let good = targets().filter(|look| stamp(look) == Some(record.stamp)).count();
        for look in targets().filter(|look| stamp(look) != Some(record.stamp)) {
            if is_dry {
                repaired.written += 1;
                continue;
            }
            match self.store_copy(digest, look, bytes, ttl, settings).await {
                Ok(true) => repaired.written += 1,
                Ok(false) => repaired.changed += 1,
                Err(text) => repaired.failures.push(text),
            }
        }
        repaired.is_whole = good + repaired.written == self.copies;
        repaired
    }

    /// Notes which servers a repair of all sessions begins with; those that are drained get none
    /// of them.
    pub async fn lives(&mut self, settings: &Settings) -> Lives {
        let nodes = (0..self.nodes.len()).filter(|node| !self.board.is_drained(*node));
        let asked: Vec<_> = nodes.map(|node| (node, vec![get(birth_key())])).collect();
        let answers = self.exchange_all_again(&timeouts(settings), &asked).await;
        let mut lives = Vec::new();
        for ((node, _), answers) in asked.into_iter().zip(answers) {
            if let Ok(Some(Answer::Value { bytes, cas, .. })) =
                answers.map(|answers| answers.into_iter().next())
            {
                lives.push(Life { node, link: self.nodes[node].link(), cas, mark: bytes });
            }
        }
        Lives(lives)
    }

    /// All sessions have the copies that they should have. So what these servers do not have, they
    /// have not lost, and rule 3 may believe them before they are as old as a session can be.
    /// Whoever has been restarted since is left out. Says how many it has noted that on.
    pub async fn mark_whole(&mut self, lives: Lives, settings: &Settings) -> usize {
        let lives = lives.0.into_iter().filter(|life| life.link == self.nodes[life.node].link());
        let marks: Vec<_> = lives.map(|life| (life.node, life.cas, whole(&life.mark))).collect();
        let asked: Vec<_> = marks
            .iter()
            .map(|(node, cas, mark)| (*node, vec![set(birth_key(), mark, Ttl::UNLIMITED, *cas)]))
            .collect();
        let answers = self.exchange_all(&timeouts(settings), &asked).await;
        let is_done = |answers: &Result<Vec<Answer>, _>| {
            matches!(answers.as_deref(), Ok([Answer::Done { .. }]))
        };
        answers.iter().filter(|answers| is_done(answers)).count()
    }

    /// The copies of a session that matter for its repair.
    async fn looks(
        &mut self,
        digest: &Digest,
        seen: &[usize],
        repaired: &mut Repaired,
        settings: &Settings,
    ) -> Vec<Look> {
        let (keys, list) = (Keys::of(digest), self.list(digest));
        let mut to_ask: Vec<usize> = list.iter().copied().take(2 * self.copies - 1).collect();
        to_ask.extend(seen);
        // Those that are down, or fall silent now, are replaced by the next ones in the list.
        let mut up: Vec<usize> = list.into_iter().filter(|node| self.is_up(*node)).collect();
        let mut looks: Vec<Look> = Vec::new();
        let mut has_asked = vec![false; self.nodes.len()];
        let targets = loop {
            let usable = up.iter().copied().filter(|node| !self.board.is_drained(*node));
            let targets: Vec<usize> = usable.take(self.copies).collect();
            to_ask.extend(&targets);
            to_ask.retain(|node| {
                up.contains(node) && !std::mem::replace(&mut has_asked[*node], true)
            });
            if to_ask.is_empty() {
                break targets;
            }
            let asked: Vec<_> =
                to_ask.drain(..).map(|node| (node, vec![get_with_life(keys.record())])).collect();
            let answers = self.exchange_all_again(&timeouts(settings), &asked).await;
            for ((node, _), answers) in asked.into_iter().zip(answers) {
                match answers {
                    Ok(answers) => looks.extend(self.look_at(node, answers, digest, repaired)),
                    Err(failure) => {
                        up.retain(|other| *other != node);
                        repaired.failures.push(failure.to_string());
                    }
                }
            }
        };
        for look in &mut looks {
            look.is_target = targets.contains(&look.node);
        }
        looks
    }

    /// What a node has told; none if nobody may touch it.
    fn look_at(
        &self,
        node: usize,
        answers: Vec<Answer>,
        digest: &Digest,
        repaired: &mut Repaired,
    ) -> Option<Look> {
        let answer = answers.into_iter().next();
        let time_left = time_left(answer.as_ref());
        let (cas, base, is_damaged) = match copy_of(answer, digest, self.now_s()) {
            Ok((cas, base)) => (cas, base, false),
            Err(Unreadable::Damaged(cas, _)) => {
                repaired.damaged += 1;
                (cas, None, true)
            }
            Err(Unreadable::Other(_, what)) => {
                let address = self.nodes[node].address();
                repaired.failures.push(format!("node {address}: {what}"));
                return None;
            }
        };
        let link = self.nodes[node].link();
        Some(Look { node, is_target: false, link, cas, base, is_damaged, time_left })
    }

    /// Stores a record over the copy that was looked at. False if that is another one by now.
    async fn store_copy(
        &mut self,
        digest: &Digest,
        look: &Look,
        bytes: &[u8],
        ttl: Ttl,
        settings: &Settings,
    ) -> Result<bool, String> {
        let (keys, node) = (Keys::of(digest), look.node);
        let address = self.nodes[node].address().to_string();
        if self.nodes[node].link() != look.link {
            // Its CAS means nothing any more.
            return Ok(false);
        }
        let item_bytes = keys.record().item_bytes(bytes.len());
        if self.nodes[node].item_bytes_max().is_some_and(|max| item_bytes > max) {
            let setting = self.nodes[node].item_bytes_setting();
            return Err(format!("node {address}: a session is larger than it takes{setting}"));
        }
        let asked = [set(keys.record(), bytes, ttl, look.cas)];
        match self.exchange(node, &timeouts(settings), &asked).await.as_deref() {
            Ok([Answer::Done { .. }]) => Ok(true),
            Ok([Answer::ServerError(_, text)]) => Err(format!("node {address} says: {text}")),
            Ok(_) => Ok(false),
            Err(failure) => Err(failure.to_string()),
        }
    }

    /// What is left of a record's life, with what its node says about that. The classic protocol
    /// says nothing: then a lifetime from now, and not beyond the record's end.
    fn remaining(&self, record: &Record, time_left: Option<Duration>) -> Ttl {
        let now_s = self.now_s();
        match time_left {
            Some(Duration::MAX) => Ttl::UNLIMITED,
            Some(left) => Ttl::new(left, || self.world.now()),
            None => {
                let kept_s = record.kept_s(now_s);
                self.ttl(kept_s.map(|kept_s| kept_s.min(record.end_s.saturating_sub(now_s))))
            }
        }
    }
}

/// The session that has a key of its record like this, on memcached or on Redis.
pub fn digest_of_key(key: &[u8]) -> Option<Digest> {
    let rest = key.strip_prefix(Keys::RECORD)?;
    let tag = rest.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    Digest::from_hex(tag.unwrap_or(rest).try_into().ok()?)
}

fn time_left(answer: Option<&Answer>) -> Option<Duration> {
    match answer {
        Some(Answer::Value { time_left, .. }) => *time_left,
        _ => None,
    }
}
