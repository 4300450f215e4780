//! Sessions on memcached nodes, end to end: real servers, php-fpm, PHP's web server and command
//! line.

mod support;

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use support::{
    Fpm, PATIENCE, Pool, Setup, WebServer, answer, count, folder, hold, in_parallel, kill,
    memcached::{Memcached, save_path},
    open_gate, program, seeded, signal, use_up_a_worker, wait_for,
};

/// Longer than the tests' patience: a request that waits for a lock this long fails the test.
const FOR_EVER: &str = "sessclust.lock_wait=1h";

/// The longest that can be set. Who gets the lock of a dead process has not waited for its end, if
/// it took less than a quarter of this.
const LEASE: Duration = Duration::from_secs(60);
const LONG_LEASE: &str = "sessclust.lock_lease=1m";

/// The shortest lease that can be set, and the setting.
const SHORT: Duration = Duration::from_secs(3);
const SHORT_LEASE: &str = "sessclust.lock_lease=3s";

/// What a request may take in all that meets a node which does not answer: `connect_timeout` and
/// `request_timeout` at their defaults, and as much again for a loaded machine.
const FAILURE_MAX: Duration = Duration::from_millis(2 * (200 + 500));

fn setup(nodes: &[Memcached]) -> Setup {
    Setup::with_save_path(&save_path(nodes))
}

/// Three nodes, one of each kind that a save path can name.
fn three_nodes() -> Option<[Memcached; 3]> {
    Some([
        Memcached::start()?,
        Memcached::start_tcp(Ipv4Addr::LOCALHOST)?,
        Memcached::start_tcp(Ipv6Addr::LOCALHOST)?,
    ])
}

/// Two masters with this many workers each.
fn two_servers(setup: &Setup, workers: usize) -> Option<[Fpm; 2]> {
    let start = || Fpm::start(setup, &[Pool::new(workers)]);
    Some([start()?, start()?])
}

/// Waits until somebody has asked the node for the session that others hold.
fn wait_until_asked(node: &Memcached, before: usize) {
    wait_for("a request that waits", || (node.stat("cmd_get") > before).then_some(()));
}

#[test]
fn counters_of_two_servers_on_three_nodes_are_exact() {
    const CLIENTS: usize = 8;
    const SESSIONS: usize = 100;
    const ROUNDS: usize = 3;
    let Some(nodes) = three_nodes() else { return };
    let Some(servers) = two_servers(&setup(&nodes).with(FOR_EVER), 4) else { return };
    // All in one order, so that they meet.
    in_parallel(CLIENTS, |client| {
        for session in 0..SESSIONS {
            for _ in 0..ROUNDS {
                servers[client % 2].call(&format!("increment s{session}")).value();
            }
        }
    });
    for session in 0..SESSIONS {
        let id = format!("s{session}");
        for server in &servers {
            assert_eq!(count(&server.call(&format!("life {id}")).value()), CLIENTS * ROUNDS);
        }
        assert_eq!(nodes.iter().filter(|node| node.has(&id)).count(), 2, "two copies");
    }
    assert!(nodes.iter().all(|node| node.stat("curr_items") > SESSIONS / 10), "all have some");
    for server in servers {
        assert!(!server.log().contains("WARNING"), "{}", server.log());
    }
}

/// The lock is given back elsewhere, where nobody wakes who waits here.
#[test]
fn a_session_that_another_machine_gives_back_is_got_at_once() {
    let Some(node) = Memcached::start() else { return };
    let setup = setup(std::slice::from_ref(&node)).with(FOR_EVER);
    let mut php = setup.start();
    for expected in 1..=5 {
        node.lock("one");
        let before = node.stat("cmd_get");
        php.send("increment one");
        wait_until_asked(&node, before);
        node.unlock("one");
        assert_eq!(count(&php.answer().value()), expected);
    }
}

#[test]
fn a_fresh_session_that_is_given_up_leaves_no_lock() {
    let Some(node) = Memcached::start() else { return };
    let setup = setup(std::slice::from_ref(&node)).with(LONG_LEASE);
    let mut php = setup.start();
    for _ in 0..5 {
        let id = php.call("abandon").value();
        // The answer to giving it back is not waited for.
        let started = Instant::now();
        wait_for("the end of the lock", || (!node.has_lock(&id)).then_some(()));
        assert!(started.elapsed() < LEASE / 4);
    }
}

#[test]
fn descriptors_connections_and_memory_do_not_grow_over_10_000_requests() {
    let Some(nodes) = three_nodes() else { return };
    let connections = || nodes.each_ref().map(|node| node.stat("curr_connections"));
    let unused = connections();
    let Some((fpm, worker)) = use_up_a_worker(&setup(&nodes), "abandon") else { return };
    assert_eq!(connections(), unused.map(|unused| unused + 1), "one connection to each node");
    // The thread that keeps locks ends when there is nothing to keep.
    let threads = || fs::read_dir(format!("/proc/{worker}/task")).unwrap().count();
    assert!(threads() <= 2, "PHP and one of ours");
    wait_for("the end of all threads of ours", || (threads() == 1).then_some(()));
    fpm.call("increment one").value();
}

#[test]
fn the_session_of_a_killed_worker_is_free_at_once() {
    const KILLS: usize = 20;
    let Some(node) = Memcached::start() else { return };
    let setup = setup(std::slice::from_ref(&node)).with(FOR_EVER).with(LONG_LEASE);
    let Some([server, other]) = two_servers(&setup, 2) else { return };
    let never = server.script().with_extension("never");
    for round in 1..=KILLS {
        let (_, pid) = hold(&server, "one", &never);
        let killed = Instant::now();
        // One request already waits when the holder dies, one comes after.
        thread::scope(|scope| {
            let before = node.stat("cmd_get");
            let waiting = scope.spawn(|| count(&other.call("increment one").value()));
            wait_until_asked(&node, before);
            kill(&pid);
            assert_eq!(waiting.join().unwrap(), 2 * round - 1);
        });
        assert_eq!(count(&server.call("increment one").value()), 2 * round);
        assert!(killed.elapsed() < LEASE / 4);
    }
}

#[test]
fn two_hundred_killed_workers_lose_nothing_and_lock_nobody_out() {
    const KILLS: usize = 200;
    const CLIENTS: usize = 4;
    const SESSIONS: usize = 3;
    /// The kill comes up to this long after an answer: some requests.
    const DELAY_MAX: Duration = Duration::from_micros(1500);
    let Some(node) = Memcached::start() else { return };
    let setup = setup(std::slice::from_ref(&node)).with(FOR_EVER).with(LONG_LEASE);
    let Some(fpm) = Fpm::start(&setup, &[Pool::new(CLIENTS)]) else { return };
    let mut rng = seeded();
    let seed = rng.u64(..);
    let acknowledged = [const { Mutex::new(Vec::new()) }; SESSIONS];
    let unanswered = [const { AtomicUsize::new(0) }; SESSIONS];
    let answers = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    let started = Instant::now();
    in_parallel(CLIENTS + 1, |client| {
        let mut rng = fastrand::Rng::with_seed(seed + client as u64);
        if client < CLIENTS {
            // Not for ever, should the killer fail.
            while !done.load(Ordering::SeqCst) && started.elapsed() < LEASE {
                let session = rng.usize(..SESSIONS);
                match fpm.try_call("www", &format!("increment s{session}")) {
                    Ok(answer) => {
                        acknowledged[session].lock().unwrap().push(count(&answer.value()));
                        answers.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(_) => _ = unanswered[session].fetch_add(1, Ordering::SeqCst),
                }
            }
            return;
        }
        let mut killed = Vec::new();
        while killed.len() < KILLS {
            let before = answers.load(Ordering::SeqCst);
            wait_for("an answer", || (answers.load(Ordering::SeqCst) > before).then_some(()));
            // Spinning, because a sleep is too coarse to hit every part of a request.
            let moment = Instant::now() + DELAY_MAX.mul_f64(rng.f64());
            while Instant::now() < moment {}
            let mut alive = fpm.workers();
            alive.retain(|pid| !killed.contains(pid));
            if let Some(pid) = rng.choice(alive) {
                kill(&pid);
                killed.push(pid);
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    for session in 0..SESSIONS {
        let counts = acknowledged[session].lock().unwrap();
        let unanswered = unanswered[session].load(Ordering::SeqCst);
        let stored = count(&fpm.call(&format!("increment s{session}")).value()) - 1;
        println!("{} acknowledged, {unanswered} unanswered, {stored} stored", counts.len());
        let mut different = counts.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), counts.len(), "no two got the same count");
        assert!((counts.len()..=counts.len() + unanswered).contains(&stored));
        assert!(different.last() <= Some(&stored));
    }
    assert!(started.elapsed() < LEASE, "nobody waited for a lease");
}

#[test]
fn graceful_reloads_under_load_fail_no_request() {
    const CLIENTS: usize = 6;
    const RELOADS: usize = 3;
    let Some(nodes) = three_nodes() else { return };
    let setup = setup(&nodes).with(FOR_EVER).with(LONG_LEASE);
    let Some(fpm) = Fpm::start(&setup, &[Pool::new(4)]) else { return };
    let done = AtomicBool::new(false);
    let started = Instant::now();
    let requests = [const { AtomicUsize::new(0) }; 3];
    // Two clients for each session: workers are told to end while they hold and wait for locks.
    in_parallel(CLIENTS + 1, |client| {
        if client == CLIENTS {
            for _ in 0..RELOADS {
                let before = requests[0].load(Ordering::SeqCst);
                wait_for("requests between reloads", || {
                    (requests[0].load(Ordering::SeqCst) > before + 50).then_some(())
                });
                fpm.reload();
            }
            done.store(true, Ordering::SeqCst);
        } else {
            // Not for ever, should a reload fail.
            while !done.load(Ordering::SeqCst) && started.elapsed() < 2 * PATIENCE {
                let session = client % requests.len();
                fpm.call(&format!("increment s{session}")).value();
                requests[session].fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    for (session, requests) in requests.iter().enumerate() {
        let stored = count(&fpm.call(&format!("life s{session}")).value());
        assert_eq!(stored, requests.load(Ordering::SeqCst));
    }
}

#[test]
fn the_web_server_of_php_counts_exactly_with_several_processes() {
    const CLIENTS: usize = 4;
    const REQUESTS: usize = 100;
    let Some(nodes) = three_nodes() else { return };
    let server = WebServer::start(&setup(&nodes).with(FOR_EVER), CLIENTS);
    let pids = Mutex::new(Vec::new());
    in_parallel(CLIENTS, |_| {
        for _ in 0..REQUESTS {
            server.call("increment one").value();
            pids.lock().unwrap().push(server.call("pid").value());
        }
    });
    assert_eq!(count(&server.call("life one").value()), CLIENTS * REQUESTS);
    let mut pids = pids.into_inner().unwrap();
    pids.sort_unstable();
    pids.dedup();
    assert!(pids.len() > 1, "more than one process has served");
}

#[test]
fn forks_have_connections_of_their_own() {
    const CHILDREN: usize = 4;
    const ROUNDS: usize = 50;
    let Some(nodes) = three_nodes() else { return };
    let setup = setup(&nodes).with(FOR_EVER);
    setup.run(&format!("fork_after_use p {CHILDREN} {ROUNDS}")).value();
    for who in 0..=CHILDREN {
        assert_eq!(count(&setup.run(&format!("life p-{who}")).value()), ROUNDS);
    }
    let common = count(&setup.run("life p-common").value());
    assert_eq!(common, (CHILDREN + 1) * ROUNDS + 1);
}

#[test]
fn a_child_that_exits_does_not_free_its_parents_session() {
    let Some(node) = Memcached::start() else { return };
    let setup = setup(std::slice::from_ref(&node));
    let mut parent = setup.start();
    let pid = parent.call("pid").value();
    parent.send("fork_while_open one");
    assert_eq!(parent.line().as_deref(), Some("open"));
    let impatient = setup.clone().with("sessclust.lock_wait=0");
    let warning = impatient.run("increment one").failure();
    assert!(warning.contains(&format!("is in use by process {pid} on ")), "{warning}");
    parent.send("");
    assert_eq!(count(&parent.answer().value()), 1);
    assert_eq!(count(&setup.run("increment one").value()), 2);
}

#[test]
fn a_script_that_outlasts_its_lease_keeps_its_session() {
    let Some(node) = Memcached::start() else { return };
    let setup = setup(std::slice::from_ref(&node)).with(FOR_EVER).with(SHORT_LEASE);
    let Some([server, other]) = two_servers(&setup, 1) else { return };
    let gate = server.script().with_extension("gate");
    assert_eq!(count(&server.call("increment one").value()), 1);
    let (output, _) = hold(&server, "one", &gate);
    thread::scope(|scope| {
        let before = node.stat("cmd_get");
        let waiting = scope.spawn(|| other.call("increment one"));
        wait_until_asked(&node, before);
        // Nothing to wait for: that nothing happens is the test.
        thread::sleep(SHORT + Duration::from_secs(2));
        assert!(!waiting.is_finished(), "the session is still in use");
        open_gate(&gate);
        assert_eq!(count(&answer(output).value()), 2);
        assert_eq!(count(&waiting.join().unwrap().value()), 3);
    });
}

#[test]
fn the_late_write_of_a_frozen_worker_is_refused() {
    let Some(node) = Memcached::start() else { return };
    let setup = setup(std::slice::from_ref(&node)).with(FOR_EVER).with(SHORT_LEASE);
    let Some([server, other]) = two_servers(&setup, 1) else { return };
    let gate = server.script().with_extension("gate");
    let life = server.call("increment one").value();
    let (output, pid) = hold(&server, "one", &gate);
    signal(&pid, Signal::STOP);
    let newer = other.call("increment one").value();
    assert_eq!((count(&life), count(&newer)), (1, 2));
    open_gate(&gate);
    signal(&pid, Signal::CONT);
    let warning = answer(output).failure();
    assert!(warning.contains("changed by another request"), "{warning}");
    assert_eq!(other.call("life one").value(), newer);
    assert_eq!(count(&server.call("increment one").value()), 3);
}

/// Sessions on three nodes, with what each has to hold.
struct Spread {
    ids: Vec<String>,
    counts: Vec<usize>,
}

impl Spread {
    fn new(server: &Fpm, sessions: usize) -> Self {
        let ids: Vec<String> = (0..sessions).map(|session| format!("s{session}")).collect();
        for id in &ids {
            server.call(&format!("increment {id}")).value();
        }
        Self { counts: vec![1; sessions], ids }
    }

    /// Uses all sessions once. Those in `anew` begin again; no request fails.
    fn use_all(&mut self, server: &Fpm, anew: &[bool]) {
        for (session, id) in self.ids.iter().enumerate() {
            let expected = if anew[session] { 1 } else { self.counts[session] + 1 };
            assert_eq!(count(&server.call(&format!("increment {id}")).value()), expected);
            self.counts[session] = expected;
        }
    }
}

/// Has PHP log into this file what it would otherwise log into the request.
fn logging(setup: Setup, log: &Path) -> Setup {
    setup.with(&format!("error_log={}", log.display()))
}

#[test]
fn with_one_copy_the_sessions_of_a_dead_node_start_anew_and_no_request_fails() {
    const SESSIONS: usize = 30;
    let Some(mut nodes) = three_nodes() else { return };
    let folder = folder();
    let log = folder.path().join("log");
    let setup = logging(setup(&nodes).with("sessclust.replicas=1"), &log);
    let Some(fpm) = Fpm::start(&setup, &[Pool::new(2)]) else { return };
    let mut spread = Spread::new(&fpm, SESSIONS);
    let lost: Vec<bool> = spread.ids.iter().map(|id| nodes[0].has(id)).collect();
    assert!(lost.contains(&true) && lost.contains(&false));
    nodes[0].kill();
    spread.use_all(&fpm, &lost);
    spread.use_all(&fpm, &[false; SESSIONS]);
    let told = || fs::read_to_string(&log).unwrap();
    assert_eq!(told().matches("node is down").count(), 1, "{}", told());
    nodes[0].restart();
    wait_for("the node to be used again", || {
        fpm.call("life one").value();
        told().contains("is back").then_some(())
    });
    // They are found where they were kept meanwhile, and move back.
    spread.use_all(&fpm, &[false; SESSIONS]);
    let moved: Vec<bool> = spread.ids.iter().map(|id| nodes[0].has(id)).collect();
    assert_eq!(moved, lost);
}

#[test]
fn with_one_copy_a_node_that_hangs_is_waited_for_once() {
    const SESSIONS: usize = 30;
    let Some(nodes) = three_nodes() else { return };
    let setup = setup(&nodes).with("sessclust.replicas=1");
    let Some(fpm) = Fpm::start(&setup, &[Pool::new(4)]) else { return };
    let mut spread = Spread::new(&fpm, SESSIONS);
    let lost: Vec<bool> = spread.ids.iter().map(|id| nodes[0].has(id)).collect();
    assert!(lost.iter().filter(|lost| **lost).count() > 2);
    nodes[0].signal(Signal::STOP);
    spread.use_all(&fpm, &lost);
    // Who meets it may have been connected, or not.
    let counter = |name: &str| count(&fpm.call(&format!("counter {name}")).value());
    assert_eq!(counter("timeouts") + counter("connect_failures"), 1);
    nodes[0].signal(Signal::CONT);
}

#[test]
fn a_write_to_a_node_that_hangs_is_reported_as_unknown() {
    let Some(node) = Memcached::start() else { return };
    let setup = setup(std::slice::from_ref(&node)).with(SHORT_LEASE);
    let mut php = setup.start();
    assert_eq!(count(&php.call("increment one").value()), 1);
    php.send("stage one");
    assert_eq!(php.line().as_deref(), Some("open"));
    node.signal(Signal::STOP);
    php.send("");
    let warning = php.answer().failure();
    assert!(warning.contains("may or may not have been saved"), "{warning}");
    assert!(warning.contains(&node.name()), "{warning}");
    node.signal(Signal::CONT);
    let found = wait_for("the node to be used again", || {
        let answer = php.call("increment one");
        answer.ok.then(|| count(&answer.value()))
    });
    assert!((2..=3).contains(&found), "{found}");
}

#[test]
fn without_a_node_requests_fail_with_one_warning_within_the_timeouts() {
    let Some(mut nodes) = three_nodes() else { return };
    let Some(fpm) = Fpm::start(&setup(&nodes), &[Pool::new(2)]) else { return };
    assert_eq!(count(&fpm.call("increment one").value()), 1);
    // Each may be waited for once, one after the other at worst.
    nodes.iter().for_each(|node| node.signal(Signal::STOP));
    let started = Instant::now();
    let warning = fpm.call("increment one").failure();
    assert!(warning.contains("cannot be opened: "), "{warning}");
    assert!(started.elapsed() < nodes.len() as u32 * FAILURE_MAX, "{:?}", started.elapsed());
    nodes.iter_mut().for_each(Memcached::kill);
    for id in ["one", "two", "one", "two"] {
        let started = Instant::now();
        let warning = fpm.call(&format!("increment {id}")).failure();
        assert!(warning.contains("cannot be opened: "), "{warning}");
        assert!(nodes.iter().any(|node| warning.contains(&node.name())), "{warning}");
        assert!(started.elapsed() < FAILURE_MAX, "{:?}: {warning}", started.elapsed());
    }
    nodes.iter_mut().for_each(Memcached::restart);
    wait_for("a node", || fpm.call("increment two").ok.then_some(()));
}

/// The directory with the sessions of this machine, gone with its value.
struct Refuge(PathBuf);

impl Refuge {
    /// As the only line of the log names it.
    #[track_caller]
    fn of(log: &Path) -> Self {
        let log = fs::read_to_string(log).unwrap();
        let told = "Until a node answers, this machine keeps sessions in ";
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(told)).collect();
        let [line] = &lines[..] else { panic!("{log}") };
        let (path, _) = line.split_once(told).unwrap().1.split_once(" (").unwrap();
        Self(path.into())
    }
}

impl Drop for Refuge {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn without_a_node_requests_go_on_on_this_machine_if_told_so() {
    const WORKERS: usize = 4;
    const ROUNDS: usize = 25;
    let Some(mut nodes) = three_nodes() else { return };
    let folder = folder();
    let log = folder.path().join("log");
    let setup = logging(setup(&nodes).with(FOR_EVER).with("sessclust.on_outage=local"), &log);
    let Some(fpm) = Fpm::start(&setup, &[Pool::new(WORKERS)]) else { return };
    let counter = |name: &str| fpm.call(&format!("counter {name}")).value();
    assert_eq!(count(&fpm.call("increment before").value()), 1);
    nodes.iter_mut().for_each(Memcached::kill);
    in_parallel(WORKERS, |_| {
        for _ in 0..ROUNDS {
            fpm.call("increment one").value();
        }
    });
    assert_eq!(count(&fpm.call("increment before").value()), 1, "as if it were new");
    let refuge = Refuge::of(&log);
    assert_eq!(counter("outages"), "1");
    assert_eq!(counter("local_sessions"), (WORKERS * ROUNDS + 1).to_string());
    nodes.iter_mut().for_each(Memcached::restart);
    // Moved by who uses it next.
    wait_for("a move", || {
        fpm.call("increment one").value();
        (counter("local_moved") == "1").then_some(())
    });
    assert!(nodes.iter().any(|node| node.has("one")));
    let moved = count(&fpm.call("life one").value());
    assert!(moved > WORKERS * ROUNDS, "{moved}");
    assert_eq!(counter("local_dropped"), "0");
    // Another machine goes on with it.
    let Some(other) = Fpm::start(&self::setup(&nodes), &[Pool::new(1)]) else { return };
    assert_eq!(count(&other.call("increment one").value()), moved + 1);
    drop(refuge);
}

#[test]
fn sessions_of_nodes_that_hung_are_found_again_when_they_wake() {
    let Some(nodes) = three_nodes() else { return };
    let folder = folder();
    let log = folder.path().join("log");
    let setup = logging(setup(&nodes).with(SHORT_LEASE).with("sessclust.on_outage=local"), &log);
    let Some(fpm) = Fpm::start(&setup, &[Pool::new(2)]) else { return };
    let before = fpm.call("increment one").value();
    nodes.iter().for_each(|node| node.signal(Signal::STOP));
    let started = Instant::now();
    assert_eq!(count(&fpm.call("increment one").value()), 1, "one of this machine");
    let waited = started.elapsed();
    assert!(waited < nodes.len() as u32 * FAILURE_MAX, "{waited:?}");
    let refuge = Refuge::of(&log);
    nodes.iter().for_each(|node| node.signal(Signal::CONT));
    // The one of the nodes counts, and the other is gone.
    wait_for("the session of before", || (fpm.call("life one").value() == before).then_some(()));
    assert_eq!(count(&fpm.call("increment one").value()), 2);
    assert_eq!(fpm.call("counter local_dropped").value(), "1");
    drop(refuge);
}

#[test]
fn adding_a_node_logs_nobody_out() {
    const SESSIONS: usize = 60;
    let Some([first, second, third]) = three_nodes() else { return };
    let before = [first, second];
    let Some(server) = Fpm::start(&setup(&before), &[Pool::new(2)]) else { return };
    let lives: Vec<String> = (0..SESSIONS)
        .map(|session| server.call(&format!("increment s{session}")).value())
        .collect();
    let [first, second] = before;
    let nodes = [first, second, third];
    // In strict mode an id that is not found gets a new session.
    let strict = setup(&nodes).with("session.use_strict_mode=1");
    let Some(grown) = Fpm::start(&strict, &[Pool::new(2)]) else { return };
    for (session, life) in lives.iter().enumerate() {
        let id = format!("s{session}");
        assert_eq!(grown.call(&format!("life {id}")).value(), *life);
        for expected in [2, 3] {
            let now = grown.call(&format!("increment {id}")).value();
            assert_eq!(now.split(' ').next(), life.split(' ').next(), "the same session");
            assert_eq!(count(&now), expected);
        }
    }
    let on_new = (0..SESSIONS).filter(|session| nodes[2].has(&format!("s{session}"))).count();
    // Two of three nodes have each.
    assert!((SESSIONS / 3..SESSIONS).contains(&on_new), "{on_new} have moved");
}

#[test]
fn delayed_writes_are_exact_and_outlive_their_process() {
    const CLIENTS: usize = 6;
    const REQUESTS: usize = 150;
    const PROCESSES: usize = 10;
    let Some(nodes) = three_nodes() else { return };
    let setup = setup(&nodes).with(FOR_EVER).with("sessclust.write=delayed");
    // Workers that end after some requests.
    let pool = || [Pool { lines: "pm.max_requests=20", ..Pool::new(4) }];
    let Some(server) = Fpm::start(&setup, &pool()) else { return };
    let Some(other) = Fpm::start(&setup, &pool()) else { return };
    let servers = [server, other];
    in_parallel(CLIENTS, |client| {
        for request in 0..REQUESTS {
            servers[client % 2].call(&format!("increment s{}", request / 3 % 10)).value();
        }
    });
    for session in 0..10 {
        let stored = count(&servers[0].call(&format!("life s{session}")).value());
        assert_eq!(stored, CLIENTS * REQUESTS / 10);
    }
    for expected in 1..=PROCESSES {
        assert_eq!(count(&setup.run("increment cli").value()), expected);
    }
}

#[test]
fn tcp_connections_are_kept_alive_and_closed_on_exec() {
    if program(&["strace"]).is_none() {
        return;
    }
    let Some(node) = Memcached::start_tcp(Ipv4Addr::LOCALHOST) else { return };
    let folder = folder();
    let log = folder.path().join("log");
    let trace = ["strace", "-f", "-q", "-e", "trace=socket,connect,setsockopt", "-o"];
    let trace = [&trace[..], &[log.to_str().unwrap()]].concat();
    setup(std::slice::from_ref(&node)).run_in(&trace, "increment one").value();
    let log = fs::read_to_string(log).unwrap();
    let sockets: Vec<_> = log.lines().filter(|line| line.contains("socket(AF_INET")).collect();
    assert!(matches!(sockets[..], [socket] if socket.contains("SOCK_CLOEXEC")), "{log}");
    for option in ["TCP_NODELAY, [1]", "SO_KEEPALIVE, [1]", "TCP_KEEPIDLE, [60]"] {
        assert!(log.contains(option), "{option}:\n{log}");
    }
}
