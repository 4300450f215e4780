//! `sessclustctl`: what an operator asks and does about the pools of sessclust, with the engine
//! that the PHP extension has.
//!
//! ```text
//! main.rs     the command line, exit codes
//! pool.rs     which pool is meant: save path and settings, from options and php.ini
//! ini.rs      reads php.ini
//! nodes.rs    nodes: how each node does
//! locate.rs   locate: where the copies of a session are, who holds it
//! repair.rs   repair: gives sessions their copies again
//! drain.rs    drain, undrain: takes a node out of use on this machine
//! text.rs     tables, sizes and times for people
//! ```
//!
//! It never prints a session's data, and says of a session's id no more than the digest does.

mod drain;
mod ini;
mod locate;
mod nodes;
mod pool;
mod repair;
mod text;

use clap::{Parser, Subcommand};
use pool::{Pool, PoolOptions};
use std::process::ExitCode;

/// Looks after the memcached and Redis pools of the PHP session handler sessclust.
///
/// The pool is the one of session.save_path: give it with --save-path or as the first argument, or
/// let it be read from the php.ini of the web server with --ini.
#[derive(Parser)]
#[command(version, subcommand_required = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(flatten)]
    pool: PoolOptions,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Examples:
  sessclustctl memcached://10.0.0.1,memcached://10.0.0.2,memcached://10.0.0.3 nodes
  sessclustctl --ini /etc/php/8.2/fpm/conf.d/30-sessclust.ini repair
  sudo -u www-data sessclustctl --ini /etc/php/8.2/fpm/php.ini drain 10.0.0.2:11211

Exit codes:
  0  done, and all is as it should be
  1  done, but not all is as it should be: a node does not answer, a session is not there or not
     whole, a copy could not be stored
  2  not done: the command line, a setting or a file cannot be used";

#[derive(Subcommand)]
enum Command {
    /// Shows how each node does
    ///
    /// STATE is what the node says now: up or down. MACHINE is what the web server processes of
    /// this machine (of this user) know of it: up, down, or drained by `sessclustctl drain`. BYTES
    /// and LIMIT have units of 1024 (K, M, G); LATENCY is the time of one round trip in
    /// milliseconds, the shortest of three. "-": the node does not tell.
    ///
    /// EVICTIONS should be 0: they are sessions that a node has thrown out to make room. Of a
    /// Redis, BYTES are all that it has in use, LIMIT is its maxmemory and POLICY its
    /// maxmemory-policy; its ROLE should be primary.
    Nodes(nodes::Nodes),
    /// Shows where the copies of a session are, and who holds it
    ///
    /// One line for each node, in the order in which they are to keep the session; SET marks those
    /// that should have a copy now. VERSION is the time of the write in microseconds of Unix time,
    /// WRITER tells writes of one version apart. LIFETIME is session.gc_maxlifetime of the writer,
    /// LEFT is until the node forgets the copy, if nobody uses it; BYTES are those of the
    /// serialized session. The data are never shown.
    Locate(locate::Locate),
    /// Gives the sessions of nodes the copies again that they should have
    ///
    /// Lists the sessions of NODE, or of all nodes, looks at the copies of each, and stores the
    /// newest on those of its nodes that have none or an older one, with the life that it has left:
    /// sessions that nobody uses end when they would have ended. What a request changes meanwhile
    /// is left to the request. Damaged copies are left alone and counted.
    ///
    /// To restart all nodes of a pool one by one and lose nothing (needs sessclust.replicas of 2 or
    /// more): restart one, run `sessclustctl repair`, look at its summary, go on with the next one.
    /// No request waits for a repair.
    Repair(repair::Repair),
    /// Takes a node out of use on this machine
    ///
    /// From the next request on, the web server processes of this machine use the nodes behind it
    /// in the order of each session. Its copies are still read where others are missing. It stays
    /// so until `undrain`, or a restart of the machine.
    ///
    /// Each machine has this knowledge in its own memory (/dev/shm), for each user: run it on EVERY
    /// web server of the pool, as the user that runs PHP (sudo -u www-data sessclustctl ...), with
    /// the same nodes in the save path as PHP has. Then run `sessclustctl repair` on one of them,
    /// and the node can be stopped.
    Drain(drain::Drain),
    /// Puts a drained node into use again on this machine
    ///
    /// Run it on every web server, as the user that runs PHP. Then run `sessclustctl repair`.
    Undrain(drain::Drain),
}

/// What an exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    NotFine,
}

/// Why a command was not done: a sentence.
type Refusal = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let run = || -> Result<Verdict, Refusal> {
        let pool = Pool::of(&arguments.pool)?;
        match &arguments.command {
            Command::Nodes(nodes) => nodes.run(&pool),
            Command::Locate(locate) => locate.run(&pool),
            Command::Repair(repair) => repair.run(&pool),
            Command::Drain(drain) => drain.run(&pool, true),
            Command::Undrain(drain) => drain.run(&pool, false),
        }
    };
    match run() {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::NotFine) => ExitCode::from(1),
        Err(refusal) => {
            eprintln!("sessclustctl: {refusal}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
