//! Those who wait for a session at a Redis: the order in which they get it, and what a death costs
//! them. Each is a process with a queue of its own, as if it were alone on its machine.

mod support;

use sessclust_engine::cluster::{Cluster, Copy, Origin};
use sessclust_engine::config::Settings;
use sessclust_engine::config::save_path::SavePath;
use sessclust_engine::machine::{Board, Queue};
use sessclust_engine::node::System;
use sessclust_engine::session::id::Digest;
use sessclust_engine::{ErrorKind, Result};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use support::pool::{PoolSite, Server};
use support::proxy::{Fault, Place};
use support::redis::{Redis, key, wait_until};
use support::{Child, LIFETIME_S, PATIENCE, digest};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const SHOP: &str = "0123456789abcdef0123456789";

/// A web server with one worker.
struct Machine {
    runtime: Runtime,
    cluster: Cluster,
    settings: Settings,
    digest: Digest,
    _memory: TempDir,
}

impl Machine {
    fn of(url: &str, lock_lease: Duration) -> Self {
        let settings = Settings {
            connect_timeout: PATIENCE,
            // A write is sent only while there is time for it, and a second, before the lease ends.
            request_timeout: (lock_lease - Duration::from_secs(1)) / 3,
            lock_wait: PATIENCE,
            lock_lease,
            ..Settings::default()
        };
        let SavePath::Pool(nodes) = SavePath::parse(url.as_bytes()).expect("a save path") else {
            unreachable!("it is a server");
        };
        let memory = tempfile::tempdir().expect("a temporary folder");
        let board = Board::private(&Cluster::names(&nodes));
        let cluster = Cluster::new(
            nodes,
            settings.ring,
            Arc::new(System),
            Queue::open_in(memory.path()),
            Arc::new(board),
            1,
            Box::leak(Box::default()),
        );
        Self {
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
            cluster: cluster.expect("a pool"),
            settings,
            digest: digest(SHOP),
            _memory: memory,
        }
    }

    /// Locks the session and reads it.
    fn open(&mut self) -> String {
        self.try_open().expect("the session")
    }

    fn try_open(&mut self) -> Result<String> {
        let opening = self.cluster.open(&self.digest, Origin::Sent, b"/shop.php", &self.settings);
        self.runtime.block_on(opening)?;
        Ok(match self.cluster.data(&self.digest) {
            Copy::Data(data) => String::from_utf8(data.to_vec()).expect("a text"),
            _ => String::new(),
        })
    }

    /// Stores it and gives it back.
    fn commit(&mut self, data: &str) {
        let storing =
            self.cluster.commit(&self.digest, data.as_bytes(), LIFETIME_S, &self.settings);
        self.runtime.block_on(storing).expect("saved");
    }

    /// A request that writes its name behind those that have been there.
    fn sign(&mut self, name: usize) {
        let data = self.open();
        self.commit(&format!("{data} {name}"));
    }
}

/// So long that none ends while a loaded machine is busy with a test.
const LEASE: Duration = Duration::from_secs(60);

fn await_waiters(server: &Redis, count: usize) {
    wait_until("those who wait", || server.info("blocked_clients") == count.to_string());
}

/// Fifty come one after the other while somebody has the session; three of them are killed while
/// they wait, and one when it has the session.
#[test]
fn fifty_who_wait_get_it_in_the_order_of_their_coming_whoever_is_killed() {
    const WAITERS: usize = 50;
    const KILLED_WAITING: [usize; 3] = [0, 17, 18];
    const KILLED_HOLDING: usize = 30;
    let Some(server) = Redis::start(&[]) else { return };
    let url = server.url();
    let mut holder = Machine::of(&url, LEASE);
    assert_eq!(holder.open(), "");
    let mut waiters: Vec<Child> = Vec::new();
    for name in 0..WAITERS {
        waiters.push(Child::start(|parent| {
            let mut machine = Machine::of(&url, LEASE);
            if name == KILLED_HOLDING {
                machine.open();
                parent.say("has it");
                parent.wait();
            }
            machine.sign(name);
            parent.say("done");
        }));
        await_waiters(&server, name + 1);
    }
    for name in KILLED_WAITING {
        waiters[name].kill();
    }
    await_waiters(&server, WAITERS - KILLED_WAITING.len());
    holder.commit("first");
    assert_eq!(waiters[KILLED_HOLDING].line(), "has it");
    waiters[KILLED_HOLDING].kill();
    let living = |name: &usize| !KILLED_WAITING.contains(name) && *name != KILLED_HOLDING;
    let mut expected = "first".to_owned();
    for name in (0..WAITERS).filter(living) {
        assert_eq!(waiters[name].line(), "done");
        expected.push_str(&format!(" {name}"));
    }
    assert_eq!(holder.open(), expected);
}

/// What it costs from the unlock until the next one has the session: nothing is asked, for what it
/// reads is behind what it blocks in.
#[test]
fn the_next_one_has_the_session_three_round_trips_after_the_unlock_at_most() {
    let Some(site) = PoolSite::start_redis(1) else { return };
    let url = site.save_path(&[0]);
    let mut holder = Machine::of(&url, LEASE);
    holder.open();
    let mut waiter = Child::start(|parent| {
        let mut machine = Machine::of(&url, LEASE);
        let data = machine.open();
        parent.say(data);
        parent.wait();
    });
    wait_until("the one who waits", || site.proxy().counts().of("BLPOP") == 1);
    site.proxy().reset();
    holder.commit("data");
    assert_eq!(waiter.line(), "data");
    // A look whether the lock has ended, at a machine that takes a second for all this.
    let look = format!("EVALSHA {}", key("sc:l:", SHOP));
    let log = site.proxy().log();
    let sent =
        log.iter().filter(|entry| **entry != look).filter_map(|entry| entry.split(' ').next());
    let sent: Vec<&str> = sent.collect();
    // The other one has its grant, the reply to a request of long ago, and asks for nothing.
    assert_eq!(sent, ["MULTI", "SET", "DEL", "LMOVE", "EXPIRE", "COPY", "EXEC"]);
}

/// The transaction has stored, and handed the lock on.
#[test]
fn an_answer_to_a_commit_that_is_lost_while_others_wait_is_found_out() {
    let Some(site) = PoolSite::start_redis(1) else { return };
    let mut holder = Machine::of(&site.save_path(&[0]), LEASE);
    holder.sign(1);
    assert_eq!(holder.open(), " 1");
    let Server::Redis(server) = &site.nodes[0].server else { unreachable!() };
    let url = server.url();
    let mut waiter = Child::start(|parent| {
        let data = Machine::of(&url, LEASE).open();
        parent.say(data);
        parent.wait();
    });
    await_waiters(server, 1);
    site.proxy().reset();
    site.proxy().plan(Place::Reply(6), Fault::CutBefore);
    holder.commit("saved");
    assert_eq!(site.proxy().counts().faults, 1);
    assert_eq!(site.proxy().log()[6], "EXEC");
    assert_eq!(waiter.line(), "saved");
}

/// Who gives up at the moment when it was its turn hands the lock on, unless somebody who blocks
/// was given it in its place.
#[test]
fn who_leaves_hands_on_only_what_nobody_has_seen() {
    let Some(server) = Redis::start(&[]) else { return };
    let script =
        concat!(include_str!("../node/redis/common.lua"), include_str!("../node/redis/leave.lua"));
    let [lock, queue, list] = ["sc:l:", "sc:q:", "sc:w:"].map(|kind| key(kind, SHOP));
    for (is_seen, expected) in [(true, "leaving"), (false, "the next")] {
        server.cli(&["FLUSHALL"]);
        server.cli(&["RPUSH", &lock, "leaving"]);
        server.cli(&["RPUSH", &queue, "the next"]);
        if !is_seen {
            server.cli(&["RPUSH", &list, "leaving"]);
        }
        server.cli(&["EVAL", script, "3", &lock, &queue, &list, "leaving", "60"]);
        assert_eq!(server.cli(&["LINDEX", &lock, "0"]), expected);
    }
}

/// Who gives it back and who gets it may be told to keep it for times that differ.
#[test]
fn a_lock_that_was_handed_on_for_a_shorter_time_is_renewed_at_once() {
    let Some(server) = Redis::start(&[]) else { return };
    let url = server.url();
    let mut holder = Machine::of(&url, Duration::from_secs(5));
    holder.open();
    let mut waiter = Child::start(|parent| {
        let data = Machine::of(&url, LEASE).open();
        parent.say(data);
        parent.wait();
    });
    await_waiters(&server, 1);
    holder.commit("data");
    assert_eq!(waiter.line(), "data");
    let left_ms: u64 = server.cli(&["PTTL", &key("sc:l:", SHOP)]).parse().expect("a number");
    assert!(left_ms > 5000, "{left_ms}");
}

/// One who opens the session whenever it is told to, waiting for so long at most. Nobody waits for
/// its thread, should it wait for ever; it ends with the proxy.
fn opening(url: String) -> (Sender<Duration>, Receiver<Result<String>>) {
    let ((go, may_go), (says, said)) = (channel(), channel());
    thread::spawn(move || {
        let mut machine = Machine::of(&url, LEASE);
        machine.settings.request_timeout = Duration::from_millis(300);
        while let Ok(lock_wait) = may_go.recv() {
            machine.settings.lock_wait = lock_wait;
            says.send(machine.try_open()).ok();
        }
    });
    (go, said)
}

/// How long one waits who is not meant to get it.
const BRIEFLY: Duration = Duration::from_millis(100);

/// As behind a firewall that has forgotten a connection: what is asked over others is answered.
#[test]
fn who_waits_over_a_connection_that_nobody_hears_gives_up_in_time() {
    let Some(site) = PoolSite::start_redis(1) else { return };
    let Server::Redis(server) = &site.nodes[0].server else { unreachable!() };
    server.lock(SHOP);
    let proxy = site.proxy();
    let (go, said) = opening(site.save_path(&[0]));
    let try_again = || {
        proxy.reset();
        go.send(BRIEFLY).expect("a thread");
        let error = said.recv_timeout(PATIENCE).expect("an end").expect_err("it is locked");
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        proxy.log().iter().position(|request| request.starts_with("BLPOP"))
    };
    try_again();
    let place = try_again().expect("it has waited");
    proxy.plan(Place::Request(place), Fault::Stall(0));
    assert_eq!(try_again(), Some(place));
    assert_eq!(proxy.faults(), [Fault::Stall(0)]);
    assert_eq!(proxy.counts().connections, 1, "it has another one");
}

/// What it waits for never comes, and yet the connection seems to stand. Whatever it is granted is
/// for nobody.
#[test]
fn who_waits_over_a_connection_that_the_server_has_lost_joins_again() {
    let Some(site) = PoolSite::start_redis(1) else { return };
    let Server::Redis(server) = &site.nodes[0].server else { unreachable!() };
    let mut holder = Machine::of(&server.url(), LEASE);
    holder.open();
    let proxy = site.proxy();
    let (go, said) = opening(site.save_path(&[0]));
    let mut place = None;
    for _ in 0..2 {
        proxy.reset();
        go.send(BRIEFLY).expect("a thread");
        said.recv_timeout(PATIENCE).expect("an end").expect_err("it is locked");
        place = proxy.log().iter().position(|request| request.starts_with("BLPOP"));
    }
    proxy.plan(Place::Request(place.expect("it has waited")), Fault::Stall(0));
    go.send(PATIENCE).expect("a thread");
    proxy.wait_for("the fault", |counts| counts.faults == 1);
    holder.commit("data");
    let given = Instant::now();
    assert_eq!(said.recv_timeout(PATIENCE).expect("an end").expect("the session"), "data");
    // Who waits looks once a second.
    let cost = given.elapsed();
    assert!(cost < Duration::from_secs(1) + SLACK, "{cost:?}");
}

/// The lock of a machine that is gone: nobody gives it back, and nobody knows that it is dead.
#[test]
fn a_lock_that_ends_is_noticed_by_those_who_wait_in_their_order() {
    const WAITERS: usize = 3;
    let Some(server) = Redis::start(&[]) else { return };
    let url = server.url();
    server.lock(SHOP);
    let mut waiters: Vec<Child> = Vec::new();
    for name in 0..WAITERS {
        waiters.push(Child::start(|parent| {
            Machine::of(&url, LEASE).sign(name);
            parent.say("done");
        }));
        await_waiters(&server, name + 1);
    }
    server.cli(&["PEXPIRE", &key("sc:l:", SHOP), "1"]);
    for waiter in &mut waiters {
        assert_eq!(waiter.line(), "done");
    }
    assert_eq!(Machine::of(&url, LEASE).open(), " 0 1 2");
}

/// A grant is under way to somebody who dies at that moment.
#[test]
fn a_grant_that_was_lost_costs_no_more_than_the_lease() {
    let lease = Duration::from_secs(4);
    let Some(server) = Redis::start(&[]) else { return };
    let url = server.url();
    let mut holder = Machine::of(&url, lease);
    holder.open();
    let mut dying = Child::start(|_| Machine::of(&url, lease).sign(1));
    await_waiters(&server, 1);
    rustix::process::kill_process(dying.pid(), rustix::process::Signal::STOP).expect("it lives");
    holder.commit("first");
    let given = Instant::now();
    await_waiters(&server, 0);
    dying.kill();
    assert!(server.has_lock(SHOP), "nobody can know that it was in vain");
    Machine::of(&url, lease).sign(2);
    let cost = given.elapsed();
    // Who waits looks once a second.
    assert!(cost < lease + Duration::from_secs(1) + SLACK, "{cost:?}");
    assert_eq!(holder.open(), "first 2");
}

/// What a loaded machine may take for the steps of a test.
const SLACK: Duration = Duration::from_secs(5);

#[test]
fn scripts_may_be_lost_at_any_time() {
    const MACHINES: usize = 4;
    const INCREMENTS: usize = 100;
    let Some(server) = Redis::start(&[]) else { return };
    let url = server.url();
    let mut machines: Vec<Child> = (0..MACHINES)
        .map(|_| {
            Child::start(|parent| {
                let mut machine = Machine::of(&url, LEASE);
                for _ in 0..INCREMENTS {
                    let number = machine.open().parse().unwrap_or(0) + 1;
                    machine.commit(&number.to_string());
                }
                parent.say("done");
            })
        })
        .collect();
    let mut client = server.client();
    let total = (MACHINES * INCREMENTS).to_string();
    wait_until("the last increment", || {
        client.call(&["SCRIPT", "FLUSH"]).ok();
        let record = client.call(&["GET", &key("sc:r:", SHOP)]).to_string();
        record.ends_with(&total)
    });
    for machine in &mut machines {
        assert_eq!(machine.line(), "done");
    }
    assert_eq!(Machine::of(&url, LEASE).open(), total);
    // How often a script was called that was lost: "count=1".
    let lost = server.info("errorstat_NOSCRIPT");
    let count: usize = lost.trim_start_matches("count=").parse().expect("a number");
    assert!(count > INCREMENTS / 10, "{count}");
}
