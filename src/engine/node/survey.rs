//! What an operator's tool asks a server, on a connection of its own: how it does, and what it has.

use super::pipeline::Pipeline;
use super::redis::Redis;
use super::{Broken, Cause, Failure, Node, Timeouts, World, birth_key};
use crate::config::redis::Topology;
use crate::config::save_path::NodeAddress;
use crate::config::time_with_unit;
use crate::error::shown;
use crate::limits::{
    MEMCACHED_LIST_BUSY_MAX, MEMCACHED_LIST_BUSY_PAUSE, MEMCACHED_LIST_PAUSE_MAX,
    MEMCACHED_SETTINGS_MAX,
};
use crate::wire::memcached::meta::{Opaque, Reply, Request, Wants};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How a server does. What it does not tell is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Its version, with the name of what is no memcached, fit to be shown.
    pub version: Option<String>,
    /// `primary` or `replica`, of a Redis.
    pub role: Option<String>,
    /// Seconds since it was started.
    pub uptime_s: Option<u64>,
    /// Items that it has, of whatever kind; ended ones may be among them.
    pub items: Option<u64>,
    /// Bytes of these items; of a Redis, all that it has in use.
    pub bytes: Option<u64>,
    /// Bytes that it may use for that.
    pub bytes_max: Option<u64>,
    /// What it throws out when that is not enough: `maxmemory-policy` of a Redis.
    pub policy: Option<String>,
    /// Items that it has thrown out to make room, though they had not ended.
    pub evictions: Option<u64>,
}

impl Statistics {
    /// Whether the server takes no sessions, because it follows another one.
    pub fn is_replica(&self) -> bool {
        self.role.as_deref() == Some("replica")
    }
}

/// A connection to a server, to look at it.
pub struct Survey<'a> {
    server: Server<'a>,
    address: &'a NodeAddress,
    timeouts: Timeouts,
}

enum Server<'a> {
    Memcached(Pipeline),
    Redis(Box<Redis>),
    /// A cluster, of which is known what a node knows.
    Cluster(Box<Node>, &'a dyn World),
}

impl<'a> Survey<'a> {
    /// Connects.
    ///
    /// # Errors
    /// [`Cause::Connect`].
    pub async fn open(
        world: &'a dyn World,
        address: &'a NodeAddress,
        timeouts: Timeouts,
    ) -> Result<Self, Failure> {
        if matches!(address.topology(), Topology::Cluster { .. }) {
            let mut node = Node::new(address.clone());
            node.connect(world, &timeouts).await?;
            return Ok(Self { server: Server::Cluster(Box::new(node), world), address, timeouts });
        }
        let (endpoint, patience) = (&address.endpoint, timeouts.connect);
        let connecting = async {
            if let Some(service) = address.as_redis() {
                let redis = Redis::open(world, endpoint, service, patience).await?;
                return Ok(Server::Redis(Box::new(redis)));
            }
            let stream = world.connect(endpoint).await;
            let stream = stream.map_err(|error| Broken::of_connecting(&error))?;
            Ok(Server::Memcached(Pipeline::new(stream)))
        };
        let server = in_time(patience, connecting).await.map_err(|broken| {
            let reason = broken.within(patience, "sessclust.connect_timeout");
            let text = format!("cannot connect to {address}: {reason}");
            Failure::new(Cause::Connect, text, broken.cause == Cause::Timeout)
        })?;
        Ok(Self { server, address, timeouts })
    }

    /// Asks how the server does. One round trip.
    ///
    /// # Errors
    /// [`Failure`]. The connection is not to be used any more then.
    pub async fn statistics(&mut self) -> Result<Statistics, Failure> {
        let patience = self.timeouts.request;
        let told = match &mut self.server {
            Server::Memcached(pipeline) => {
                pipeline.set_patience(patience);
                in_time(patience, statistics(pipeline)).await
            }
            Server::Redis(redis) => {
                redis.set_patience(patience);
                in_time(patience, redis.statistics()).await
            }
            Server::Cluster(node, _) => {
                Ok(Statistics { version: node.server(), ..Statistics::default() })
            }
        };
        told.map_err(|broken| self.failure(broken))
    }

    /// The time from a request that does nothing to its answer.
    ///
    /// # Errors
    /// [`Failure`]. The connection is not to be used any more then.
    pub async fn latency(&mut self) -> Result<Duration, Failure> {
        let (patience, started) = (self.timeouts.request, Instant::now());
        let answered = match &mut self.server {
            Server::Memcached(pipeline) => {
                pipeline.set_patience(patience);
                // A server that does not know the request says so as quickly.
                in_time(patience, pipeline.greet(&[Request::Noop], |_, _| Ok(true))).await
            }
            Server::Redis(redis) => {
                redis.set_patience(patience);
                in_time(patience, redis.ping()).await
            }
            Server::Cluster(node, world) => {
                let key = birth_key();
                let asked = [Request::Get { key, wants: Wants::Value, opaque: Opaque(0) }];
                node.exchange(*world, &self.timeouts, &asked).await?;
                Ok(())
            }
        };
        answered.map_err(|broken| self.failure(broken))?;
        Ok(started.elapsed())
    }

    /// Lists the keys of all items that the server has, of a Redis those of records alone: each
    /// once or, if it is stored anew meanwhile, more often.
    ///
    /// # Errors
    /// [`Failure`]. The connection is not to be used any more then.
    pub async fn keys(&mut self, take: impl FnMut(Vec<u8>)) -> Result<(), Failure> {
        let patience = self.timeouts.request;
        let listed = match &mut self.server {
            Server::Memcached(pipeline) => keys(pipeline, patience, take).await,
            Server::Redis(redis) => redis.keys(patience, take).await,
            Server::Cluster(..) => {
                let reason = "its servers copy the sessions themselves".into();
                Err(Broken { cause: Cause::Nonsense, reason })
            }
        };
        listed.map_err(|broken| self.failure(broken))
    }

    fn failure(&self, broken: Broken) -> Failure {
        let reason = broken.within(self.timeouts.request, "sessclust.request_timeout");
        let text = format!("node {}: {reason}", self.address);
        Failure::new(broken.cause, text, broken.cause == Cause::Timeout)
    }
}

/// What a memcached has counted.
async fn statistics(pipeline: &mut Pipeline) -> Result<Statistics, Broken> {
    let mut statistics = Statistics::default();
    let mut lines = 0;
    let take = |_: &Request<'_>, reply: &Reply<'_>| {
        let Reply::Stat { name, text } = reply else {
            return match reply {
                Reply::End => Ok(true),
                _ => Err(refusal(reply)),
            };
        };
        lines += 1;
        if lines > MEMCACHED_SETTINGS_MAX {
            return Err("nonsense instead of the server's statistics".into());
        }
        let number = || std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        match *name {
            b"version" => statistics.version = Some(shown(text)),
            b"uptime" => statistics.uptime_s = number(),
            b"curr_items" => statistics.items = number(),
            b"bytes" => statistics.bytes = number(),
            b"limit_maxbytes" => statistics.bytes_max = number(),
            b"evictions" => statistics.evictions = number(),
            _ => {}
        }
        Ok(false)
    };
    pipeline.greet(&[Request::Statistics], take).await?;
    Ok(statistics)
}

/// The keys that a memcached has; one that is busy is asked again.
async fn keys(
    pipeline: &mut Pipeline,
    patience: Duration,
    mut take: impl FnMut(Vec<u8>),
) -> Result<(), Broken> {
    let deadline = Instant::now() + MEMCACHED_LIST_BUSY_MAX;
    loop {
        pipeline.set_patience(patience);
        match pipeline.list(&mut take).await {
            Ok(true) => return Ok(()),
            Ok(false) if Instant::now() < deadline => sleep(MEMCACHED_LIST_BUSY_PAUSE).await,
            Ok(false) => {
                let reason = "the server is busy with its items, try again later".into();
                return Err(Broken { cause: Cause::Nonsense, reason });
            }
            Err(Broken { cause: Cause::Timeout, .. }) => {
                let pause = time_with_unit(MEMCACHED_LIST_PAUSE_MAX);
                let reason = format!("the list of its keys stopped for {pause}");
                return Err(Broken { cause: Cause::Cut, reason });
            }
            Err(broken) => return Err(broken),
        }
    }
}

pub(super) async fn in_time<T>(
    patience: Duration,
    task: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    timeout(patience, task).await.unwrap_or_else(|_| Err(Broken::late()))
}

fn refusal(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Error(text) | Reply::ClientError(text) | Reply::ServerError(text) => {
            format!("the server refuses: {}", shown(text))
        }
        _ => "the answer to another request".into(),
    }
}
