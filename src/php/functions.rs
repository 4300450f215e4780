//! The functions that PHP code can call; `stubs/sessclust.stub.php` documents them.

use super::worker;
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

/// The nodes that hold the sessions; for the embedded store one, once it has been opened.
#[php_function]
fn sessclust_nodes() -> Result<ZBox<ZendHashTable>> {
    let mut nodes = ZendHashTable::new();
    if let Some((directory, is_usable)) = worker::with(|worker| worker.node()) {
        let mut node = ZendHashTable::new();
        node.insert("type", "local")?;
        node.insert("state", if is_usable { "up" } else { "down" })?;
        node.insert("directory", directory)?;
        nodes.push(node)?;
    }
    Ok(nodes)
}

fn table(entries: &[(&str, u64)]) -> Result<ZBox<ZendHashTable>> {
    let mut table = ZendHashTable::new();
    for (name, value) in entries {
        // A counter beyond PHP's largest integer would take centuries; it stays there.
        table.insert(*name, i64::try_from(*value).unwrap_or(i64::MAX))?;
    }
    Ok(table)
}
