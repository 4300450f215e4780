//! What the moving of slots and the failover of a server do to the requests of several processes,
//! each of which adds one to counters in sessions that all of them share.

mod support;

use sessclust_engine::config::Settings;
use sessclust_engine::{ErrorKind, Result};
use std::fmt;
use std::fs::File;
use std::num::ParseIntError;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};
use support::pool::Process;
use support::redis::{Redis, key, wait_until};
use support::redis_cluster::RedisCluster;
use support::{Child, PATIENCE};

const PROCESSES: u64 = 3;

/// Sessions of each of the three servers.
const SESSIONS: usize = 4;

/// Increments that each process has acknowledged, in sessions of each server, before something is
/// done to the cluster and after it.
const EACH: usize = 10;

/// For how long the processes work at most: a site that serves nobody any more fails its test.
const LOAD_MAX: Duration = Duration::from_secs(20);

/// What has become of the increments of one session.
#[derive(Clone, Debug, Default)]
struct Tally {
    acknowledged: u64,
    /// Not saved, says the warning.
    failed: u64,
    /// May or may not have been saved, it says.
    unknown: u64,
    /// The first warning of each process that has one.
    warnings: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.warnings.extend(other.warnings);
    }
}

/// As one line.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, failed, unknown, warnings } = self;
        write!(f, "{acknowledged} {failed} {unknown} {}", warnings.join("; "))
    }
}

impl FromStr for Tally {
    type Err = ParseIntError;

    fn from_str(line: &str) -> std::result::Result<Self, ParseIntError> {
        let mut words = line.splitn(4, ' ');
        let mut next = || words.next().unwrap_or_default();
        let [acknowledged, failed, unknown] = [next(), next(), next()].map(str::parse);
        let warnings = words.filter(|text| !text.is_empty()).map(str::to_owned).collect();
        Ok(Self { acknowledged: acknowledged?, failed: failed?, unknown: unknown?, warnings })
    }
}

fn settings(redis_wait: u32) -> Settings {
    Settings {
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_millis(1500),
        lock_wait: PATIENCE,
        redis_wait,
        ..Settings::default()
    }
}

/// Some sessions of each server.
fn sessions(cluster: &RedisCluster) -> Vec<[String; SESSIONS]> {
    let id = || -> String { std::iter::repeat_with(fastrand::alphanumeric).take(32).collect() };
    let is_on =
        |id: &String, server| cluster.primary_of(cluster.slot(&key("sc:r:", id))) == Some(server);
    let one = |server| std::iter::repeat_with(id).find(|id| is_on(id, server)).expect("endless");
    (0..3).map(|server| std::array::from_fn(|_| one(server))).collect()
}

fn number(data: &[u8]) -> u64 {
    String::from_utf8_lossy(data).parse().unwrap_or(0)
}

fn increment(process: &Process, id: &str) -> Result<()> {
    let mut request = process.request();
    let count = number(&request.try_open(id)?);
    request.write(id, (count + 1).to_string().as_bytes())?;
    request.close();
    Ok(())
}

/// Adds and adds, until there is the file `end`. Says when it has done so [`EACH`] times to
/// sessions of each server, again when it has since there is the file `over`, and in the end what
/// has become of all.
fn load(
    seed: u64,
    url: &str,
    settings: &Settings,
    sessions: &[[String; SESSIONS]],
    folder: &Path,
) -> Child {
    Child::start(|parent| {
        let mut random = fastrand::Rng::with_seed(seed);
        let process = Process::of(url, settings);
        let mut tallies = vec![<[Tally; SESSIONS]>::default(); sessions.len()];
        let mut done = [[0; 3]; 2];
        let started = Instant::now();
        while !folder.join("end").exists() && started.elapsed() < LOAD_MAX {
            let is_over = folder.join("over").exists();
            let (server, session) = (random.usize(..3), random.usize(..SESSIONS));
            let tally = &mut tallies[server][session];
            match increment(&process, &sessions[server][session]) {
                Ok(()) => {
                    tally.acknowledged += 1;
                    let done = &mut done[usize::from(is_over)];
                    let was_enough = done.iter().all(|count| *count >= EACH);
                    done[server] += 1;
                    if !was_enough && done.iter().all(|count| *count >= EACH) {
                        parent.say("increments");
                    }
                }
                Err(error) => {
                    if tally.warnings.is_empty() {
                        tally.warnings.push(error.to_string());
                    }
                    match error.kind() {
                        ErrorKind::Indeterminate => tally.unknown += 1,
                        _ => tally.failed += 1,
                    }
                }
            }
        }
        tallies.iter().flatten().for_each(|tally| parent.say(tally));
    })
}

/// Has processes add to sessions while something is done to the cluster. Gives what has become of
/// the increments of the sessions that each server had before, and how many of those that were
/// acknowledged are lost.
fn under_load(
    cluster: &mut RedisCluster,
    redis_wait: u32,
    cause: impl FnOnce(&mut RedisCluster, &[[String; SESSIONS]]),
) -> Vec<(Tally, u64)> {
    let (url, settings) = (cluster.url(), settings(redis_wait));
    let sessions = sessions(cluster);
    let folder = tempfile::tempdir().expect("a folder");
    let mut children: Vec<Child> = (0..PROCESSES)
        .map(|process| load(process, &url, &settings, &sessions, folder.path()))
        .collect();
    let all_say = |children: &mut [Child]| {
        children.iter_mut().for_each(|child| assert_eq!(child.line(), "increments"));
    };
    all_say(&mut children);
    cause(cluster, &sessions);
    File::create(folder.path().join("over")).expect("a file");
    all_say(&mut children);
    File::create(folder.path().join("end")).expect("a file");

    let mut tallies = vec![<[Tally; SESSIONS]>::default(); sessions.len()];
    for child in &mut children {
        for tally in tallies.iter_mut().flatten() {
            tally.add(child.line().parse().expect("a tally"));
        }
    }
    let process = Process::of(&url, &settings);
    let of_server = |(tallies, ids): ([Tally; SESSIONS], &[String; SESSIONS])| {
        let (mut sum, mut lost) = (Tally::default(), 0);
        for (tally, id) in tallies.into_iter().zip(ids) {
            let value = number(&process.request().peek(id));
            assert!(value <= tally.acknowledged + tally.unknown, "{value}, but {tally:?}");
            lost += tally.acknowledged.saturating_sub(value);
            sum.add(tally);
        }
        println!("redis_wait = {redis_wait}: {sum:?}, of which {lost} lost");
        (sum, lost)
    };
    tallies.into_iter().zip(&sessions).map(of_server).collect()
}

/// Nobody has noticed anything.
#[track_caller]
fn assert_unnoticed(results: &[(Tally, u64)]) {
    for (tally, lost) in results {
        assert_eq!((tally.failed, tally.unknown, *lost), (0, 0, 0), "{tally:?}");
    }
}

#[test]
fn slots_move_while_their_sessions_are_in_use() {
    let Some(mut cluster) = RedisCluster::start() else { return };
    let results = under_load(&mut cluster, 0, |cluster, sessions| {
        for turn in 1..=2 {
            for (server, ids) in sessions.iter().enumerate() {
                for id in ids {
                    cluster.move_slot(cluster.slot(&key("sc:r:", id)), (server + turn) % 3);
                }
            }
        }
    });
    assert_unnoticed(&results);
}

/// Kills the primary that has the sessions of the first server; then it is started again.
fn kill(cluster: &mut RedisCluster) {
    cluster.kill_primary_of(0);
    cluster.nodes[0].restart();
    cluster.nodes[0].wait_for_link();
    wait_until("the cluster", || {
        let is_up = |node: &Redis| node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
        cluster.nodes.iter().all(is_up)
    });
}

fn fail_over(redis_wait: u32) -> Option<u64> {
    // By default all servers stop until the failover is over.
    let options = ["--cluster-require-full-coverage", "no"];
    let mut cluster = RedisCluster::start_with(&options)?;
    let results = under_load(&mut cluster, redis_wait, |cluster, _| kill(cluster));
    let (tally, lost) = &results[0];
    assert!(tally.failed + tally.unknown > 0, "somebody has noticed it: {tally:?}");
    assert_unnoticed(&results[1..]);
    Some(*lost)
}

/// What is lost is measured only: it depends on how fast the replica is.
#[test]
fn a_failover_is_noticed_by_the_sessions_of_that_server_alone() {
    fail_over(0);
}

#[test]
fn what_the_replica_has_is_not_lost_in_a_failover() {
    let Some(lost) = fail_over(1) else { return };
    assert_eq!(lost, 0);
}

/// The old primary takes no writes until the replica has all that it has.
#[test]
fn a_planned_failover_loses_nothing() {
    let Some(mut cluster) = RedisCluster::start() else { return };
    let results = under_load(&mut cluster, 0, |cluster, _| {
        cluster.nodes[3].client().call(&["CLUSTER", "FAILOVER"]).ok();
        wait_until("another primary", || {
            cluster.primary_of(0) == Some(3) && cluster.nodes[0].info("role") == "slave"
        });
    });
    assert_unnoticed(&results);
}
