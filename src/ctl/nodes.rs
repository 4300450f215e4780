//! `nodes`: how each node does.

use crate::pool::Pool;
use crate::text::{or_dash, row, size, span, table};
use crate::{Refusal, Verdict};
use clap::Args;
use serde_json::{Value, json};
use sessclust_engine::config::save_path::NodeAddress;
use sessclust_engine::node::{Failure, Statistics, Survey, System};
use std::time::Duration;

#[derive(Args)]
pub(crate) struct Nodes {
    /// Print a JSON array of objects instead of a table; sizes in bytes, uptime_s in seconds,
    /// latency_us in microseconds
    #[arg(long)]
    json: bool,
}

/// Round trips of which the shortest is shown.
const ROUND_TRIPS: usize = 3;

impl Nodes {
    pub(crate) fn run(&self, pool: &Pool) -> Result<Verdict, Refusal> {
        let runtime = pool.runtime()?;
        let looked: Vec<_> =
            pool.nodes.iter().map(|node| runtime.block_on(look(pool, node))).collect();
        match self.json {
            true => println!("{:#}", as_json(pool, &looked)),
            false => print!("{}", as_table(pool, &looked)),
        }
        let is_fine = looked.iter().all(|it| it.as_ref().is_ok_and(|(it, _)| !it.is_replica()));
        Ok(if is_fine { Verdict::Fine } else { Verdict::NotFine })
    }
}

/// What a node says of itself, and the time of a round trip to it.
type Look = Result<(Statistics, Duration), Failure>;

async fn look(pool: &Pool, node: &NodeAddress) -> Look {
    let mut survey = Survey::open(&System, node, pool.timeouts()).await?;
    let statistics = survey.statistics().await?;
    let mut latency = survey.latency().await?;
    for _ in 1..ROUND_TRIPS {
        latency = latency.min(survey.latency().await?);
    }
    Ok((statistics, latency))
}

fn as_table(pool: &Pool, looked: &[Look]) -> String {
    let mut head = row([
        "NODE",
        "STATE",
        "MACHINE",
        "VERSION",
        "ITEMS",
        "BYTES",
        "LIMIT",
        "EVICTIONS",
        "UPTIME",
        "LATENCY",
    ]);
    // All nodes of a pool are of one service.
    let is_redis = pool.nodes[0].as_redis().is_some();
    if is_redis {
        head.extend(row(["ROLE", "POLICY"]));
    }
    let mut rows = vec![head];
    let mut reasons = String::new();
    for (index, (node, looked)) in pool.nodes.iter().zip(looked).enumerate() {
        let state = if looked.is_ok() { "up" } else { "down" };
        let unknown = Statistics::default();
        let (it, latency) = match looked {
            Ok((statistics, latency)) => (statistics, Some(*latency)),
            Err(failure) => {
                reasons.push_str(&format!("{failure}\n"));
                (&unknown, None)
            }
        };
        let mut cells = vec![
            node.to_string(),
            state.into(),
            pool.known_state(index).into(),
            or_dash(it.version.as_ref(), String::clone),
            or_dash(it.items, |items| items.to_string()),
            or_dash(it.bytes, size),
            or_dash(it.bytes_max, size),
            or_dash(it.evictions, |evictions| evictions.to_string()),
            or_dash(it.uptime_s, span),
            or_dash(latency, milliseconds),
        ];
        if is_redis {
            cells.push(or_dash(it.role.as_ref(), String::clone));
            cells.push(or_dash(it.policy.as_ref(), String::clone));
        }
        rows.push(cells);
        if it.is_replica() {
            reasons.push_str(&format!(
                "node {node} is a replica, which takes no sessions: name the primary\n"
            ));
        }
    }
    let gap = if reasons.is_empty() { "" } else { "\n" };
    format!("{}{gap}{reasons}", table(&rows))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}

fn as_json(pool: &Pool, looked: &[Look]) -> Value {
    let object = |(index, (node, looked)): (usize, (&NodeAddress, &Look))| {
        let (address, machine) = (node.to_string(), pool.known_state(index));
        match looked {
            Ok((it, latency)) => json!({
                "node": address,
                "state": "up",
                "machine": machine,
                "version": it.version,
                "role": it.role,
                "items": it.items,
                "bytes": it.bytes,
                "bytes_max": it.bytes_max,
                "policy": it.policy,
                "evictions": it.evictions,
                "uptime_s": it.uptime_s,
                "latency_us": latency.as_micros() as u64,
            }),
            Err(failure) => {
                let error = failure.to_string();
                json!({ "node": address, "state": "down", "machine": machine, "error": error })
            }
        }
    };
    pool.nodes.iter().zip(looked).enumerate().map(object).collect()
}
