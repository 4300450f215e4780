//! php-fpm end to end: several workers, reloads, recycling, killed workers, users, nginx.

mod support;

use std::{
    fs,
    io::BufRead,
    os::unix::fs::MetadataExt,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use support::{
    Fpm, Nginx, Pool, Setup, count, folder, in_parallel, is_root, kill, number, seeded,
    session_files, use_up_a_worker, users_of, wait_for,
};

/// Longer than the tests' patience: a request that waits for a lock this long fails the test.
const FOR_EVER: &str = "sessclust.lock_wait=1h";

#[test]
fn parallel_requests_to_one_session_lose_no_update() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 250;
    let store = folder();
    let Some(fpm) = Fpm::start(&Setup::new(store.path()), &[Pool::new(6)]) else { return };
    in_parallel(CLIENTS, |_| {
        for _ in 0..REQUESTS {
            fpm.call("increment one").value();
        }
    });
    assert_eq!(count(&fpm.call("life one").value()), CLIENTS * REQUESTS);
}

#[test]
fn commits_at_the_end_of_requests_lose_no_update() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 100;
    let store = folder();
    let Some(fpm) = Fpm::start(&Setup::new(store.path()), &[Pool::new(6)]) else { return };
    in_parallel(CLIENTS, |_| {
        for _ in 0..REQUESTS {
            fpm.call("increment_at_end one").value();
        }
    });
    // PHP commits before it sends the end of the request, so no answer is ahead of its commit.
    assert_eq!(count(&fpm.call("life one").value()), CLIENTS * REQUESTS);
}

#[test]
fn many_sessions_in_parallel_are_each_exact() {
    const CLIENTS: usize = 8;
    const SESSIONS: usize = 40;
    const ROUNDS: usize = 6;
    let store = folder();
    let mut rng = seeded();
    let Some(fpm) = Fpm::start(&Setup::new(store.path()), &[Pool::new(6)]) else { return };
    let orders: Vec<Vec<usize>> = (0..CLIENTS)
        .map(|_| {
            let mut order: Vec<_> = (0..SESSIONS * ROUNDS).map(|n| n % SESSIONS).collect();
            rng.shuffle(&mut order);
            order
        })
        .collect();
    in_parallel(CLIENTS, |client| {
        for session in &orders[client] {
            fpm.call(&format!("increment s{session}")).value();
        }
    });
    for session in 0..SESSIONS {
        assert_eq!(count(&fpm.call(&format!("life s{session}")).value()), CLIENTS * ROUNDS);
    }
}

#[test]
fn graceful_reloads_under_load_fail_no_request() {
    const CLIENTS: usize = 6;
    const RELOADS: usize = 5;
    let store = folder();
    let Some(fpm) = Fpm::start(&Setup::new(store.path()), &[Pool::new(4)]) else { return };
    let done = AtomicBool::new(false);
    let requests = [const { AtomicUsize::new(0) }; 2];
    // Two sessions for six clients: workers are told to end while they hold and wait for locks.
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
            while !done.load(Ordering::SeqCst) {
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
fn worker_recycling_under_load_fails_no_request() {
    const CLIENTS: usize = 6;
    const REQUESTS: usize = 100;
    let store = folder();
    let pool = Pool { lines: "pm.max_requests=20", ..Pool::new(4) };
    let Some(fpm) = Fpm::start(&Setup::new(store.path()), &[pool]) else { return };
    let first = fpm.workers();
    in_parallel(CLIENTS, |client| {
        for _ in 0..REQUESTS {
            fpm.call(&format!("increment s{}", client % 2)).value();
        }
    });
    for session in ["s0", "s1"] {
        let stored = count(&fpm.call(&format!("life {session}")).value());
        assert_eq!(stored, CLIENTS / 2 * REQUESTS);
    }
    assert!(fpm.workers().iter().all(|pid| !first.contains(pid)), "every worker was recycled");
}

#[test]
fn a_worker_killed_while_holding_a_session_frees_it_at_once() {
    const KILLS: usize = 20;
    let store = folder();
    let setup = Setup::new(store.path()).with(FOR_EVER);
    let Some(fpm) = Fpm::start(&setup, &[Pool::new(3)]) else { return };
    for round in 1..=KILLS {
        let mut holder = fpm.send("www", "hold one");
        let mut pid = String::new();
        holder.read_line(&mut pid).unwrap();
        // One request already waits when the holder dies, one comes after.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| count(&fpm.call("increment one").value()));
            wait_for("a second user of the session's file", || {
                (users_of(store.path()) == 2).then_some(())
            });
            kill(&pid);
            assert_eq!(waiting.join().unwrap(), 2 * round - 1);
        });
        assert_eq!(count(&fpm.call("increment one").value()), 2 * round);
    }
}

#[test]
fn workers_killed_while_rewriting_leave_data_intact() {
    const KILLS: usize = 40;
    let store = folder();
    let mut rng = seeded();
    let setup = Setup::new(store.path()).with(FOR_EVER);
    let Some(fpm) = Fpm::start(&setup, &[Pool::new(3)]) else { return };
    let mut saved = 0;
    for _ in 0..KILLS {
        let seed = rng.u32(..1 << 31);
        let mut writer = fpm.send("www", &format!("rewrite one {} {seed}", saved + 1));
        let mut pid = String::new();
        writer.read_line(&mut pid).unwrap();
        let mut output = String::new();
        for _ in 0..rng.usize(1..10) {
            writer.read_line(&mut output).unwrap();
        }
        kill(&pid);
        // All it has printed, until the connection ends without the end of the request.
        while let Ok(1..) = writer.read_line(&mut output) {}
        let acknowledged: u32 = output.lines().last().expect("a line").parse().unwrap();
        saved = number(&fpm.call("get one").value());
        assert!((acknowledged..=acknowledged + 1).contains(&saved), "{saved} after {acknowledged}");
    }
}

#[test]
fn pools_of_two_users_share_a_save_path_but_no_session() {
    if !is_root() {
        println!("skipped: pools under two users need root");
        return;
    }
    let store = folder();
    let pools = [Pool::new(2), Pool { name: "other", user: "nobody", ..Pool::new(2) }];
    let Some(fpm) = Fpm::start(&Setup::new(store.path()), &pools) else { return };
    in_parallel(2, |pool| {
        for expected in 1..=50 {
            let life = fpm.call_pool(pools[pool].name, "increment one").value();
            assert_eq!(count(&life), expected);
        }
    });
    let mut owners = Vec::new();
    for entry in fs::read_dir(store.path()).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        assert_eq!(entry.file_name().to_str().unwrap(), format!("u{}", metadata.uid()));
        assert_eq!(metadata.mode() & 0o7777, 0o700, "only its user enters {:?}", entry.path());

        owners.push(metadata.uid());
    }
    assert_eq!(owners.len(), 2, "{owners:?}");
    assert_eq!(session_files(store.path()).len(), 2);
}

#[test]
fn sessions_by_cookie_through_nginx() {
    const CLIENTS: usize = 6;
    const REQUESTS: usize = 50;
    let store = folder();
    let setup = Setup::new(store.path()).with("session.use_cookies=1");
    let Some(fpm) = Fpm::start(&setup, &[Pool::new(4)]) else { return };
    let Some(nginx) = Nginx::start(&fpm) else { return };
    let (_, first) = nginx.call("visit", None);
    let first = first.expect("a new visitor gets a cookie");
    in_parallel(CLIENTS, |_| {
        for _ in 0..REQUESTS {
            let (answer, cookie) = nginx.call("visit", Some(&first));
            assert!(answer.value().starts_with(&first) && cookie.is_none());
        }
    });
    let (answer, _) = nginx.call("visit", Some(&first));
    assert_eq!(count(&answer.value()), CLIENTS * REQUESTS + 2);

    // An id the store does not know is not adopted (strict mode), whatever it is.
    let unknown = "0123456789abcdefghijklmnop";
    for hostile in [unknown, "../../etc/passwd", "a%00b", "a%0d%0ab", &"a".repeat(3000)] {
        let (answer, cookie) = nginx.call("visit", Some(hostile));
        let fresh = cookie.expect("another id");
        assert_ne!(fresh, hostile);
        assert_eq!(answer.value().rsplit(' ').next(), Some("1"), "a new session");
    }
    assert_eq!(session_files(store.path()).len(), 6);
}

#[test]
fn descriptors_and_memory_of_a_worker_do_not_grow_over_10_000_requests() {
    let store = folder();
    use_up_a_worker(&Setup::new(store.path()), "gc one");
}
