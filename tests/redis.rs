//! Sessions on Redis servers, end to end: real servers, php-fpm and PHP's command line.

mod support;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use support::{
    Fpm, PATIENCE, Pool, Setup, answer, count, hold, in_parallel, kill, open_gate,
    redis::{Redis, wait_until},
    seeded, signal,
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

/// A loaded machine is no server that does not answer.
const PATIENT: &str = "sessclust.request_timeout=10s";

fn setup(servers: &[Redis]) -> Setup {
    let urls: Vec<String> = servers.iter().map(Redis::url).collect();
    let setup = Setup::with_save_path(&urls.join(",")).with(FOR_EVER);
    // The longest request_timeout for the shortest lease.
    setup.with("sessclust.connect_timeout=10s").with("sessclust.request_timeout=900ms")
}

/// Two at Unix sockets and one at a port.
fn three_servers() -> Option<[Redis; 3]> {
    Some([Redis::start(&[])?, Redis::start_tcp(&[])?, Redis::start(&[])?])
}

/// Two masters with this many workers each.
fn two_masters(setup: &Setup, workers: usize) -> Option<[Fpm; 2]> {
    let start = || Fpm::start(setup, &[Pool::new(workers)]);
    Some([start()?, start()?])
}

fn await_waiters(server: &Redis, waiters: usize) {
    wait_until("those who wait", || server.info("blocked_clients") == waiters.to_string());
}

/// A server is killed and comes back empty meanwhile, twice: each time all sessions have a copy
/// elsewhere.
#[test]
fn counters_of_two_masters_on_three_servers_are_exact_whichever_server_dies() {
    const CLIENTS: usize = 8;
    const SESSIONS: usize = 30;
    const ROUNDS: usize = 3;
    let Some(mut servers) = three_servers() else { return };
    let setup = setup(&servers).with(LONG_LEASE).with(PATIENT);
    let Some(masters) = two_masters(&setup, 4) else { return };
    // All in one order, so that they meet.
    let increment = || {
        in_parallel(CLIENTS, |client| {
            for session in 0..SESSIONS {
                for _ in 0..ROUNDS {
                    masters[client % 2].call(&format!("increment s{session}")).value();
                }
            }
        });
    };
    increment();
    for session in 0..SESSIONS {
        let id = format!("s{session}");
        assert_eq!(servers.iter().filter(|server| server.has(&id)).count(), 2, "two copies");
    }
    for dying in servers.iter_mut().take(2) {
        thread::scope(|scope| {
            let incrementing = scope.spawn(increment);
            dying.restart();
            incrementing.join().expect("no request has failed");
        });
        // Each session was used since, and no machine takes it for dead when the next one dies.
        increment();
        for master in &masters {
            wait_until("the server to count as up", || master.call("nodes_up").value() == "3");
        }
    }
    for session in 0..SESSIONS {
        for master in &masters {
            let stored = count(&master.call(&format!("life s{session}")).value());
            assert_eq!(stored, 5 * CLIENTS * ROUNDS);
        }
    }
}

#[test]
fn eight_workers_count_exactly_in_one_session() {
    const WORKERS: usize = 8;
    const REQUESTS: usize = 100;
    let Some(server) = Redis::start(&[]) else { return };
    for write in ["through", "delayed"] {
        let setup = setup(std::slice::from_ref(&server)).with(LONG_LEASE).with(PATIENT);
        let setup = setup.with(&format!("sessclust.write={write}"));
        let Some(fpm) = Fpm::start(&setup, &[Pool::new(WORKERS)]) else { return };
        in_parallel(WORKERS, |_| {
            (0..REQUESTS).for_each(|_| _ = fpm.call(&format!("increment {write}")).value());
        });
        let stored = count(&fpm.call(&format!("life {write}")).value());
        assert_eq!(stored, WORKERS * REQUESTS);
    }
}

/// The lock is given back elsewhere, where nobody wakes who waits here.
#[test]
fn a_session_that_another_machine_gives_back_is_got_when_its_lock_has_ended() {
    let Some(server) = Redis::start(&[]) else { return };
    let mut php = setup(std::slice::from_ref(&server)).start();
    server.lock("one");
    php.send("increment one");
    await_waiters(&server, 1);
    server.cli(&["DEL", &support::redis::key("sc:l:", "one")]);
    assert_eq!(count(&php.answer().value()), 1);
}

#[test]
fn the_session_of_a_killed_worker_is_free_at_once() {
    const KILLS: usize = 20;
    let Some(server) = Redis::start(&[]) else { return };
    let setup = setup(std::slice::from_ref(&server)).with(LONG_LEASE);
    let Some([master, other]) = two_masters(&setup, 2) else { return };
    let never = master.script().with_extension("never");
    for round in 1..=KILLS {
        let (_, pid) = hold(&master, "one", &never);
        let killed = Instant::now();
        // One request already waits when the holder dies, one comes after.
        thread::scope(|scope| {
            let waiting = scope.spawn(|| count(&other.call("increment one").value()));
            await_waiters(&server, 1);
            kill(&pid);
            assert_eq!(waiting.join().expect("no panic"), 2 * round - 1);
        });
        assert_eq!(count(&master.call("increment one").value()), 2 * round);
        assert!(killed.elapsed() < LEASE / 4);
    }
}

#[test]
fn a_hundred_killed_workers_lose_nothing_and_lock_nobody_out() {
    const KILLS: usize = 100;
    const CLIENTS: usize = 8;
    const SESSIONS: usize = 3;
    /// The kill comes up to this long after an answer: some requests.
    const DELAY_MAX: Duration = Duration::from_micros(1500);
    let Some(server) = Redis::start(&[]) else { return };
    // Who dies with a grant on its way costs its lease.
    let setup = setup(std::slice::from_ref(&server)).with(SHORT_LEASE);
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
            while !done.load(Ordering::SeqCst) && started.elapsed() < 2 * PATIENCE {
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
            wait_until("an answer", || answers.load(Ordering::SeqCst) > before);
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
}

#[test]
fn a_script_that_outlasts_its_lease_keeps_its_session() {
    let Some(server) = Redis::start(&[]) else { return };
    let setup = setup(std::slice::from_ref(&server)).with(SHORT_LEASE);
    let Some([master, other]) = two_masters(&setup, 1) else { return };
    let gate = master.script().with_extension("gate");
    assert_eq!(count(&master.call("increment one").value()), 1);
    let (output, _) = hold(&master, "one", &gate);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| other.call("increment one"));
        await_waiters(&server, 1);
        // Nothing to wait for: that nothing happens is the test.
        thread::sleep(SHORT + Duration::from_secs(2));
        assert!(!waiting.is_finished(), "the session is still in use");
        open_gate(&gate);
        assert_eq!(count(&answer(output).value()), 2);
        assert_eq!(count(&waiting.join().expect("no panic").value()), 3);
    });
}

#[test]
fn the_late_write_of_a_frozen_worker_is_refused() {
    let Some(server) = Redis::start(&[]) else { return };
    let setup = setup(std::slice::from_ref(&server)).with(SHORT_LEASE);
    let Some([master, other]) = two_masters(&setup, 1) else { return };
    let gate = master.script().with_extension("gate");
    let life = master.call("increment one").value();
    let (output, pid) = hold(&master, "one", &gate);
    signal(&pid, Signal::STOP);
    let newer = other.call("increment one").value();
    assert_eq!((count(&life), count(&newer)), (1, 2));
    open_gate(&gate);
    signal(&pid, Signal::CONT);
    let warning = answer(output).failure();
    assert!(warning.contains("not saved"), "{warning}");
    assert_eq!(other.call("life one").value(), newer);
    assert_eq!(count(&master.call("increment one").value()), 3);
}

#[test]
fn forks_have_connections_of_their_own() {
    const CHILDREN: usize = 4;
    const ROUNDS: usize = 50;
    let Some(servers) = three_servers() else { return };
    let setup = setup(&servers);
    setup.run(&format!("fork_after_use p {CHILDREN} {ROUNDS}")).value();
    for who in 0..=CHILDREN {
        assert_eq!(count(&setup.run(&format!("life p-{who}")).value()), ROUNDS);
    }
    let common = count(&setup.run("life p-common").value());
    assert_eq!(common, (CHILDREN + 1) * ROUNDS + 1);
}
