//! What a client does: requests of PHP scripts on the engine's own cluster.

use super::history::{Kind, OpId, Outcome, outcome_of};
use super::{LIFETIME_S, Shared};
use sessclust_engine::cluster::{Cluster, Copy, Origin, Stamp, timeouts};
use sessclust_engine::config::{Settings, WriteMode};
use sessclust_engine::session::id::Digest;
use sessclust_engine::{Error, ErrorKind};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What a script does with its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Reads and writes it.
    Commit,
    /// The same with `sessclust.write = delayed`. What has become of it is asked for later.
    CommitDelayed,
    /// Reads it and leaves it as it is (lazy write).
    Touch,
    /// Reads it and aborts.
    Look,
    /// Reads it with `read_and_close`.
    Peek,
    /// Logs out, with the session open.
    Destroy,
    /// Destroys it without having opened it.
    DestroyOther,
    /// Moves to another id, and goes on there.
    Regenerate,
}

/// One request and what it needs. The cluster comes back, unless the client crashes on the way.
pub struct Request {
    pub shared: Rc<Shared>,
    pub client: usize,
    pub cluster: Cluster,
    /// How long the script runs with the session open.
    pub think: Duration,
}

impl Request {
    /// Does it all; the cluster, and whether it went well.
    pub async fn perform(mut self, slot: usize, act: Act) -> (Cluster, bool) {
        let session = self.shared.session(slot);
        let (client, now) = (self.client, self.shared.network.now());
        self.shared.network.note(|| format!("client {client}: {act:?} of session {session}"));
        let kind = match act {
            Act::Commit | Act::CommitDelayed => Kind::Commit,
            Act::Touch => Kind::Touch,
            Act::Look => Kind::Look,
            Act::Peek => Kind::Peek,
            Act::Destroy | Act::DestroyOther | Act::Regenerate => Kind::Destroy,
        };
        let op = self.shared.history().begin(client, session, kind, now);
        let was_frozen = self.shared.network.pauses(client);
        let digest = self.shared.digest(session);
        let result = match act {
            Act::Peek => self.peek(op, &digest).await,
            Act::DestroyOther => self.destroy(op, &digest).await,
            _ => self.locked(op, &digest, act).await,
        };
        let mut is_good = self.conclude(op, result);
        if act == Act::Regenerate && is_good {
            is_good = self.renamed(slot).await;
        }
        if self.shared.network.pauses(client) == was_frozen {
            let spent = self.shared.network.now() - now;
            let bound = self.shared.longest(self.think);
            if spent > bound {
                let mut history = self.shared.history();
                let text = format!("{} took {spent} ms, more than {bound}", history.name(op));
                history.violate(text);
            }
        }
        (self.cluster, is_good)
    }

    /// Opens the session with its lock, works with it and ends.
    async fn locked(&mut self, op: OpId, digest: &Digest, act: Act) -> Result<Outcome, Error> {
        let shared = Rc::clone(&self.shared);
        let settings = &shared.settings;
        self.cluster.open(digest, Origin::Sent, b"sim", settings).await?;
        let list = self.operations(op, digest);
        let stamp = self.cluster.stamp(digest);
        shared.history().read(op, list.clone(), stamp);
        shared.holds(op, digest);
        self.think().await;
        shared.history().let_go(op);
        match act {
            Act::Commit => {
                let mut list = list;
                list.push(op);
                self.commit(digest, &list).await.map(|stamp| Outcome::Saved(Some(stamp)))
            }
            Act::CommitDelayed => {
                let mut list = list;
                list.push(op);
                let settings = Settings { write: WriteMode::Delayed, ..settings.clone() };
                let data = encode(&list);
                let stamp = self.cluster.commit(digest, &data, LIFETIME_S, &settings).await?;
                sleep(self.think / 4).await;
                self.cluster.settle(&timeouts(&settings)).await;
                match self.cluster.delayed_failures().pop() {
                    Some(error) => Err(error),
                    None => Ok(Outcome::Saved(Some(stamp))),
                }
            }
            Act::Touch if !list.is_empty() => {
                if self.cluster.touch(digest, LIFETIME_S, settings).await? {
                    return Ok(Outcome::Saved(stamp));
                }
                self.commit(digest, &list).await.map(|stamp| Outcome::Saved(Some(stamp)))
            }
            Act::Destroy | Act::Regenerate => self.destroy(op, digest).await,
            _ => {
                self.cluster.release(digest).await;
                Ok(Outcome::NotSaved)
            }
        }
    }

    async fn commit(&mut self, digest: &Digest, list: &[OpId]) -> Result<Stamp, Error> {
        let data = encode(list);
        self.cluster.commit(digest, &data, LIFETIME_S, &self.shared.settings).await
    }

    async fn destroy(&mut self, op: OpId, digest: &Digest) -> Result<Outcome, Error> {
        let settings = &self.shared.settings;
        if !self.cluster.is_held(digest) {
            self.shared.history().let_go(op);
        }
        self.cluster.destroy(digest, LIFETIME_S, settings).await?;
        Ok(Outcome::Saved(None))
    }

    async fn peek(&mut self, op: OpId, digest: &Digest) -> Result<Outcome, Error> {
        let mut buffer = Vec::new();
        let copy = self.cluster.peek(digest, &self.shared.settings, &mut buffer).await?;
        let list = decode(&copy).unwrap_or_else(|| self.damaged(op, &copy));
        self.shared.history().read(op, list, None);
        Ok(Outcome::NotSaved)
    }

    /// Goes on under another id, which nobody else knows yet.
    async fn renamed(&mut self, slot: usize) -> bool {
        let session = self.shared.new_session();
        let digest = self.shared.digest(session);
        let now = self.shared.network.now();
        let op = self.shared.history().begin(self.client, session, Kind::Commit, now);
        let settings = &self.shared.settings;
        let result = match self.cluster.open(&digest, Origin::Fresh, b"sim", settings).await {
            Ok(_) => {
                self.shared.history().reads_nothing(op);
                self.commit(&digest, &[op]).await.map(|stamp| Outcome::Saved(Some(stamp)))
            }
            Err(error) => Err(error),
        };
        self.shared.move_slot(slot, session);
        self.conclude(op, result)
    }

    /// The script runs, and the keeper of its process renews.
    async fn think(&mut self) {
        let end = Instant::now() + self.think;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // What the keeper did not come to do is left to the commit.
            if left.is_zero() {
                return;
            }
            let next = self.cluster.renew().await;
            sleep(next.map_or(left, |next| next.min(left))).await;
        }
    }

    fn conclude(&mut self, op: OpId, result: Result<Outcome, Error>) -> bool {
        let name = self.shared.history().name(op);
        match result {
            Ok(outcome) => {
                self.shared.network.note(|| format!("{name}: {outcome:?}"));
                self.shared.history().end(op, outcome);
                true
            }
            Err(error) => {
                self.shared.network.note(|| format!("{name} fails: {error}"));
                let mut history = self.shared.history();
                history.end(op, outcome_of(error.kind()));
                let is_refusal = matches!(
                    error.kind(),
                    ErrorKind::Destroyed | ErrorKind::LeaseLost | ErrorKind::Indeterminate
                );
                let is_explained = is_refusal && history.is_disturbed(op);
                if self.shared.is_calm() && !is_explained {
                    history.violate(format!("{name} fails, and nobody was paused: {error}"));
                }
                false
            }
        }
    }

    /// The operations that have made what was read under the lock.
    fn operations(&self, op: OpId, digest: &Digest) -> Vec<OpId> {
        let copy = self.cluster.data(digest);
        decode(&copy).unwrap_or_else(|| self.damaged(op, &copy))
    }

    fn damaged(&self, op: OpId, copy: &Copy<'_>) -> Vec<OpId> {
        let mut history = self.shared.history();
        let text = format!("{} reads {copy:?}", history.name(op));
        history.violate(text);
        Vec::new()
    }
}

/// The data of a session: the number of operations, and they.
fn encode(list: &[OpId]) -> Vec<u8> {
    list.iter().flat_map(|op| (*op as u32).to_le_bytes()).collect()
}

fn decode(copy: &Copy<'_>) -> Option<Vec<OpId>> {
    match copy {
        Copy::Absent => Some(Vec::new()),
        Copy::Data(bytes) => {
            let (numbers, rest) = bytes.as_chunks();
            let list = numbers.iter().map(|number| u32::from_le_bytes(*number) as OpId).collect();
            rest.is_empty().then_some(list)
        }
        Copy::Damaged(_) => None,
    }
}
