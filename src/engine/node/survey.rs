//! What an operator's tool asks a server, on a connection of its own: how it does, and what it has.

use super::pipeline::Pipeline;
use super::{Broken, Cause, Failure, Timeouts, World};
use crate::config::save_path::NodeAddress;
use crate::config::time_with_unit;
use crate::error::shown;
use crate::limits::{
    MEMCACHED_LIST_BUSY_MAX, MEMCACHED_LIST_BUSY_PAUSE, MEMCACHED_LIST_PAUSE_MAX,
    MEMCACHED_SETTINGS_MAX,
};
use crate::wire::memcached::meta::{Reply, Request};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How a server does. What it does not tell is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Its version, fit to be shown.
    pub version: Option<String>,
    /// Seconds since it was started.
    pub uptime_s: Option<u64>,
    /// Items that it has, of whatever kind; ended ones may be among them.
    pub items: Option<u64>,
    /// Bytes of these items.
    pub bytes: Option<u64>,
    /// Bytes that it may use for items.
    pub bytes_max: Option<u64>,
    /// Items that it has thrown out to make room, though they had not ended.
    pub evictions: Option<u64>,
}

/// A connection to a server, to look at it.
pub struct Survey<'a> {
    pipeline: Pipeline,
    address: &'a NodeAddress,
    timeouts: Timeouts,
}

impl<'a> Survey<'a> {
    /// Connects.
    ///
    /// # Errors
    /// [`Cause::Connect`].
    pub async fn open(
        world: &dyn World,
        address: &'a NodeAddress,
        timeouts: Timeouts,
    ) -> Result<Self, Failure> {
        let connecting = async {
            let stream = world.connect(&address.endpoint).await;
            stream.map_err(|error| Broken::of_connecting(&error))
        };
        let stream = in_time(timeouts.connect, connecting).await.map_err(|broken| {
            let reason = broken.within(timeouts.connect, "sessclust.connect_timeout");
            let text = format!("cannot connect to {address}: {reason}");
            Failure::new(Cause::Connect, text, broken.cause == Cause::Timeout)
        })?;
        Ok(Self { pipeline: Pipeline::new(stream), address, timeouts })
    }

    /// Asks how the server does. One round trip.
    ///
    /// # Errors
    /// [`Failure`]. The connection is not to be used any more then.
    pub async fn statistics(&mut self) -> Result<Statistics, Failure> {
        let mut statistics = Statistics::default();
        let mut lines = 0;
        self.ask(&Request::Statistics, |reply| {
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
        })
        .await?;
        Ok(statistics)
    }

    /// The time from a request that does nothing to its answer.
    ///
    /// # Errors
    /// [`Failure`]. The connection is not to be used any more then.
    pub async fn latency(&mut self) -> Result<Duration, Failure> {
        let started = Instant::now();
        // A server that does not know the request says so as quickly.
        self.ask(&Request::Noop, |_| Ok(true)).await?;
        Ok(started.elapsed())
    }

    /// Lists the keys of all items that the server has, each once or, if it is stored anew
    /// meanwhile, twice.
    ///
    /// # Errors
    /// [`Failure`]. The connection is not to be used any more then.
    pub async fn keys(&mut self, mut take: impl FnMut(Vec<u8>)) -> Result<(), Failure> {
        let deadline = Instant::now() + MEMCACHED_LIST_BUSY_MAX;
        loop {
            self.pipeline.set_patience(self.timeouts.request);
            match self.pipeline.list(&mut take).await {
                Ok(true) => return Ok(()),
                Ok(false) if Instant::now() < deadline => sleep(MEMCACHED_LIST_BUSY_PAUSE).await,
                Ok(false) => {
                    let reason = "the server is busy with its items, try again later".into();
                    return Err(self.failure(Broken { cause: Cause::Nonsense, reason }));
                }
                Err(Broken { cause: Cause::Timeout, .. }) => {
                    let pause = time_with_unit(MEMCACHED_LIST_PAUSE_MAX);
                    let reason = format!("the list of its keys stopped for {pause}");
                    return Err(self.failure(Broken { cause: Cause::Cut, reason }));
                }
                Err(broken) => return Err(self.failure(broken)),
            }
        }
    }

    async fn ask(
        &mut self,
        request: &Request<'_>,
        mut take: impl FnMut(&Reply<'_>) -> Result<bool, String>,
    ) -> Result<(), Failure> {
        let patience = self.timeouts.request;
        self.pipeline.set_patience(patience);
        let asked = std::slice::from_ref(request);
        let asking = self.pipeline.greet(asked, |_, reply| take(reply));
        in_time(patience, asking).await.map_err(|broken| self.failure(broken))
    }

    fn failure(&self, broken: Broken) -> Failure {
        let reason = broken.within(self.timeouts.request, "sessclust.request_timeout");
        let text = format!("node {}: {reason}", self.address);
        Failure::new(broken.cause, text, broken.cause == Cause::Timeout)
    }
}

async fn in_time<T>(
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
