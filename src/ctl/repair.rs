//! `repair`: gives sessions the copies again that they should have.

use crate::pool::Pool;
use crate::text::{plural, span};
use crate::{Refusal, Verdict};
use clap::Args;
use sessclust_engine::cluster::{Repaired, digest_of_key};
use sessclust_engine::config::redis::Topology;
use sessclust_engine::node::{Failure, Survey, System};
use sessclust_engine::session::id::Digest;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

#[derive(Args)]
pub(crate) struct Repair {
    /// Look after the sessions that this node has, instead of those of all nodes. A node that came
    /// back empty has none: leave it out then
    node: Option<String>,
    /// At most so many sessions per second, 1 to 1000000
    #[arg(long, value_name = "COUNT", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Store nothing, only say what would be stored
    #[arg(long)]
    dry_run: bool,
}

/// Shortest time that is slept for.
const TIMER: Duration = Duration::from_millis(2);

/// Delay that is made up for by going faster afterwards.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Different reasons of failures that are shown.
const REASONS_MAX: usize = 20;

impl Repair {
    pub(crate) fn run(&self, pool: &Pool) -> Result<Verdict, Refusal> {
        // All nodes of a pool but one that is several servers need a repair after they were empty.
        if let [node] = &pool.nodes[..]
            && *node.topology() != Topology::Single
        {
            println!("{node} keeps its copies of each session itself: there is nothing to repair");
            return Ok(Verdict::Fine);
        }
        let listed = match &self.node {
            Some(node) => vec![pool.node(node)?],
            None => (0..pool.nodes.len()).collect(),
        };
        let mut cluster = pool.cluster()?;
        let mut summary = Summary::default();
        pool.runtime()?.block_on(async {
            let is_of_all = self.node.is_none() && !self.dry_run;
            let lives = match is_of_all {
                true => Some(cluster.lives(&pool.settings).await),
                false => None,
            };
            let mut sessions: Vec<(Digest, usize)> = Vec::new();
            for node in listed {
                if let Err(failure) = list(pool, node, &mut sessions).await {
                    summary.silent_nodes += 1;
                    eprintln!("sessclustctl: the sessions are not listed: {failure}");
                }
            }
            sessions.sort_unstable_by_key(|(digest, _)| *digest.as_bytes());
            let sessions: Vec<_> = sessions.chunk_by(|(one, _), (other, _)| one == other).collect();

            let mut progress = Progress::new(sessions.len(), stderr().is_terminal());
            let pause = Duration::from_secs(1) / self.rate;
            let started = Instant::now();
            let mut next = started;
            for copies in sessions {
                let now = Instant::now();
                // Timers are late by a millisecond or two. That is made up for, and no more.
                let early = next.saturating_duration_since(now);
                if early >= TIMER {
                    tokio::time::sleep(early).await;
                }
                next = next.max(now - CATCH_UP.min(now - started)) + pause;
                let seen: Vec<usize> = copies.iter().map(|(_, node)| *node).collect();
                let digest = &copies[0].0;
                let repaired = cluster.repair(digest, &seen, self.dry_run, &pool.settings).await;
                summary.add(repaired);
                progress.step();
            }
            progress.end();
            if let Some(lives) = lives
                && summary.is_complete()
            {
                cluster.mark_whole(lives, &pool.settings).await;
            }
        });
        summary.reasons(&mut stderr());
        print!("{}", summary.text(self.dry_run));
        let is_fine = summary.failed == 0 && summary.silent_nodes == 0;
        Ok(if is_fine { Verdict::Fine } else { Verdict::NotFine })
    }
}

/// Lists the sessions of a node.
async fn list(
    pool: &Pool,
    node: usize,
    sessions: &mut Vec<(Digest, usize)>,
) -> Result<(), Failure> {
    let mut survey = Survey::open(&System, &pool.nodes[node], pool.timeouts()).await?;
    let take = |key: Vec<u8>| sessions.extend(digest_of_key(&key).map(|digest| (digest, node)));
    survey.keys(take).await
}

/// What came of it. Each session counts once.
#[derive(Default)]
struct Summary {
    whole: u64,
    repaired: u64,
    /// It ended, or a request has changed it meanwhile.
    skipped: u64,
    failed: u64,
    copies_written: u64,
    copies_damaged: u64,
    /// Nodes whose sessions are not known.
    silent_nodes: u64,
    failures: BTreeMap<String, u64>,
    /// Failures for other reasons than those.
    more_failures: u64,
}

impl Summary {
    fn add(&mut self, repaired: Repaired) {
        self.copies_written += repaired.written as u64;
        self.copies_damaged += repaired.damaged as u64;
        let is_clean = repaired.damaged == 0 && repaired.failures.is_empty();
        let count = if !repaired.is_found && is_clean || repaired.changed > 0 {
            &mut self.skipped
        } else if !repaired.is_whole {
            &mut self.failed
        } else if repaired.written > 0 {
            &mut self.repaired
        } else {
            &mut self.whole
        };
        *count += 1;
        for failure in repaired.failures {
            if self.failures.len() < REASONS_MAX || self.failures.contains_key(&failure) {
                *self.failures.entry(failure).or_default() += 1;
            } else {
                self.more_failures += 1;
            }
        }
    }

    /// Whether every session is known to have its copies, or is in the hands of requests.
    fn is_complete(&self) -> bool {
        let has_failed = !self.failures.is_empty() || self.failed > 0;
        !has_failed && self.silent_nodes == 0 && self.copies_damaged == 0
    }

    /// Says why something failed.
    fn reasons(&self, out: &mut impl Write) {
        for (failure, count) in &self.failures {
            let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
            let _ = writeln!(out, "sessclustctl: {failure}{times}");
        }
        if self.more_failures > 0 {
            let _ = writeln!(out, "sessclustctl: and {} other failures", self.more_failures);
        }
    }

    fn text(&self, is_dry: bool) -> String {
        let seen = self.whole + self.repaired + self.skipped + self.failed;
        let [repaired, written] = match is_dry {
            true => ["to be repaired", "copies to be written"],
            false => ["repaired", "copies written"],
        };
        let lines = [
            ("sessions seen", seen),
            ("  already whole", self.whole),
            (&*format!("  {repaired}"), self.repaired),
            ("  skipped, for they ended or changed meanwhile", self.skipped),
            ("  failed", self.failed),
            (written, self.copies_written),
            ("copies damaged, left alone", self.copies_damaged),
        ];
        lines.iter().map(|(name, count)| format!("{name}: {count}\n")).collect()
    }
}

/// Tells people how far it is: on a terminal in one line that changes, elsewhere in a line now and
/// then.
struct Progress {
    total: usize,
    done: usize,
    started: Instant,
    said: Instant,
    is_terminal: bool,
}

impl Progress {
    fn new(total: usize, is_terminal: bool) -> Self {
        let now = Instant::now();
        Self { total, done: 0, started: now, said: now, is_terminal }
    }

    /// One session more.
    fn step(&mut self) {
        self.done += 1;
        let pause = if self.is_terminal { 200 } else { 5000 };
        if self.said.elapsed() >= Duration::from_millis(pause) {
            self.said = Instant::now();
            let line = progress_line(self.done, self.total, self.started.elapsed());
            match self.is_terminal {
                true => eprint!("\r{line}\x1b[K"),
                false => eprintln!("{line}"),
            }
        }
    }

    fn end(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}

fn progress_line(done: usize, total: usize, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let left_s = total.saturating_sub(done) as f64 / rate.max(0.001);
    format!(
        "{done} of {total} session{}, {rate:.0} per second, {} left",
        plural(total as u64),
        span(left_s.ceil() as u64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_rate_and_time_left() {
        let line = progress_line(1000, 4000, Duration::from_secs(2));
        assert_eq!(line, "1000 of 4000 sessions, 500 per second, 6s left");
        let first = progress_line(1, 1, Duration::ZERO);
        assert_eq!(first, "1 of 1 session, 1000 per second, 0s left");
    }

    #[test]
    fn each_session_counts_once() {
        let mut summary = Summary::default();
        let found = || Repaired { is_found: true, is_whole: true, ..Repaired::default() };
        let failures = || vec!["node a:1 says: no".to_owned()];
        summary.add(found());
        summary.add(Repaired { written: 2, ..found() });
        summary.add(Repaired { changed: 1, is_whole: false, ..found() });
        summary.add(Repaired::default());
        summary.add(Repaired { damaged: 1, ..Repaired::default() });
        summary.add(Repaired { failures: failures(), is_whole: false, ..found() });
        // A node that does not answer was replaced by another one.
        summary.add(Repaired { written: 1, failures: failures(), ..found() });
        let expected = "\
sessions seen: 7
  already whole: 1
  repaired: 2
  skipped, for they ended or changed meanwhile: 2
  failed: 2
copies written: 3
copies damaged, left alone: 1
";
        assert_eq!(summary.text(false), expected);
        let mut said = Vec::new();
        summary.reasons(&mut said);
        assert_eq!(said, b"sessclustctl: node a:1 says: no (2 times)\n");
    }

    #[test]
    fn reasons_without_end_are_not_kept() {
        let mut summary = Summary::default();
        for number in 0..REASONS_MAX + 5 {
            let failures = vec![format!("reason {number}")];
            summary.add(Repaired { failures, ..Repaired::default() });
        }
        assert_eq!((summary.failures.len(), summary.more_failures), (REASONS_MAX, 5));
    }
}
