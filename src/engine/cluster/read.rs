//! Reading a session without its lock, from all nodes that may know it.

use super::open::{Unreadable, copy_of, failed};
use super::record::{Record, RecordError, Stamp};
use super::{Base, Cluster, Copy, Keys, get, timeouts};
use crate::config::Settings;
use crate::error::{ErrorKind, Result};
use crate::node::{Cause, Failure, Link};
use crate::session::id::Digest;
use crate::wire::memcached::Cas;

/// What the nodes have of a session.
pub(super) struct Survey {
    /// All nodes, in the order in which they are to keep it.
    pub(super) list: Vec<usize>,
    /// What those have that have answered, in no order.
    pub(super) copies: Vec<Found>,
    /// The newest record.
    pub(super) newest: Option<Base>,
    /// Why a copy was not believed.
    pub(super) damage: Option<RecordError>,
    /// Those that have not answered.
    pub(super) silent: Vec<usize>,
    /// Why the last of them has not.
    failure: Option<Failure>,
}

/// What one node has.
pub(super) struct Found {
    pub(super) node: usize,
    /// The connection that told it.
    pub(super) link: Option<Link>,
    /// The CAS of the record; none if there is none.
    pub(super) cas: Option<Cas>,
    /// Which record it is; none if there is none that can be believed.
    pub(super) stamp: Option<Stamp>,
}

impl Survey {
    fn has_asked(&self, node: usize) -> bool {
        self.silent.contains(&node) || self.copies.iter().any(|found| found.node == node)
    }

    pub(super) fn newest_stamp(&self) -> Option<Stamp> {
        self.newest.as_ref().map(|base| base.record.stamp)
    }

    /// Whether all have the same record.
    fn agrees(&self, copies: usize) -> bool {
        let newest = self.newest_stamp();
        match &self.copies[..] {
            // With one copy, an older one elsewhere would be no better than a damaged one.
            [only] if copies == 1 => only.cas.is_some(),
            found => newest.is_some() && found.iter().all(|found| found.stamp == newest),
        }
    }
}

impl Cluster {
    /// Reads a session without its lock, into `buffer`: as it was committed last, or as it is just
    /// being committed. One round trip; two where its nodes have different records or none.
    ///
    /// # Errors
    /// [`ErrorKind::NoNode`], [`ErrorKind::Node`], [`ErrorKind::NewerFormat`].
    pub async fn peek<'a>(
        &mut self,
        digest: &Digest,
        settings: &Settings,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Copy<'a>> {
        buffer.clear();
        let survey = self.survey(digest, settings, "cannot be opened").await?;
        match (survey.newest, survey.damage) {
            (Some(base), _) if base.record.is_tombstone => Ok(Copy::Absent),
            (Some(base), _) => {
                *buffer = base.bytes;
                Ok(Copy::Data(&buffer[Record::BYTES..]))
            }
            (None, Some(error)) => Ok(Copy::Damaged(error)),
            (None, None) => Ok(Copy::Absent),
        }
    }

    /// Asks the nodes of a session, and where they do not agree, the next ones too; rule 3 without
    /// locks. `stage` is what a failure means.
    ///
    /// # Errors
    /// [`ErrorKind::NoNode`], [`ErrorKind::Node`], [`ErrorKind::NewerFormat`].
    pub(super) async fn survey(
        &mut self,
        digest: &Digest,
        settings: &Settings,
        stage: &str,
    ) -> Result<Survey> {
        let list = self.list(digest);
        let mut wanted = self.set_of(&list, &timeouts(settings));
        let mut survey = Survey {
            list,
            copies: Vec::new(),
            newest: None,
            damage: None,
            silent: Vec::new(),
            failure: None,
        };
        let mut refusal = None;
        let mut has_asked_further = false;
        loop {
            while !wanted.is_empty() {
                let silent =
                    self.ask(&mut survey, digest, settings, stage, &wanted, &mut refusal).await?;
                wanted = Vec::new();
                while wanted.len() < silent
                    && let Some(node) = self.next_usable(&survey.list, |node| {
                        survey.has_asked(node) || wanted.contains(&node)
                    })
                {
                    wanted.push(node);
                }
            }
            if has_asked_further || survey.agrees(self.copies) {
                break;
            }
            has_asked_further = true;
            let further: Vec<usize> =
                self.further(&survey.list, |node| survey.has_asked(node)).collect();
            let (up, down) = further.iter().partition(|node| self.is_worth_asking(**node));
            wanted = up;
            survey.silent.extend::<Vec<usize>>(down);
        }
        if survey.newest.is_none() {
            if survey.copies.is_empty()
                && let Some(error) = refusal
            {
                return Err(error);
            }
            let has_answered = |node| survey.copies.iter().any(|found| found.node == node);
            let (list, is_damaged) = (&survey.list, survey.damage.is_some());
            let doubtful = match survey.copies.is_empty() {
                true => list.clone(),
                false => self.doubtful(list, has_answered, is_damaged, &timeouts(settings)).await,
            };
            if !doubtful.is_empty() {
                return Err(self.no_node(digest, stage, survey.failure.as_ref(), &doubtful));
            }
        }
        Ok(survey)
    }

    /// Asks these nodes at once. Says how many have not answered.
    async fn ask(
        &mut self,
        survey: &mut Survey,
        digest: &Digest,
        settings: &Settings,
        stage: &str,
        nodes: &[usize],
        refusal: &mut Option<crate::error::Error>,
    ) -> Result<usize> {
        let (keys, now_s) = (Keys::of(digest), self.now_s());
        let asked: Vec<_> = nodes.iter().map(|node| (*node, vec![get(keys.record())])).collect();
        let results = self.exchange_all_again(&timeouts(settings), &asked).await;
        let mut silent = 0;
        for (node, result) in nodes.iter().copied().zip(results) {
            let answers = match result {
                Ok(answers) => answers,
                Err(failure) if failure.cause == Cause::Shortage => {
                    return Err(failed(digest, stage, &failure));
                }
                Err(failure) => {
                    survey.silent.push(node);
                    survey.failure = Some(failure);
                    silent += 1;
                    continue;
                }
            };
            let (cas, copy) = match copy_of(answers.into_iter().next(), digest, now_s) {
                Ok(found) => found,
                Err(Unreadable::Damaged(cas, error)) => {
                    survey.damage = Some(error);
                    (cas, None)
                }
                Err(Unreadable::Other(kind, what)) => {
                    let error = self.unreadable(digest, node, kind, &what);
                    if kind == ErrorKind::NewerFormat {
                        return Err(error);
                    }
                    *refusal = Some(error);
                    survey.silent.push(node);
                    silent += 1;
                    continue;
                }
            };
            let stamp = copy.as_ref().map(|base| base.record.stamp);
            if stamp > survey.newest_stamp() {
                survey.newest = copy;
            }
            let link = self.nodes[node].link();
            survey.copies.push(Found { node, link, cas, stamp });
        }
        Ok(silent)
    }
}
