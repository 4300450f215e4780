//! The way to a primary, which its sentinels know.
//!
//! * They are asked one after the other, first the one that was of use last time. Each may take a
//!   share of the time that is left, so that one that hangs leaves enough for the others.
//! * The server that one names is believed to be the primary if it says so itself. While a failover
//!   goes on, sentinels name the old one: they are asked again and again then, with pauses.
//! * The sentinel that was of use tells when the primary is another one. So a connection to the old
//!   one is not used any more, which may take writes for some seconds, and loses them. That costs a
//!   second connection, and no waiting.
//!
//! Source: the Redis documentation, "Guidelines for Redis clients with support for Redis Sentinel".

use super::{Redis, connect, log_in, next, refusal};
use crate::config::redis::Redis as Service;
use crate::config::save_path::Endpoint;
use crate::error::shown;
use crate::limits::{SENTINEL_PAUSE_MAX, SENTINEL_PAUSE_MIN};
use crate::node::buffered::Buffered;
use crate::node::{Broken, Cause, Stream, World};
use crate::wire::redis::resp::{Limits, Reply, encode};
use crate::wire::redis::{ErrorCode, is_host};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Where a sentinel tells that the primary is another one: at once, if it has made it that itself,
/// and when all is done.
const NEWS: [&[u8]; 2] = [b"+promoted-slave", b"+switch-master"];

/// How long one of them may take.
const SHARE: &str = "its share of sessclust.connect_timeout";

/// Which of the sentinels of a name was of use last, for all connections of this process.
static USEFUL: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// Some sentinels, and what they are asked for.
struct Sentinels<'a> {
    name: &'a str,
    endpoints: Vec<&'a Endpoint>,
    service: &'a Service,
    world: &'a dyn World,
    deadline: Instant,
}

/// Connects to the primary of this name.
pub(super) async fn open(
    world: &dyn World,
    name: &str,
    (first, others): (&Endpoint, &[Endpoint]),
    service: &Service,
    patience: Duration,
) -> Result<Redis, Broken> {
    let endpoints = std::iter::once(first).chain(others).collect();
    // Earlier than whoever waits for us gives up, and does not know for what.
    let deadline = Instant::now() + patience.mul_f64(0.9);
    let sentinels = Sentinels { name, endpoints, service, world, deadline };
    let (mut pause, mut seen) = (SENTINEL_PAUSE_MIN, None);
    loop {
        match sentinels.ask_all().await {
            Err(broken) if broken.cause == Cause::Failover && sentinels.left() > pause => {
                seen = Some(broken);
                sleep(pause).await;
                pause = (pause * 2).min(SENTINEL_PAUSE_MAX);
            }
            // There was too little time to see more.
            Err(broken) if broken.cause == Cause::Timeout => return Err(seen.unwrap_or(broken)),
            result => return result,
        }
    }
}

impl Sentinels<'_> {
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Asks all of them, until one names a primary.
    async fn ask_all(&self) -> Result<Redis, Broken> {
        let count = self.endpoints.len();
        let useful = self.useful();
        let (mut said, mut tried) = (Vec::new(), Vec::new());
        let (mut is_unknown, mut has_waited) = (false, false);
        for turn in 0..count {
            let index = (useful + turn) % count;
            let sentinel = self.endpoints[index];
            // As much for each of those that are still to be asked, and for the primary.
            let share = self.left() / (count - turn + 1) as u32;
            let asked = timeout(share, self.ask(sentinel, share)).await;
            let (primary, news) = match asked.unwrap_or_else(|_| Err(Broken::late())) {
                Ok((Some(primary), news)) => (primary, news),
                Ok((None, _)) => {
                    is_unknown = true;
                    said.push(format!("{sentinel} does not know it"));
                    continue;
                }
                Err(broken) if matches!(broken.cause, Cause::Shortage | Cause::Failover) => {
                    return Err(broken);
                }
                Err(broken) => {
                    has_waited |= broken.cause == Cause::Timeout;
                    said.push(format!("{sentinel}: {}", broken.within(share, SHARE)));
                    continue;
                }
            };
            if tried.contains(&primary) {
                said.push(format!("{sentinel} does so too"));
                continue;
            }
            let left = self.left();
            match self.greet(&primary).await {
                Ok(mut redis) => {
                    redis.news = news;
                    self.set_useful(index);
                    return Ok(redis);
                }
                Err(broken) => {
                    // Another one may know better.
                    self.set_useful((index + 1) % count);
                    let reason = broken.within(left, "sessclust.connect_timeout");
                    let reason = format!("{sentinel} names {primary}: {reason}");
                    if matches!(broken.cause, Cause::Connect | Cause::Nonsense | Cause::Shortage) {
                        return Err(Broken { cause: broken.cause, reason });
                    }
                    said.push(reason);
                    tried.push(primary);
                }
            }
        }
        let (cause, what) = match (tried.is_empty(), is_unknown, has_waited) {
            (false, ..) => (Cause::Failover, "no primary is to be had"),
            (_, true, _) => {
                let what = "its sentinels know no primary of this name, SENTINEL MASTERS lists \
                            those that they know";
                (Cause::Connect, what)
            }
            (_, _, true) => (Cause::Timeout, "none of its sentinels answers"),
            _ => (Cause::Connect, "none of its sentinels answers"),
        };
        Err(Broken { cause, reason: format!("{what} ({})", said.join("; ")) })
    }

    /// Asks one of them for the primary; none if it does not know the name. Gives the stream on
    /// which it tells of another one, if it lets us know: the question and that are one write, so
    /// nothing is missed between them.
    async fn ask(
        &self,
        sentinel: &Endpoint,
        patience: Duration,
    ) -> Result<(Option<Endpoint>, Option<Box<dyn Stream>>), Broken> {
        let stream = connect(self.world, sentinel, self.service, patience).await?;
        let mut buffered = Buffered::new(stream);
        let login = &self.service.access.sentinel_login;
        if let Some(login) = login {
            log_in(login, &mut buffered.output);
        }
        let question = [b"SENTINEL", &b"GET-MASTER-ADDR-BY-NAME"[..], self.name.as_bytes()];
        encode(&question, &mut buffered.output);
        encode(&[b"SUBSCRIBE", NEWS[0], NEWS[1]], &mut buffered.output);
        buffered.flush().await?;
        let limits = Limits::default();
        if login.is_some() {
            next(&mut buffered, &limits, |reply| match reply {
                Reply::Error(text) => Err(refused(text)),
                _ => Ok(()),
            })
            .await?;
        }
        let primary = next(&mut buffered, &limits, |reply| match reply {
            Reply::Error(text) => Err(refused(text)),
            Reply::Nil => Ok(None),
            Reply::Array(parts) => match parts[..] {
                [Reply::Bulk(host), Reply::Bulk(port)] => endpoint(host, port).map(Some),
                _ => Err(Broken::nonsense("no address")),
            },
            _ => Err(Broken::nonsense("no address")),
        })
        .await?;
        // Each has a reply of its own, but a refusal is one.
        for _ in NEWS {
            let is_told = |reply: &Reply<'_>| Ok(matches!(reply, Reply::Array(_)));
            if !next(&mut buffered, &limits, is_told).await? {
                return Ok((primary, None));
            }
        }
        if !buffered.unread().is_empty() {
            // It has begun to tell of another one.
            let reason = "a failover has just begun".into();
            return Err(Broken { cause: Cause::Failover, reason });
        }
        Ok((primary, Some(buffered.into_stream())))
    }

    /// Connects to the server that one of them has named. That it refuses to be connected to, or is
    /// no primary, is [`Cause::Failover`], or has that cause's reason.
    async fn greet(&self, primary: &Endpoint) -> Result<Redis, Broken> {
        let greeting = async {
            let stream = connect(self.world, primary, self.service, self.left()).await;
            let stream = stream.map_err(|broken| match broken.cause {
                Cause::Connect => Broken { cause: Cause::Failover, ..broken },
                _ => broken,
            })?;
            Redis::greet(stream, self.service, self.world.random() as u64, self.left()).await
        };
        timeout_at(self.deadline, greeting).await.unwrap_or_else(|_| Err(Broken::late()))
    }

    fn key(&self) -> String {
        format!("{}@{}", self.name, self.endpoints[0])
    }

    fn useful(&self) -> usize {
        // It is never waited for: a fork may have left it locked for ever.
        USEFUL.try_lock().ok().and_then(|useful| useful.get(&self.key()).copied()).unwrap_or(0)
    }

    fn set_useful(&self, index: usize) {
        if let Ok(mut useful) = USEFUL.try_lock() {
            useful.insert(self.key(), index);
        }
    }
}

/// A sentinel that does not say what it is asked.
fn refused(text: &[u8]) -> Broken {
    let reason = match ErrorCode::of(text) {
        ErrorCode::NoAuth | ErrorCode::WrongPass | ErrorCode::NoPerm => format!(
            "{} (a line for sentinel:<name> in sessclust.credentials says who asks)",
            shown(text)
        ),
        _ => return refusal(text),
    };
    Broken { cause: Cause::Connect, reason }
}

/// The address that a sentinel tells.
fn endpoint(host: &[u8], port: &[u8]) -> Result<Endpoint, Broken> {
    let host = std::str::from_utf8(host).ok().filter(|host| is_host(host));
    let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
    match (host, port) {
        (Some(host), Some(port)) => {
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            Ok(Endpoint::Tcp { host, port })
        }
        _ => Err(Broken::nonsense("no address")),
    }
}
