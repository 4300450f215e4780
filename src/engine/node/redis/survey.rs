//! What an operator's tool asks a Redis: how it does, and which sessions it has.

use super::{Redis, field, refusal};
use crate::error::shown;
use crate::limits::REDIS_SCAN_COUNT;
use crate::node::survey::in_time;
use crate::node::{Broken, Cause, Statistics};
use crate::wire::redis::ErrorCode;
use crate::wire::redis::resp::{Reply, encode};
use std::time::Duration;

impl Redis {
    /// What it says about itself. Who may not ask for that may have sessions all the same.
    pub(in crate::node) async fn statistics(&mut self) -> Result<Statistics, Broken> {
        self.begin();
        encode(&[b"INFO"], &mut self.buffered.output);
        encode(&[b"DBSIZE"], &mut self.buffered.output);
        self.buffered.flush().await?;
        let info = self
            .raw(|reply| match reply {
                Reply::Bulk(text) => Ok(text.to_vec()),
                _ => unknown(reply).map(|()| Vec::new()),
            })
            .await?;
        let items = self
            .raw(|reply| match reply {
                Reply::Integer(items) => Ok(u64::try_from(*items).ok()),
                _ => unknown(reply).map(|()| None),
            })
            .await?;
        let number = |name: &[u8]| field(&info, name)?.parse().ok();
        Ok(Statistics {
            version: Some(self.version.clone()),
            role: field(&info, b"role:").map(|role| match &*role {
                "master" => "primary".into(),
                "slave" => "replica".into(),
                _ => role,
            }),
            uptime_s: number(b"uptime_in_seconds:"),
            items,
            bytes: number(b"used_memory:"),
            // 0: it takes what it needs.
            bytes_max: number(b"maxmemory:").filter(|bytes| *bytes > 0),
            policy: field(&info, b"maxmemory_policy:"),
            evictions: number(b"evicted_keys:"),
        })
    }

    /// Does nothing, and may be refused.
    pub(in crate::node) async fn ping(&mut self) -> Result<(), Broken> {
        self.begin();
        encode(&[b"PING"], &mut self.buffered.output);
        self.buffered.flush().await?;
        self.raw(|_| Ok(())).await
    }

    /// Lists the keys of records, in steps that take no longer than `patience` each, and of which
    /// none keeps the server from its other clients for long.
    pub(in crate::node) async fn keys(
        &mut self,
        patience: Duration,
        mut take: impl FnMut(Vec<u8>),
    ) -> Result<(), Broken> {
        let count = REDIS_SCAN_COUNT.to_string();
        let mut cursor = b"0".to_vec();
        loop {
            self.set_patience(patience);
            cursor = in_time(patience, self.scan(&cursor, count.as_bytes(), &mut take)).await?;
            if cursor == b"0" {
                return Ok(());
            }
        }
    }

    /// A step of the list; where the next one begins.
    async fn scan(
        &mut self,
        cursor: &[u8],
        count: &[u8],
        take: &mut impl FnMut(Vec<u8>),
    ) -> Result<Vec<u8>, Broken> {
        self.begin();
        let words: [&[u8]; 6] = [b"SCAN", cursor, b"MATCH", b"sc:r:*", b"COUNT", count];
        encode(&words, &mut self.buffered.output);
        self.buffered.flush().await?;
        self.raw(|reply| match reply {
            Reply::Array(parts) => match &parts[..] {
                [Reply::Bulk(next), Reply::Array(keys)] => {
                    for key in keys {
                        if let Reply::Bulk(key) = key {
                            take(key.to_vec());
                        }
                    }
                    Ok(next.to_vec())
                }
                _ => Err(Broken::nonsense("no list of keys")),
            },
            Reply::Error(text) => {
                let reason = format!("the server lists no keys: {}", shown(text));
                Err(Broken { cause: Cause::Nonsense, reason })
            }
            _ => Err(Broken::nonsense("no list of keys")),
        })
        .await
    }
}

/// That something is not told, because this user may not know it.
fn unknown(reply: &Reply<'_>) -> Result<(), Broken> {
    match reply {
        Reply::Error(text) if ErrorCode::of(text) == ErrorCode::NoPerm => Ok(()),
        Reply::Error(text) => Err(refusal(text)),
        _ => Err(Broken::nonsense("no statistics")),
    }
}
