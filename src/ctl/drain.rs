//! `drain` and `undrain`: takes a node out of use on this machine, and puts it into use again.

use crate::pool::Pool;
use crate::{Refusal, Verdict};
use clap::Args;

#[derive(Args)]
pub(crate) struct Drain {
    /// The node, as the save path names it or `nodes` shows it
    node: String,
}

impl Drain {
    pub(crate) fn run(&self, pool: &Pool, is_drained: bool) -> Result<Verdict, Refusal> {
        let node = pool.node(&self.node)?;
        let address = &pool.nodes[node];
        pool.drain(node, is_drained)?;
        match is_drained {
            true => println!(
                "{address} is drained on this machine; do the same on every web server, then run \
                 sessclustctl repair"
            ),
            false => println!(
                "{address} is in use on this machine again; do the same on every web server, then \
                 run sessclustctl repair"
            ),
        }
        Ok(Verdict::Fine)
    }
}
