//! A connection to a server: what the server is, and the protocol that it speaks.

use super::classic::Classic;
use super::pipeline::Pipeline;
use super::redis::{Answers, Redis, RedisCluster};
use super::{Answer, Broken, Cause, Grant, Joined, Late, Stream, Tag, Turn, World};
use crate::config::redis::{Redis as RedisService, Service, Topology};
use crate::config::save_path::NodeAddress;
use crate::error::shown;
use crate::limits::{MEMCACHED_ITEM_BYTES_DEFAULT, MEMCACHED_SETTINGS_MAX, REDIS_VALUE_BYTES_MAX};
use crate::wire::memcached::meta::{self, Limits, Reply, Request};
use std::time::{Duration, Instant};

/// A connection that stands.
pub(super) struct Connection {
    protocol: Protocol,
    greeting: Greeting,
}

enum Protocol {
    Meta(Pipeline),
    /// With the answers that were not fetched yet: each request is waited for when it is sent.
    Classic(Classic<Box<dyn Stream>>, Vec<Answer>),
    Redis(Box<Redis>),
    Cluster(Box<RedisCluster>),
}

/// What a server says about itself.
struct Greeting {
    version: String,
    /// Whether it speaks the meta protocol.
    is_meta: bool,
    item_bytes_max: usize,
}

impl Connection {
    /// Connects and asks the server what it is: one round trip.
    /// Gives up after `patience`, if the stream it gets can only be waited for in the kernel.
    pub(super) async fn open(
        world: &dyn World,
        address: &NodeAddress,
        patience: Duration,
    ) -> Result<Self, Broken> {
        let started = Instant::now();
        if let Service::Redis(service) = &address.service {
            return Self::open_redis(world, address, service, patience).await;
        }
        let stream = world.connect(&address.endpoint).await;
        let stream = stream.map_err(|error| Broken::of_connecting(&error))?;
        let mut pipeline = Pipeline::new(stream);
        pipeline.set_patience(patience.saturating_sub(started.elapsed()));
        let greeting = Greeting::ask(&mut pipeline).await?;
        let protocol = match greeting.is_meta {
            true => Protocol::Meta(pipeline),
            false => Protocol::Classic(Classic::new(pipeline.into_stream()), Vec::new()),
        };
        Ok(Self { protocol, greeting })
    }

    async fn open_redis(
        world: &dyn World,
        address: &NodeAddress,
        service: &RedisService,
        patience: Duration,
    ) -> Result<Self, Broken> {
        let (version, protocol) = match service.topology {
            Topology::Cluster { .. } => {
                let seeds = address.endpoints().cloned().collect();
                let cluster = RedisCluster::open(world, seeds, service, patience).await?;
                (cluster.version(), Protocol::Cluster(Box::new(cluster)))
            }
            Topology::Single | Topology::Sentinel { .. } => {
                let redis = Redis::open(world, &address.endpoint, service, patience).await?;
                (redis.version().into(), Protocol::Redis(Box::new(redis)))
            }
        };
        let item_bytes_max = REDIS_VALUE_BYTES_MAX;
        Ok(Self { protocol, greeting: Greeting { version, is_meta: false, item_bytes_max } })
    }

    /// Joins those who wait for a lock, for `patience` at most, and blocks until it is given to
    /// this connection. Where joining is refused, it may block all the same.
    pub(super) async fn join(
        &mut self,
        world: &dyn World,
        lock: &Turn<'_>,
        patience: Duration,
        is_to_write: bool,
        late: &mut Vec<Late>,
    ) -> Result<Joined, Broken> {
        match &mut self.protocol {
            Protocol::Redis(redis) => {
                redis.settle(world, late).await?;
                redis.join_and_block(lock, patience, is_to_write).await?;
                Ok(Joined::of(redis.queued(world, late).await?.1))
            }
            // A slot may move, and with it what is sent, but not in this order.
            Protocol::Cluster(cluster) => {
                cluster.join(world, lock, patience).await?;
                let joined = Joined::of(cluster.queued(world, late).await?.1);
                if matches!(joined, Joined::Waiting(_)) {
                    cluster.block(world, lock.key, patience).await?;
                }
                Ok(joined)
            }
            Protocol::Meta(_) | Protocol::Classic(..) => Err(no_queue()),
        }
    }

    /// Waits for the outcome of [`Connection::join`]. None if there is no use in waiting on.
    pub(super) async fn granted(&mut self) -> Result<Option<Grant>, Broken> {
        match &mut self.protocol {
            Protocol::Redis(redis) => redis.granted().await,
            Protocol::Cluster(cluster) => cluster.granted().await,
            Protocol::Meta(_) | Protocol::Classic(..) => Err(no_queue()),
        }
    }

    /// Says over another connection that somebody waits for a lock. Gives whether a grant lies
    /// there that nobody has taken, and what the lock says now.
    pub(super) async fn poke(
        &mut self,
        world: &dyn World,
        lock: &Turn<'_>,
        patience: Duration,
        late: &mut Vec<Late>,
    ) -> Result<(bool, Answer), Broken> {
        match &mut self.protocol {
            Protocol::Redis(redis) => {
                redis.poke(lock, patience).await?;
                redis.queued(world, late).await
            }
            Protocol::Cluster(cluster) => {
                cluster.poke(world, lock, patience).await?;
                cluster.queued(world, late).await
            }
            Protocol::Meta(_) | Protocol::Classic(..) => Err(no_queue()),
        }
    }

    /// This connection does not wait for the lock any more. Not waited for.
    pub(super) async fn leave(&mut self, world: &dyn World, lock: &Turn<'_>) -> Result<(), Broken> {
        match &mut self.protocol {
            Protocol::Redis(redis) => redis.leave(lock).await,
            Protocol::Cluster(cluster) => cluster.leave(world, lock).await,
            Protocol::Meta(_) | Protocol::Classic(..) => Err(no_queue()),
        }
    }

    /// How many of the connections it is made of were lost.
    pub(super) fn losses(&self) -> u64 {
        match &self.protocol {
            Protocol::Cluster(cluster) => cluster.losses(),
            Protocol::Meta(_) | Protocol::Classic(..) | Protocol::Redis(_) => 0,
        }
    }

    /// Something has failed. Says whether only a part of it is of no use any more, which is closed.
    pub(super) fn survives(&mut self, late: &mut Vec<Late>) -> bool {
        match &mut self.protocol {
            Protocol::Cluster(cluster) => cluster.give_up(late),
            Protocol::Meta(_) | Protocol::Classic(..) | Protocol::Redis(_) => false,
        }
    }

    /// How long from now on waiting for the server may take.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        match &mut self.protocol {
            Protocol::Redis(redis) => redis.set_patience(patience),
            Protocol::Cluster(cluster) => cluster.set_patience(patience),
            Protocol::Meta(pipeline) => pipeline.set_patience(patience),
            Protocol::Classic(classic, _) => classic.stream_mut().set_patience(patience),
        }
    }

    pub(super) fn item_bytes_max(&self) -> usize {
        self.greeting.item_bytes_max
    }

    pub(super) fn server(&self) -> String {
        let version = &self.greeting.version;
        match &self.protocol {
            Protocol::Meta(_) => format!("{version}, meta protocol"),
            Protocol::Classic(..) => format!("{version}, classic protocol"),
            Protocol::Redis(_) | Protocol::Cluster(_) => version.clone(),
        }
    }

    pub(super) fn has_unasked_input(&self) -> bool {
        match &self.protocol {
            Protocol::Meta(pipeline) => pipeline.has_unasked_input(),
            Protocol::Redis(redis) => redis.has_unasked_input(),
            // It looks itself.
            Protocol::Classic(..) | Protocol::Cluster(_) => false,
        }
    }

    pub(super) fn owes_answers(&self) -> bool {
        match &self.protocol {
            Protocol::Meta(pipeline) => pipeline.owes_answers(),
            Protocol::Redis(redis) => redis.owes_answers(),
            Protocol::Cluster(cluster) => cluster.owes_answers(),
            Protocol::Classic(..) => false,
        }
    }

    /// Whether the answers that it owes have begun to arrive.
    pub(super) fn has_input(&self) -> bool {
        match &self.protocol {
            Protocol::Meta(pipeline) => pipeline.has_input(),
            Protocol::Redis(redis) => redis.has_input(),
            Protocol::Cluster(cluster) => cluster.has_input(),
            Protocol::Classic(..) => true,
        }
    }

    /// The tags of requests that will never be answered, if it does not [survive](Self::survives).
    pub(super) fn into_owed(self) -> Vec<Tag> {
        match self.protocol {
            Protocol::Meta(pipeline) => pipeline.into_owed().collect(),
            Protocol::Redis(redis) => redis.into_owed().collect(),
            Protocol::Classic(..) | Protocol::Cluster(_) => Vec::new(),
        }
    }

    /// Sends requests, whose answers [`Connection::receive`] gives.
    pub(super) async fn send(
        &mut self,
        world: &dyn World,
        requests: &[Request<'_>],
    ) -> Result<(), Broken> {
        match &mut self.protocol {
            Protocol::Meta(pipeline) => pipeline.send(requests, None).await,
            Protocol::Redis(redis) => redis.send(requests, None).await,
            Protocol::Cluster(cluster) => cluster.send(world, requests, None).await,
            Protocol::Classic(classic, answers) => {
                answers.extend(execute(classic, requests).await?);
                Ok(())
            }
        }
    }

    pub(super) async fn receive(
        &mut self,
        world: &dyn World,
        late: &mut Vec<Late>,
    ) -> Result<Vec<Answer>, Broken> {
        match &mut self.protocol {
            Protocol::Meta(pipeline) => pipeline.receive_all(late).await,
            Protocol::Redis(redis) => redis.receive_all(world, late).await,
            Protocol::Cluster(cluster) => cluster.receive_all(world, late).await,
            Protocol::Classic(_, answers) => Ok(std::mem::take(answers)),
        }
    }

    pub(super) async fn post(
        &mut self,
        world: &dyn World,
        requests: &[Request<'_>],
        tag: Tag,
        late: &mut Vec<Late>,
    ) -> Result<(), Broken> {
        match &mut self.protocol {
            Protocol::Meta(pipeline) => pipeline.send(requests, Some(tag)).await,
            Protocol::Redis(redis) => redis.send(requests, Some(tag)).await,
            Protocol::Cluster(cluster) => cluster.send(world, requests, Some(tag)).await,
            Protocol::Classic(classic, _) => {
                let answers = execute(classic, requests).await?;
                late.extend(answers.into_iter().map(|answer| Late { tag, answer: Some(answer) }));
                Ok(())
            }
        }
    }

    pub(super) async fn settle(
        &mut self,
        world: &dyn World,
        late: &mut Vec<Late>,
    ) -> Result<(), Broken> {
        match &mut self.protocol {
            Protocol::Meta(pipeline) => pipeline.settle(late).await,
            Protocol::Redis(redis) => redis.settle(world, late).await,
            Protocol::Cluster(cluster) => cluster.settle(world, late).await,
            Protocol::Classic(..) => Ok(()),
        }
    }
}

fn no_queue() -> Broken {
    Broken::nonsense("a server without a queue")
}

/// The classic protocol has neither pipelines nor quiet requests: one after the other.
async fn execute(
    classic: &mut Classic<Box<dyn Stream>>,
    requests: &[Request<'_>],
) -> Result<Vec<Answer>, Broken> {
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        let answer = classic
            .execute(request, &Limits::default())
            .await
            .map_err(|error| Broken::of_io(&error))?;
        if !request.is_quiet() {
            answers.push(answer);
        }
    }
    Ok(answers)
}

impl Greeting {
    /// Asks for the version, whether the meta protocol is spoken, and the settings, in one write.
    async fn ask(pipeline: &mut Pipeline) -> Result<Self, Broken> {
        let mut version = None;
        let mut is_meta = false;
        let mut item_bytes_max = None;
        let mut has_cas = true;
        let mut settings = 0;
        let requests = [Request::Version, Request::Noop, Request::Settings];
        pipeline
            .greet(&requests, |request, reply| match (request, reply) {
                (Request::Version, Reply::Version(text)) => {
                    version = Some(text.to_vec());
                    Ok(true)
                }
                // A full server says so to whatever comes first, and closes the connection.
                (Request::Version, Reply::Error(text) | Reply::ServerError(text))
                    if !text.is_empty() =>
                {
                    Err(format!("the server refuses: {}", shown(text)))
                }
                (Request::Version, Reply::ClientError(text)) => Err(format!(
                    "the server refuses: {} (servers that ask for a password are not supported)",
                    shown(text)
                )),
                (Request::Noop, _) => {
                    let version = version.as_deref().map_or(Reply::Error(b""), Reply::Version);
                    is_meta = meta::is_spoken(&version, reply);
                    Ok(true)
                }
                (Request::Settings, Reply::Stat { name, text }) => {
                    settings += 1;
                    if settings > MEMCACHED_SETTINGS_MAX {
                        return Err("nonsense instead of the server's settings".into());
                    }
                    match *name {
                        b"item_size_max" => {
                            let size = std::str::from_utf8(text).ok().and_then(|n| n.parse().ok());
                            item_bytes_max = size;
                        }
                        b"cas_enabled" => has_cas = *text != b"no",
                        _ => {}
                    }
                    Ok(false)
                }
                _ => Ok(true),
            })
            .await?;
        if !has_cas {
            let reason = "the server has no CAS (memcached -C), which sessions need".into();
            return Err(Broken { cause: Cause::Nonsense, reason });
        }
        let version = version.unwrap_or_else(|| b"unknown version".to_vec());
        if meta::numbers_misses(&version) {
            pipeline.expect_numbered_misses();
        }
        Ok(Self {
            version: shown(&version),
            is_meta,
            item_bytes_max: item_bytes_max.unwrap_or(MEMCACHED_ITEM_BYTES_DEFAULT),
        })
    }
}
