//! The functions that PHP code can call; `stubs/sessclust.stub.php` documents them.

use super::worker::{self, Value};
use ext_php_rs::boxed::ZBox;
use ext_php_rs::error::Result;
use ext_php_rs::prelude::*;
use ext_php_rs::types::ZendHashTable;
use sessclust_engine::stats::{self, Counter};

/// Registers the functions.
pub(super) fn add_to(module: ModuleBuilder<'_>) -> ModuleBuilder<'_> {
    module.function(wrap_function!(sessclust_stats)).function(wrap_function!(sessclust_nodes))
}

/// What sessions cost: this request's, and the counters of all processes of the server.
#[php_function]
fn sessclust_stats() -> Result<ZBox<ZendHashTable>> {
    let request = worker::with(|worker| worker.stats()).named();
    let counters = Counter::ALL.map(|counter| (counter.name(), stats::counters().get(counter)));
    let mut stats = ZendHashTable::new();
    stats.insert("request", table(&request)?)?;
    stats.insert("counters", table(&counters)?)?;
    Ok(stats)
}

/// The nodes that hold the sessions, once one was used: one for the embedded store, those of
/// `session.save_path` for a pool.
#[php_function]
fn sessclust_nodes() -> Result<ZBox<ZendHashTable>> {
    let mut nodes = ZendHashTable::new();
    for node in worker::with(|worker| worker.nodes()) {
        let mut entries = ZendHashTable::new();
        for (name, value) in node {
            match value {
                Value::Text(text) => entries.insert(name, text)?,
                Value::Number(number) => entries.insert(name, integer(number))?,
                Value::Flag(flag) => entries.insert(name, flag)?,
                Value::Unknown => entries.insert(name, ())?,
            }
        }
        nodes.push(entries)?;
    }
    Ok(nodes)
}

fn table(entries: &[(&str, u64)]) -> Result<ZBox<ZendHashTable>> {
    let mut table = ZendHashTable::new();
    for (name, value) in entries {
        table.insert(*name, integer(*value))?;
    }
    Ok(table)
}

/// A counter beyond PHP's largest integer would take centuries; it stays there.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
