//! Sessions in a Redis Cluster: which server has them, and what becomes of them while slots move
//! and servers fail. What that does to requests under load is in `redis_cluster_load.rs`.

mod support;

use sessclust_engine::config::{Settings, WriteMode};
use sessclust_engine::session::Access;
use sessclust_engine::stats::Counter;
use sessclust_engine::{ErrorKind, Result};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};
use support::pool::Process;
use support::redis::{Redis, free_port, key, wait_until};
use support::redis_cluster::RedisCluster;
use support::{Child, PATIENCE};

/// Nothing that a loaded machine does is to be taken for a server that does not answer.
fn settings() -> Settings {
    Settings {
        connect_timeout: PATIENCE,
        request_timeout: Duration::from_secs(10),
        lock_wait: PATIENCE,
        lock_lease: Duration::from_secs(60),
        ..Settings::default()
    }
}

fn process(cluster: &RedisCluster) -> Process {
    Process::of(&cluster.url(), &settings())
}

fn id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(32).collect()
}

fn slot(cluster: &RedisCluster, id: &str) -> u16 {
    cluster.slot(&key("sc:r:", id))
}

fn primary(cluster: &RedisCluster, id: &str) -> usize {
    cluster.primary_of(slot(cluster, id)).expect("a primary")
}

/// A new session that belongs to this server.
fn id_on(cluster: &RedisCluster, server: usize) -> String {
    std::iter::repeat_with(id).find(|id| primary(cluster, id) == server).expect("endless")
}

/// How often a server has said so.
fn said(server: &Redis, error: &str) -> u64 {
    let errors = server.cli(&["INFO", "errorstats"]);
    let count = errors.lines().find_map(|line| {
        line.trim_end().strip_prefix(&format!("errorstat_{error}:count="))?.parse().ok()
    });
    count.unwrap_or(0)
}

#[track_caller]
fn expect_error<T>(result: Result<T>, kind: ErrorKind, text: &str) {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

#[test]
fn sessions_are_on_all_servers_and_each_is_in_one_place() {
    let Some(cluster) = RedisCluster::start() else { return };
    let process = process(&cluster);
    for server in 0..3 {
        let id = id_on(&cluster, server);
        process.put(&id, b"data");
        let mut request = process.request();
        assert_eq!(request.open(&id), b"data");
        let places = |has: fn(&Redis, &str) -> bool| -> Vec<usize> {
            (0..3).filter(|node| has(&cluster.nodes[*node], &id)).collect()
        };
        assert_eq!((places(Redis::has), places(Redis::has_lock)), (vec![server], vec![server]));
        request.close();
    }
    assert_eq!(process.count(Counter::ConnectFailures), 0);
}

#[test]
fn a_slot_that_has_moved_is_followed() {
    let Some(cluster) = RedisCluster::start() else { return };
    let process = process(&cluster);
    let id = id_on(&cluster, 0);
    process.put(&id, b"1");
    let mut request = process.request();
    request.open(&id);
    cluster.move_slot(slot(&cluster, &id), 1);
    assert!(cluster.nodes[1].has_lock(&id), "it has moved as well");
    request.write(&id, b"2").expect("saved where it is now");
    request.close();
    assert!(!cluster.nodes[1].has_lock(&id));
    for count in ["3", "4", "5"] {
        process.put(&id, count.as_bytes());
    }
    assert_eq!(process.request().peek(&id), b"5");
    assert_eq!(said(&cluster.nodes[0], "MOVED"), 1, "it is known from then on");

    // What is not waited for is followed when its answer is looked at.
    let fresh = id_on(&cluster, 0);
    process.put(&id_on(&cluster, 2), b"connected");
    let mut request = process.request();
    cluster.move_slot(slot(&cluster, &fresh), 2);
    request.open_fresh(&fresh).expect("a new session");
    request.write(&fresh, b"new").expect("saved");
    request.close();
    assert_eq!(process.request().peek(&fresh), b"new");
    assert!(cluster.nodes[2].has(&fresh));
    let failures = [Counter::ConnectFailures, Counter::BrokenConnections, Counter::Reconnects];
    assert_eq!(failures.map(|counter| process.count(counter)), [0; 3]);
}

#[test]
fn a_delayed_write_is_sent_again_to_where_the_slot_is() {
    let Some(cluster) = RedisCluster::start() else { return };
    let delayed = Settings { write: WriteMode::Delayed, ..settings() };
    let process = Process::of(&cluster.url(), &delayed);
    let ids = [id_on(&cluster, 0), id_on(&cluster, 0)];
    for id in &ids {
        process.put(id, b"1");
    }
    process.store.settle(&delayed);
    let requests = ids.each_ref().map(|id| {
        let mut request = process.request();
        assert_eq!(request.open(id), b"1");
        request
    });
    for (id, server) in ids.iter().zip([1, 2]) {
        cluster.move_slot(slot(&cluster, id), server);
    }
    for (id, mut request) in ids.iter().zip(requests) {
        request.write(id, b"2").expect("sent");
        request.close();
    }
    process.store.settle(&delayed);
    for (id, server) in ids.iter().zip([1, 2]) {
        assert!(!cluster.nodes[server].has_lock(id), "it was given back");
        assert_eq!(process.request().peek(id), b"2");
    }
    assert_eq!(process.count(Counter::DelayedFailures), 0);
}

/// Runs a request to its end while another thread ends the move that holds it up: once this server
/// has said that it cannot do its part yet.
fn while_it_ends<T>(
    cluster: &RedisCluster,
    step: support::redis_cluster::Move<'_>,
    request: impl FnOnce() -> T,
) -> T {
    let before = cluster.nodes.iter().map(|node| said(node, "TRYAGAIN")).sum::<u64>();
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("a request that is held up", || {
                cluster.nodes.iter().map(|node| said(node, "TRYAGAIN")).sum::<u64>() > before + 3
            });
            step.take_all();
            step.end();
        });
        request()
    })
}

#[test]
fn a_session_on_its_way_is_found_and_saved_when_it_has_arrived() {
    let Some(cluster) = RedisCluster::start() else { return };
    let process = process(&cluster);
    let id = id_on(&cluster, 0);
    process.put(&id, b"1");

    // The lock is made at the new place, and the record still at the old one.
    let step = cluster.begin_move(slot(&cluster, &id), 1);
    let mut request = process.request();
    assert_eq!(request.open(&id), b"1");
    let asking = |command: &[&str]| {
        let mut client = cluster.nodes[1].client();
        client.call(&["ASKING"]).ok();
        client.call(command).to_string()
    };
    assert_eq!(asking(&["EXISTS", &key("sc:l:", &id)]), "1");
    assert!(cluster.nodes[0].has(&id));
    while_it_ends(&cluster, step, || request.write(&id, b"2")).expect("saved");
    request.close();
    assert!(cluster.nodes[1].has(&id));
    assert!(!cluster.nodes[1].has_lock(&id));

    // The lock stays at the old place, and the record is at the new one.
    let step = cluster.begin_move(slot(&cluster, &id), 2);
    let mut request = process.request();
    let record = key("sc:r:", &id);
    step.take(std::slice::from_ref(&record));
    assert_eq!(process.request().peek(&id), b"2");
    assert_eq!(request.open(&id), b"2");
    while_it_ends(&cluster, step, || request.write(&id, b"3")).expect("saved");
    request.close();
    assert_eq!(process.request().peek(&id), b"3");

    // Nothing is anywhere yet.
    let fresh = id_on(&cluster, 0);
    let step = cluster.begin_move(slot(&cluster, &fresh), 1);
    let mut request = process.request();
    assert_eq!(request.open(&fresh), b"");
    while_it_ends(&cluster, step, || request.write(&fresh, b"new")).expect("saved");
    request.close();
    assert!(cluster.nodes[1].has(&fresh));
    assert_eq!(process.count(Counter::BrokenConnections), 0);
}

/// The new server has stored it, so it is its replica that is waited for.
#[test]
fn replicas_of_the_server_that_has_stored_are_waited_for() {
    let Some(cluster) = RedisCluster::start() else { return };
    let process = Process::of(&cluster.url(), &Settings { redis_wait: 1, ..settings() });
    let id = id_on(&cluster, 0);
    process.put(&id, b"data");
    let step = cluster.begin_move(slot(&cluster, &id), 1);
    step.take(&[key("sc:r:", &id)]);
    let before = cluster.nodes[1].calls("wait");
    process.request().session.destroy(support::id(&id)).expect("destroyed");
    assert_eq!(cluster.nodes[1].calls("wait"), before + 1);
    assert_eq!(process.count(Counter::BrokenConnections), 0);
    step.take_all();
    step.end();
    assert_eq!(process.request().peek(&id), b"");
}

#[test]
fn a_move_that_does_not_end_holds_up_nobody_else() {
    let Some(cluster) = RedisCluster::start() else { return };
    let request_timeout = Duration::from_secs(2);
    let process = Process::of(&cluster.url(), &Settings { request_timeout, ..settings() });
    let (id, other) = (id_on(&cluster, 0), id_on(&cluster, 0));
    process.put(&id, b"before");
    let step = cluster.begin_move(slot(&cluster, &id), 1);
    let mut request = process.request();
    request.open(&id);
    let started = Instant::now();
    let text = "is not saved: node";
    expect_error(request.write(&id, b"after"), ErrorKind::NoNode, text);
    assert!(started.elapsed() < 4 * request_timeout, "{:?}", started.elapsed());
    request.close();
    process.put(&other, b"as ever");
    assert_eq!(process.request().peek(&id), b"before");
    assert_eq!(process.count(Counter::NodesDown), 0);
    assert_eq!(process.count(Counter::BrokenConnections), 0);
    step.take_all();
    step.end();
    // The lock was given back, in vain: it is this process that gets it again.
    process.put(&id, b"after");
    assert_eq!(process.request().peek(&id), b"after");
}

#[test]
fn who_waits_for_a_lock_gets_it_where_it_has_moved_to() {
    let Some(cluster) = RedisCluster::start() else { return };
    let id = id_on(&cluster, 0);
    let process = process(&cluster);
    process.put(&id, b"1");
    let mut request = process.request();
    request.open(&id);
    let (url, waiting) = (cluster.url(), id.clone());
    let mut waiter = Child::start(|parent| {
        let process = Process::of(&url, &settings());
        let mut request = process.request();
        parent.say(String::from_utf8_lossy(&request.open(&waiting)));
        request.write(&waiting, b"3").expect("saved");
        request.close();
        parent.say("saved");
        parent.wait();
    });
    let blocked = |server: usize| cluster.nodes[server].info("blocked_clients");
    wait_until("a waiter", || blocked(0) == "1");
    cluster.move_slot(slot(&cluster, &id), 1);
    wait_until("it to wait there", || blocked(1) == "1");
    assert_eq!(blocked(0), "0");
    let started = Instant::now();
    request.write(&id, b"2").expect("saved");
    request.close();
    assert_eq!(waiter.line(), "2");
    assert_eq!(waiter.line(), "saved");
    assert!(started.elapsed() < Duration::from_secs(10), "it was told, and did not wait");
    assert_eq!(process.request().peek(&id), b"3");
}

#[test]
fn a_connection_that_is_lost_leaves_the_others_what_they_owe() {
    // One that stands still must not be taken for dead by the others.
    let options = ["--cluster-node-timeout", "60000"];
    let Some(cluster) = RedisCluster::start_with(&options) else { return };
    let delayed = Settings { write: WriteMode::Delayed, ..settings() };
    let process = Process::of(&cluster.url(), &delayed);
    let [one, other] = [0, 1].map(|server| id_on(&cluster, server));
    let cut = |server: usize| {
        let cut = cluster.nodes[server].cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        assert_ne!(cut, "0");
    };
    process.put(&one, b"1");
    process.put(&other, b"1");
    process.store.settle(&delayed);
    // It stands still with an answer that it owes, while the connection to another one is cut.
    let mut request = process.request();
    request.open(&one);
    cluster.nodes[0].signal(rustix::process::Signal::STOP);
    request.write(&one, b"2").expect("sent");
    request.close();
    cut(1);
    let mut request = process.request_with(&settings());
    assert_eq!(request.open(&other), b"1");
    request.write(&other, b"2").expect("saved");
    request.close();
    assert_eq!(process.count(Counter::Reconnects), 1);
    cluster.nodes[0].signal(rustix::process::Signal::CONT);
    process.store.settle(&delayed);
    assert_eq!(process.request().peek(&one), b"2");
    assert_eq!(process.count(Counter::DelayedFailures), 0);
    assert_eq!(process.count(Counter::NodesDown), 0);

    // And a session whose own connection is lost is locked again.
    let through = Process::of(&cluster.url(), &settings());
    let mut request = through.request();
    request.open(&one);
    cut(0);
    request.write(&one, b"3").expect("saved");
    request.close();
    assert_eq!(through.request().peek(&one), b"3");
}

#[test]
fn a_server_that_does_not_answer_is_no_way_in_and_no_hindrance() {
    let Some(cluster) = RedisCluster::start() else { return };
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let seeds = [free_port(), silent.local_addr().expect("bound").port(), cluster.nodes[4].port()];
    let path = seeds.map(|port| format!("redis+cluster://127.0.0.1:{port}")).join(",");
    for server in 0..3 {
        let connect_timeout = Duration::from_secs(4);
        let process = Process::of(&path, &Settings { connect_timeout, ..settings() });
        let id = id_on(&cluster, server);
        process.put(&id, b"data");
        assert!(cluster.nodes[server].has(&id));
        assert_eq!(process.count(Counter::ConnectFailures), 0);
    }
    drop(cluster);
    let connect_timeout = Duration::from_millis(300);
    let process = Process::of(&path, &Settings { connect_timeout, ..settings() });
    let text = "no server of the cluster answers: 127.0.0.1:";
    expect_error(process.request().try_open(&id()), ErrorKind::NoNode, text);
    assert_eq!(process.count(Counter::NodesDown), 1);
}

/// A request may have less time left than connecting may take.
#[test]
fn a_server_that_hangs_is_waited_for_as_long_as_there_is_time() {
    // No other one takes its place meanwhile.
    let options = ["--cluster-replica-no-failover", "yes"];
    let Some(cluster) = RedisCluster::start_with(&options) else { return };
    let process = process(&cluster);
    process.put(&id_on(&cluster, 1), b"connected");
    let id = id_on(&cluster, 0);
    cluster.nodes[0].signal(rustix::process::Signal::STOP);
    let brief = Settings { request_timeout: Duration::from_millis(300), ..settings() };
    // The first is told of its own time; the next, soon enough behind it, why that was not enough.
    let expected = format!("cannot connect to {}: no answer within ", cluster.nodes[0].name());
    wait_until("one that is told", || {
        let error = process.request_with(&brief).try_open(&id).expect_err("it hangs").to_string();
        error.contains(&expected) && error.ends_with("ms (what is left of the time for all)")
    });
    assert_eq!(process.count(Counter::NodesDown), 0);
}

#[test]
fn a_server_that_is_no_part_of_a_cluster_is_named_so() {
    let Some(server) = Redis::start_tcp(&[]) else { return };
    let process = Process::of(&format!("redis+cluster://{}", server.name()), &settings());
    let text = "(it is no part of a Redis Cluster: write redis:// in session.save_path)";
    expect_error(process.request().try_open(&id()), ErrorKind::NoNode, text);
}

/// A primary and its replica are both gone.
fn without_a_shard(cluster: &mut RedisCluster) {
    for node in [0, 3] {
        cluster.nodes[node].kill();
    }
}

#[test]
fn a_cluster_that_is_down_says_so() {
    let Some(mut cluster) = RedisCluster::start() else { return };
    let process = process(&cluster);
    let (lost, other) = (id_on(&cluster, 0), id_on(&cluster, 1));
    process.put(&lost, b"data");
    process.put(&other, b"data");
    without_a_shard(&mut cluster);
    wait_until("the cluster to be down", || {
        cluster.nodes[1].cli(&["CLUSTER", "INFO"]).contains("cluster_state:fail")
    });
    let text = "its cluster has no server for some sessions (CLUSTER INFO)";
    expect_error(process.request().try_open(&other), ErrorKind::NoNode, text);
    expect_error(process.request().try_open(&lost), ErrorKind::NoNode, "cannot connect to 127.");
    assert_eq!(process.count(Counter::NodesDown), 0);
}

/// It may be only for a moment, while a failover gets about.
#[test]
fn a_cluster_that_is_down_is_waited_for_once() {
    let Some(cluster) = RedisCluster::start() else { return };
    let process = process(&cluster);
    let (id, server) = (id_on(&cluster, 0), &cluster.nodes[0]);
    process.put(&id, b"data");
    let asked = || {
        let before = said(server, "CLUSTERDOWN");
        let mut request = process.request();
        let read = request.session.read(support::id(&id), Access::Unlocked);
        expect_error(read, ErrorKind::NoNode, "CLUSTERDOWN");
        said(server, "CLUSTERDOWN") - before
    };
    for _ in 0..2 {
        // Any other slot that it has.
        let slot = cluster.slot(&key("sc:r:", &id_on(&cluster, 0))).to_string();
        assert_eq!(server.cli(&["CLUSTER", "DELSLOTS", &slot]), "OK");
        assert!(asked() > 1, "it is asked again");
        // What was left of the time is used as well.
        wait_until("the end of the waiting", || asked() == 1);
        assert_eq!(server.cli(&["CLUSTER", "ADDSLOTS", &slot]), "OK");
        assert_eq!(process.request().peek(&id), b"data");
    }
    assert_eq!(process.count(Counter::NodesDown), 0);
    assert_eq!(process.count(Counter::BrokenConnections), 0);
}

#[test]
fn the_sessions_of_other_servers_do_without_one_that_is_gone() {
    let options = ["--cluster-require-full-coverage", "no"];
    let Some(mut cluster) = RedisCluster::start_with(&options) else { return };
    let process = process(&cluster);
    let (lost, other) = (id_on(&cluster, 0), id_on(&cluster, 1));
    process.put(&lost, b"data");
    process.put(&other, b"data");
    let mut request = process.request();
    request.open(&other);
    without_a_shard(&mut cluster);
    expect_error(process.request().try_open(&lost), ErrorKind::NoNode, "cannot connect to 127.");
    request.write(&other, b"still here").expect("saved");
    request.close();
    assert_eq!(process.request().peek(&other), b"still here");
    assert_eq!(process.count(Counter::NodesDown), 0);
    // It comes back, with nothing in it; for the first seconds it says that the cluster is down.
    cluster.nodes[0].restart();
    wait_until("it to be used again", || {
        let mut request = process.request();
        let is_saved = request.try_open(&lost).is_ok() && request.write(&lost, b"anew").is_ok();
        request.close();
        is_saved
    });
    assert_eq!(process.request().peek(&lost), b"anew");
}

/// All are away for a moment, just when an answer that nobody waits for says where to go.
#[test]
fn a_cluster_that_was_away_is_not_given_up_for_one_server_later() {
    let Some(mut cluster) = RedisCluster::start() else { return };
    let delayed = Settings { write: WriteMode::Delayed, ..settings() };
    // Connected to no other one, over which what is lost might have been done.
    let way_in = format!("redis+cluster://127.0.0.1:{}", cluster.nodes[0].port());
    let process = Process::of(&way_in, &delayed);
    let (moved, other) = (id_on(&cluster, 0), id_on(&cluster, 1));
    process.put(&moved, b"1");
    process.store.settle(&delayed);
    let mut request = process.request();
    request.open(&moved);
    cluster.move_slot(slot(&cluster, &moved), 1);
    // It must not be followed before they are away.
    cluster.nodes[0].signal(rustix::process::Signal::STOP);
    request.write(&moved, b"2").expect("sent");
    request.close();
    cluster.nodes[0].signal(rustix::process::Signal::CONT);
    // What is asked next is answered when that is on its way.
    wait_until("an answer", || said(&cluster.nodes[0], "MOVED") > 0);
    said(&cluster.nodes[0], "MOVED");
    cluster.nodes.iter_mut().for_each(Redis::kill);
    process.store.settle(&delayed);
    assert_eq!(process.count(Counter::DelayedFailures), 1);
    cluster.nodes.iter_mut().for_each(Redis::restart);
    wait_until("the cluster", || {
        let is_up = |node: &Redis| node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
        cluster.nodes.iter().all(is_up)
    });
    assert_eq!(process.count(Counter::NodesDown), 0);

    let mut request = process.request();
    let read = request.session.read(support::id(&other), Access::Unlocked).expect("an answer");
    let loss = read.loss.as_ref().expect("nobody has heard of it").to_string();
    assert!(loss.contains("is not saved") && loss.contains("no server of the cluster"), "{loss}");
    let server = primary(&cluster, &other);
    cluster.nodes[server].signal(rustix::process::Signal::STOP);
    let brief = Settings { request_timeout: Duration::from_millis(300), ..settings() };
    let text = "no answer within ";
    expect_error(process.request_with(&brief).try_open(&other), ErrorKind::NoNode, text);
    assert_eq!(process.count(Counter::NodesDown), 0);
}
