//! A node that does not answer, and what this machine makes of it: one process waits for it once,
//! all know, one looks whether it is back, and the server's log is told.

mod support;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use sessclust_engine::ErrorKind;
use sessclust_engine::cluster::Cluster;
use sessclust_engine::config::Settings;
use sessclust_engine::config::save_path::{Endpoint, NodeAddress};
use sessclust_engine::machine::{Board, Health};
use sessclust_engine::node::{Cause, Node, System, Timeouts, World};
use sessclust_engine::session::{Access, Live, Store};
use sessclust_engine::stats::Counter;
use sessclust_engine::wire::memcached::Key;
use sessclust_engine::wire::memcached::meta::{Opaque, Request, Wants};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};
use support::Child;
use support::pool::{PoolSite, Process, Service, record_key};
use support::proxy::{Fault, Place};
use support::{PATIENCE, id, wait_for};

on_each_service! {
    one_process_waits_for_a_node_that_hangs_and_the_others_know,
    a_node_that_answers_again_is_found_by_probes_and_used,
    requests_go_on_while_a_node_is_looked_at,
    what_has_to_be_done_beside_requests_is_known,
    a_connection_that_is_cut_in_its_greeting_takes_no_node_down,
    a_node_that_hangs_is_found_by_a_new_session_in_one_wait,
    a_drained_node_gets_no_new_copies_unless_there_is_no_other,
    a_node_that_begins_to_answer_is_used_where_too_few_are_up,
    a_process_without_descriptors_says_so_and_takes_no_node_down,
    a_probe_without_descriptors_takes_no_node_down,
    a_probe_has_a_connection_of_its_own_and_closes_it,
}

const INTERVAL: Duration = Duration::from_secs(1);
/// Long enough for a node that answers, on a loaded machine.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Three nodes, of which two keep each session.
fn site(service: Service) -> Option<PoolSite> {
    let mut site = PoolSite::start_on(service, 3)?;
    site.settings = Settings { replicas: 2, request_timeout: TIMEOUT, ..site.settings };
    Some(site)
}

fn health(process: &Process, node: usize) -> Health {
    match &*process.store {
        Store::Pool(pool) => pool.nodes().swap_remove(node).1,
        Store::Local(_) => unreachable!("it is a pool"),
    }
}

/// The node refuses connections, and those that it has are gone.
fn take_down(site: &PoolSite, node: usize, id: &str) {
    // The unlock of the request before may still be on its way.
    site.wait_until_free(id);
    site.nodes[node].proxy.refuse();
    site.nodes[node].proxy.cut();
}

/// Waits until it is this process's turn to look at the node.
fn claim(live: &Live, node: usize) {
    wait_for("a turn", || live.claim_probe(INTERVAL) == Some(node));
}

fn one_process_waits_for_a_node_that_hangs_and_the_others_know(service: Service) {
    let Some(site) = site(service) else { return };
    let (one, other) = (site.process(), site.process());
    let id = site.id_on(0);
    one.put(&id, b"1");
    other.put(&id, b"2");
    let hung = &site.nodes[0].proxy;
    hung.plan(Place::EveryReply, Fault::Hold);
    let started = Instant::now();
    one.put(&id, b"3");
    assert!(started.elapsed() >= TIMEOUT);
    assert_eq!(one.count(Counter::NodesDown), 1);

    // It is connected, and could wait.
    let started = Instant::now();
    other.put(&id, b"4");
    assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
    assert_eq!((other.count(Counter::Timeouts), other.count(Counter::NodesDown)), (0, 0));
    let text =
        format!("node {}: no answer within 2s (sessclust.request_timeout)", site.addresses()[0]);
    for process in [&one, &other] {
        let Health { is_down, failures, ref reason, .. } = health(process, 0);
        // There is room for so much of it.
        let shown = text[..text.len().min(120)].to_owned();
        assert!(is_down && failures > 0);
        assert_eq!(reason.as_ref(), Some(&shown));
        assert!(!health(process, 1).is_down && !health(process, 2).is_down);
    }
    let mut fork = Child::start(|parent| parent.say(health(&site.process(), 0).is_down));
    assert_eq!(fork.line(), "true");

    // Told once, by who found out.
    assert_eq!(one.store.notices(), [format!("node is down: {text}")]);
    assert_eq!(one.store.notices(), [""; 0]);
    assert_eq!(other.store.notices(), [""; 0]);
}

fn a_node_that_answers_again_is_found_by_probes_and_used(service: Service) {
    let Some(site) = site(service) else { return };
    let process = site.process();
    let id = site.id_on(0);
    process.put(&id, b"1");
    let proxy = &site.nodes[0].proxy;
    take_down(&site, 0, &id);
    process.put(&id, b"2");
    let live = process.live();
    assert!(live.has_node_down());
    assert_eq!(process.store.notices().len(), 1);

    // It is looked at in vain, and once in an interval.
    claim(&live, 0);
    assert_eq!(live.claim_probe(INTERVAL), None);
    let before = health(&process, 0);
    live.probe(0, TIMEOUT);
    let after = health(&process, 0);
    assert_eq!((after.failures, after.latency), (before.failures + 1, None));
    assert_eq!(process.store.notices(), [""; 0]);

    // Once is not enough: it is looked at again at once.
    proxy.accept();
    claim(&live, 0);
    let seen = proxy.counts().connections;
    live.probe(0, PATIENCE);
    assert_eq!(proxy.counts().connections, seen + 2);
    assert!(health(&process, 0).latency.is_some());
    assert!(!live.has_node_down());
    assert_eq!(process.store.notices(), [format!("node {} is back", site.addresses()[0])]);
    process.put(&id, b"3");
    let record = site.raw(0).get(&record_key(&id)).expect("it is used again");
    assert!(record.ends_with(b"3"));
}

/// Nothing that a request wants is held while a node is looked for.
fn requests_go_on_while_a_node_is_looked_at(service: Service) {
    let Some(site) = site(service) else { return };
    let process = site.process();
    let id = site.id_on(0);
    process.put(&id, b"1");
    let proxy = &site.nodes[0].proxy;
    take_down(&site, 0, &id);
    process.put(&id, b"2");
    proxy.accept();
    proxy.plan(Place::EveryReply, Fault::Hold);
    let live = process.live();
    claim(&live, 0);
    let seen = proxy.counts().connections;
    let probe = thread::spawn(move || live.probe(0, PATIENCE));
    proxy.wait_for("the probe", |counts| counts.connections > seen);
    process.put(&id, b"3");
    assert_eq!(site.process().request().peek(&id), b"3");
    assert!(!probe.is_finished(), "it still waits");
    proxy.heal();
    probe.join().expect("no panic");
    assert!(health(&process, 0).latency.is_some());
}

fn what_has_to_be_done_beside_requests_is_known(service: Service) {
    let Some(site) = site(service) else { return };
    let process = site.process();
    let id = site.id_on(0);
    process.put(&id, b"1");
    let mut request = process.request();
    assert!(request.session.care().is_none());
    request.open(&id);
    let care = request.session.care().expect("its lock has to be renewed");
    assert_eq!(care.due, site.settings.lock_lease / 3);
    request.close();
    assert!(request.session.care().is_none());

    take_down(&site, 0, &id);
    let mut request = process.request();
    assert_eq!(request.peek(&id), b"1");
    let care = request.session.care().expect("a node has to be looked at, without any lock");
    assert_eq!((care.due, care.probe_interval), (INTERVAL, INTERVAL));
    assert_eq!(care.probe_timeout, site.settings.connect_timeout);
    request.open(&id);
    assert_eq!(request.session.care().map(|care| care.due), Some(INTERVAL));
}

fn a_connection_that_is_cut_in_its_greeting_takes_no_node_down(service: Service) {
    let Some(site) = site(service) else { return };
    for fault in [Fault::CutBefore, Fault::CutInside(3), Fault::CutAfter] {
        let process = site.process();
        let proxy = &site.nodes[0].proxy;
        proxy.plan(Place::Reply(0), fault);
        process.put(&site.id_on(0), b"1");
        assert!(!health(&process, 0).is_down);
        assert_eq!(process.count(Counter::NodesDown), 0);
    }
}

/// What a fresh session's locks are sent to is not waited for, and yet found out.
fn a_node_that_hangs_is_found_by_a_new_session_in_one_wait(service: Service) {
    for commits in [true, false] {
        let Some(site) = site(service) else { return };
        let process = site.process();
        process.put(&site.id_on(0), b"1");
        site.nodes[0].proxy.plan(Place::EveryReply, Fault::Hold);
        let shop = site.id_on(0);
        let mut request = process.request();
        request.open_fresh(&shop).expect("nothing is waited for");
        if commits {
            request.write(&shop, b"2").expect("another node takes it");
        }
        request.close();
        assert_eq!((process.count(Counter::Timeouts), process.count(Counter::NodesDown)), (1, 1));
        assert_eq!(process.count(Counter::ConnectFailures), 0);
        assert!(health(&process, 0).is_down);
    }
}

fn a_drained_node_gets_no_new_copies_unless_there_is_no_other(service: Service) {
    let Some(site) = site(service) else { return };
    let board = Board::open(&Cluster::names(&site.addresses()));
    let (old, new) = (site.id_on(0), site.id_on(0));
    let process = site.process();
    process.put(&old, b"1");
    site.wait_until_free(&old);
    board.drain(0, true);
    let ends_with = |node: usize, shop: &str, data: &[u8]| {
        site.raw(node).get(&record_key(shop)).is_some_and(|record| record.ends_with(data))
    };
    for shop in [&old, &new] {
        process.put(shop, b"2");
        assert_eq!([0, 1, 2].map(|node| ends_with(node, shop, b"2")), [false, true, true]);
    }
    assert!(ends_with(0, &old, b"1"));

    // It is better than one copy.
    site.nodes[1].proxy.refuse();
    site.nodes[1].proxy.cut();
    process.put(&old, b"3");
    assert_eq!([0, 2].map(|node| ends_with(node, &old, b"3")), [true; 2]);
    board.drain(0, false);
}

/// Two of three nodes count as down, one of which has begun to answer: two copies need it.
fn a_node_that_begins_to_answer_is_used_where_too_few_are_up(service: Service) {
    let Some(site) = site(service) else { return };
    let process = site.process();
    let shop = site.id_on(2);
    process.put(&shop, b"1");
    for node in [0, 1] {
        let other = site.id_on(node);
        process.put(&other, b"1");
        take_down(&site, node, &other);
        process.request().peek(&other);
        assert!(health(&process, node).is_down);
    }
    site.nodes[0].proxy.accept();
    let board = Board::open(&Cluster::names(&site.addresses()));
    assert!(!board.answered(0, System.uptime()), "once is not enough");
    process.put(&shop, b"2");
    let copy = site.raw(0).get(&record_key(&shop));
    assert!(copy.is_some_and(|copy| copy.ends_with(b"2")));
}

/// The number of the next descriptor that this process opens.
fn next_descriptor() -> u64 {
    File::open("/dev/null").expect("a descriptor").as_raw_fd() as u64
}

/// Lets this process have descriptors below a number only.
fn limit_descriptors(end: u64) {
    let limits = Rlimit { current: Some(end), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limits).expect("a limit");
}

/// With one copy, another node would make a session anew.
fn a_process_without_descriptors_says_so_and_takes_no_node_down(service: Service) {
    let Some(mut site) = site(service) else { return };
    site.settings.replicas = 1;
    let (near, far) = (site.id_on(0), site.id_on(1));
    // A session that is there is looked for nowhere else.
    site.put(&near, b"0");
    site.put(&far, b"1");
    let mut fork = Child::start(|parent| {
        let process = site.process();
        process.put(&near, b"1");
        let next = next_descriptor();
        limit_descriptors(next);
        let error = process.request().try_open(&far).expect_err("no descriptor is left");
        assert_eq!(error.kind(), ErrorKind::Io);
        parent.say(error);
        let reading = process.request().session.read(id(&far), Access::Unlocked).map(|_| ());
        assert_eq!(reading.expect_err("likewise").kind(), ErrorKind::Io);
        limit_descriptors(next + 20);
        assert_eq!(process.request().peek(&far), b"1");
        parent.say(process.count(Counter::NodesDown));
    });
    let text = fork.line();
    assert!(text.contains("cannot connect to") && text.contains("Too many open files"), "{text}");
    assert_eq!(fork.line(), "0");
}

/// What it has no means to look at is not down.
fn a_probe_without_descriptors_takes_no_node_down(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id_on(0);
    let mut fork = Child::start(|parent| {
        let process = site.process();
        process.put(&shop, b"1");
        let live = process.live();
        let next = next_descriptor();
        // None even to wait with, then none for a connection, then enough.
        let enough = (0..20).find(|count| {
            limit_descriptors(next + count);
            live.probe(0, PATIENCE);
            let Health { is_down, latency, .. } = health(&process, 0);
            assert!(!is_down, "with {count} descriptors");
            latency.is_some()
        });
        parent.say(enough.is_some_and(|count| count > 1));
    });
    assert_eq!(fork.line(), "true");
}

fn a_probe_has_a_connection_of_its_own_and_closes_it(service: Service) {
    let Some(site) = site(service) else { return };
    let address = &site.addresses()[0];
    let proxy = &site.nodes[0].proxy;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let probe = |timeout| {
        let timeouts = Timeouts { connect: timeout, request: timeout, failover: Duration::ZERO };
        runtime.block_on(Node::probe(&System, address, &timeouts))
    };
    let started = Instant::now();
    let latency = probe(PATIENCE).expect("it answers");
    assert!(latency > Duration::ZERO && latency <= started.elapsed());
    proxy.plan(Place::EveryReply, Fault::Hold);
    let failure = probe(Duration::from_millis(50)).expect_err("it hangs");
    assert_eq!(failure.cause, Cause::Connect);
    assert!(failure.to_string().contains("no answer within 50ms"), "{failure}");
    proxy.heal();
    wait_for("the connections to go", || proxy.counts().open == 0);
    proxy.refuse();
    assert_eq!(probe(PATIENCE).expect_err("it refuses").cause, Cause::Connect);
}

/// The server has answered long ago when it goes on, and time is up.
#[test]
fn a_process_that_was_stopped_reads_what_came_meanwhile() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let mut fork = Child::start(|parent| {
        let endpoint = Endpoint::Unix(socket.clone());
        let mut node = Node::new(NodeAddress::memcached(endpoint, NonZeroU32::MIN));
        let timeouts = Timeouts { connect: PATIENCE, request: TIMEOUT, failover: Duration::ZERO };
        let key = Key::new(b"a").expect("a key");
        let asked = [Request::Get { key, opaque: Opaque(0), wants: Wants::Value }];
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answers = runtime.block_on(node.exchange(&System, &timeouts, &asked));
        parent.say(format!("{answers:?}"));
    });
    let (mut stream, _) = listener.accept().expect("a connection");
    let requests = BufReader::new(stream.try_clone().expect("the same"));
    let mut requests = requests.lines().map(|line| line.expect("a request"));
    assert!(requests.any(|line| line == "stats settings"));
    stream
        .write_all(b"VERSION 1.6.18\r\nMN\r\nSTAT item_size_max 1048576\r\nEND\r\n")
        .expect("it listens");
    let request = requests.next().expect("the request");
    let (_, number) = request.rsplit_once(' ').expect("its number");
    let pid = fork.pid();
    let is_in_state = |state: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("/proc");
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(state))
    };
    wait_for("it to wait", || is_in_state("S"));
    kill_process(pid, Signal::STOP).expect("it runs");
    wait_for("it to stop", || is_in_state("T"));
    thread::sleep(TIMEOUT);
    write!(stream, "VA 1 c7 t-1 {number}\r\nx\r\n").expect("it listens");
    kill_process(pid, Signal::CONT).expect("it is stopped");
    assert!(fork.line().starts_with("Ok([Value(1 bytes"));
}
