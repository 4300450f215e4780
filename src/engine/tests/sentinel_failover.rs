//! What a failover does to the requests of several processes, each of which adds one to counters in
//! sessions that all of them share.

mod support;

use rustix::process::Signal;
use sessclust_engine::config::Settings;
use sessclust_engine::{ErrorKind, Result};
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use support::Child;
use support::pool::Process;
use support::sentinels::Sentinels;

const PROCESSES: u64 = 3;

/// Increments that each process has acknowledged before the failover begins, and when it is over.
const EACH: usize = 30;

const SESSIONS: [&str; 4] = [
    "sentinel-failover-number-1",
    "sentinel-failover-number-2",
    "sentinel-failover-number-3",
    "sentinel-failover-number-4",
];

/// For how long the processes work at most: a site that serves nobody any more fails its test.
const LOAD_MAX: Duration = Duration::from_secs(20);

/// The machine has not the processors for two sites under load.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What has become of the increments of one session.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    acknowledged: u64,
    /// Not saved, says the warning.
    failed: u64,
    /// May or may not have been saved, it says.
    unknown: u64,
}

fn settings(redis_wait: u32) -> Settings {
    Settings {
        connect_timeout: Duration::from_millis(500),
        request_timeout: Duration::from_secs(1),
        redis_wait,
        ..Settings::default()
    }
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

/// Adds and adds, until there is the file `end`. Says when it has done so [`EACH`] times, again
/// when it has since there is the file `over`, and in the end what has become of all.
fn load(process: u64, url: &str, settings: &Settings, folder: &Path) -> Child {
    Child::start(|parent| {
        let mut random = fastrand::Rng::with_seed(process);
        let process = Process::of(url, settings);
        let mut tallies = [Tally::default(); SESSIONS.len()];
        let (mut before, mut after) = (0, 0);
        let started = Instant::now();
        while !folder.join("end").exists() && started.elapsed() < LOAD_MAX {
            let is_over = folder.join("over").exists();
            let session = random.usize(..SESSIONS.len());
            let tally = &mut tallies[session];
            match increment(&process, SESSIONS[session]) {
                Ok(()) => {
                    tally.acknowledged += 1;
                    let count = if is_over { &mut after } else { &mut before };
                    *count += 1;
                    if *count == EACH {
                        parent.say("increments");
                    }
                }
                Err(error) => {
                    eprintln!("{error}");
                    match error.kind() {
                        ErrorKind::Indeterminate => tally.unknown += 1,
                        _ => tally.failed += 1,
                    }
                }
            }
        }
        for Tally { acknowledged, failed, unknown } in tallies {
            parent.say(format_args!("{acknowledged} {failed} {unknown}"));
        }
    })
}

/// What becomes of the increments of some processes, and how many are lost, while another server is
/// made the primary.
fn fail_over(
    what: &str,
    replicas: usize,
    redis_wait: u32,
    cause: fn(&mut Sentinels),
) -> Option<u64> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut site = Sentinels::start_with(replicas, &[], "")?;
    let (url, settings) = (site.url(), settings(redis_wait));
    let folder = tempfile::tempdir().expect("a folder");
    let mut children: Vec<Child> =
        (0..PROCESSES).map(|process| load(process, &url, &settings, folder.path())).collect();
    let all_say = |children: &mut [Child]| {
        children.iter_mut().for_each(|child| assert_eq!(child.line(), "increments"));
    };
    all_say(&mut children);
    let started = Instant::now();
    cause(&mut site);
    let followed = started.elapsed();
    File::create(folder.path().join("over")).expect("a file");
    all_say(&mut children);
    let served = started.elapsed();
    fs::rename(folder.path().join("over"), folder.path().join("end")).expect("a file");

    let mut tallies = [Tally::default(); SESSIONS.len()];
    for child in &mut children {
        for tally in &mut tallies {
            let line = child.line();
            let mut numbers = line.split(' ').map(|number| number.parse().expect("a number"));
            let mut next = || -> u64 { numbers.next().expect("three numbers") };
            tally.acknowledged += next();
            tally.failed += next();
            tally.unknown += next();
        }
    }
    let process = Process::of(&url, &settings);
    let mut lost = 0;
    for (tally, id) in tallies.iter().zip(SESSIONS) {
        let value = number(&process.request().peek(id));
        lost += tally.acknowledged.saturating_sub(value);
        assert!(value <= tally.acknowledged + tally.unknown, "{value}, but {tally:?}");
    }
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    println!(
        "{what}, {replicas} replicas, redis_wait = {redis_wait}: {} increments acknowledged, of \
         which {lost} lost; {} failed, {} unknown; another primary after {followed:.1?}, all \
         served after {served:.1?}",
        sum(|tally| tally.acknowledged),
        sum(|tally| tally.failed),
        sum(|tally| tally.unknown),
    );
    Some(lost)
}

/// The old primary follows the new one. The sentinels see to that too, in 8 s or more.
fn follow(site: &Sentinels, old: usize, new: usize) {
    let port = site.servers[new].port().to_string();
    site.servers[old].cli(&["REPLICAOF", "127.0.0.1", &port]);
}

/// The old primary lives, and takes writes until it is made a replica.
fn plan(site: &mut Sentinels) {
    let old = site.primary();
    let new = site.failover();
    follow(site, old, new);
}

/// The same, but it takes nothing meanwhile.
fn pause(site: &mut Sentinels) {
    let old = site.primary();
    site.servers[old].client().call(&["CLIENT", "PAUSE", "3000", "WRITE"]).ok();
    plan(site);
}

/// kill -9; then it is started again.
fn kill(site: &mut Sentinels) {
    let old = site.primary();
    let new = site.kill_primary();
    site.servers[old].restart();
    follow(site, old, new);
}

/// It stands still, and goes on as a primary for a moment when another one is.
fn hang(site: &mut Sentinels) {
    let old = site.primary();
    site.servers[old].signal(Signal::STOP);
    let new = site.wait_for_other(old);
    site.servers[old].signal(Signal::CONT);
    follow(site, old, new);
}

#[test]
fn what_all_replicas_have_is_not_lost_when_the_primary_changes() {
    let Some(lost) = fail_over("planned", 1, 1, plan) else { return };
    assert_eq!(lost, 0);
}

#[test]
fn what_all_replicas_have_is_not_lost_when_the_primary_dies() {
    let Some(lost) = fail_over("killed", 1, 1, kill) else { return };
    assert_eq!(lost, 0);
}

#[test]
fn what_all_replicas_have_is_not_lost_when_the_primary_hangs() {
    let Some(lost) = fail_over("stopped", 1, 1, hang) else { return };
    assert_eq!(lost, 0);
}

/// What is lost is measured only: it depends on how fast replicas and sentinels are.
#[test]
fn all_are_served_again_whoever_has_what_was_stored() {
    fail_over("planned and paused", 2, 0, pause);
    for redis_wait in [0, 1] {
        fail_over("planned", 2, redis_wait, plan);
        fail_over("killed", 2, redis_wait, kill);
    }
}
