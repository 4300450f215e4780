//! No node answers: `sessclust.on_outage`, and what becomes of the sessions of an outage.

mod support;

use sessclust_engine::cluster::Cluster;
use sessclust_engine::config::{OnOutage, Settings};
use sessclust_engine::machine::Board;
use sessclust_engine::node::{System, World};
use sessclust_engine::stats::Counter;
use sessclust_engine::{ErrorKind, Result};
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::pool::{PoolSite, Process, lock_key};
use support::proxy::{Fault, Place};
use support::{Request, age, digest, id};

/// A pool whose sessions are kept on this machine while no node answers.
struct Site(PoolSite);

impl Site {
    #[track_caller]
    fn start(nodes: usize) -> Option<Self> {
        let mut site = PoolSite::start(nodes)?;
        site.settings.on_outage = OnOutage::Local;
        Some(Self(site))
    }

    /// Stores a session.
    fn put(&self, process: &Process, shop: &str, data: &[u8]) {
        process.put(shop, data);
        self.wait_for_unlock(shop);
    }

    /// Giving a lock back is not waited for, and must not be cut off.
    fn wait_for_unlock(&self, shop: &str) {
        for node in 0..self.nodes.len() {
            let mut raw = self.raw(node);
            support::wait_for("no lock", || raw.left_s(&lock_key(shop)).is_none());
        }
    }

    /// Nobody gets through to a node.
    fn cut_off(&self) {
        for node in &self.nodes {
            node.proxy.refuse();
            node.proxy.cut();
            node.proxy.wait_for("the cut", |counts| counts.open == 0);
        }
    }

    /// The nodes answer again, with what they had. Where there are several, this machine knows:
    /// with one copy, a session would begin anew on whichever a request happens to find first.
    fn reach(&self) {
        // So far apart that nobody takes it for one that goes up and down.
        const FAR: Duration = Duration::from_secs(3600);
        for node in &self.nodes {
            node.proxy.accept();
        }
        if self.nodes.len() > 1 {
            let (board, now) = (Board::open(&Cluster::names(&self.addresses())), System.uptime());
            for node in 0..self.nodes.len() {
                for time in [now, now + FAR] {
                    board.answered(node, time);
                }
            }
        }
    }

    /// Leaves so many connections unanswered, of those whom `start` starts, and no more.
    fn leave_unanswered<T>(&self, connections: usize, start: impl FnOnce() -> T) -> T {
        let proxy = self.proxy();
        let before = proxy.counts_of_each().len();
        proxy.plan(Place::EveryRequest, Fault::Swallow);
        let started = start();
        support::wait_for("who is not answered", || {
            let asked = &proxy.counts_of_each()[before..];
            asked.iter().filter(|connection| connection.faults > 0).count() >= connections
        });
        proxy.heal();
        started
    }

    /// The nodes answer again, and have nothing.
    fn restart(&mut self) {
        for node in &mut self.0.nodes {
            node.server.restart();
        }
        self.reach();
    }

    /// A process of another machine.
    fn elsewhere(&self) -> Process {
        let mut process = self.process();
        process.settings.on_outage = OnOutage::Fail;
        process
    }

    /// The file that stands in for a session.
    fn file(&self, text: &str) -> PathBuf {
        let hex = String::from_utf8(digest(text).to_hex().to_vec()).unwrap();
        let store = sessclust_engine::local::Store::directory_of(Some(&self.refuge()));
        store.join(&hex[..2]).join(&hex[2..])
    }
}

impl Deref for Site {
    type Target = PoolSite;

    fn deref(&self) -> &PoolSite {
        &self.0
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut PoolSite {
        &mut self.0
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let refuge = self.refuge();
        let _ = fs::remove_dir_all(&refuge).or_else(|_| fs::remove_file(&refuge));
    }
}

/// Reads and writes a session in one request.
#[track_caller]
fn change(process: &Process, shop: &str, before: &[u8], after: &[u8]) {
    let mut request = process.request();
    assert_eq!(request.open(shop), before);
    request.write(shop, after).unwrap();
    request.close();
}

/// Settings under which a request waits for so long for a node.
fn with_patience(process: &Process, patience_ms: u64) -> Settings {
    let patience = Duration::from_millis(patience_ms);
    Settings { connect_timeout: patience, request_timeout: patience, ..process.settings.clone() }
}

/// What the server's log is told of an outage; of single nodes it is told besides.
fn told(process: &Process) -> Vec<String> {
    let mut notices = process.store.notices();
    notices.retain(|notice| notice.contains("this machine keeps sessions in"));
    notices
}

/// Strict mode is told that there is no such session.
#[track_caller]
fn expect_none(process: &Process, shop: &str) {
    let mut request = process.request();
    assert!(!request.knows(shop), "{:?}", request.try_open(shop));
}

#[track_caller]
fn expect<T>(result: Result<T>, kind: ErrorKind, text: &str) {
    let error = result.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

#[test]
fn by_default_a_request_without_a_node_fails_and_nothing_is_kept() {
    let Some(site) = Site::start(2) else { return };
    let (process, shop) = (site.elsewhere(), site.id());
    site.put(&process, &shop, b"before");
    site.cut_off();
    for _ in 0..2 {
        expect(process.request().try_open(&shop), ErrorKind::NoNode, "cannot be opened");
        let mut request = process.request();
        // An error is not an answer to whether there is a session.
        assert!(request.knows(&shop));
        expect(request.try_open(&shop), ErrorKind::NoNode, "cannot be opened");
        expect(process.request().open_fresh(&site.id()), ErrorKind::NoNode, "cannot be opened");
    }
    assert!(told(&process).is_empty() && !site.refuge().exists());
    site.reach();
    change(&process, &shop, b"before", b"after");
}

#[test]
fn requests_go_on_with_sessions_of_this_machine_and_the_log_is_told_once() {
    let Some(site) = Site::start(2) else { return };
    let processes = [site.process(), site.process(), site.process()];
    let (shop, fresh) = (site.id(), site.id());
    site.put(&processes[0], &shop, b"in the pool");
    site.cut_off();
    for (before, process) in processes.iter().enumerate() {
        let data = |count: usize| if count == 0 { Vec::new() } else { vec![b'x'; count] };
        let mut request = process.request();
        // Nobody can say that there is no such session, so nobody is logged out.
        assert!(request.knows(&shop));
        assert_eq!(request.open(&shop), data(before));
        request.write(&shop, &data(before + 1)).unwrap();
        request.close();
        assert_eq!(process.request().peek(&shop), data(before + 1));
        match before {
            0 => assert_eq!(process.request().open_fresh(&fresh).unwrap(), b""),
            _ => assert!(process.request().knows(&fresh)),
        }
    }
    let notices: Vec<String> = processes.iter().flat_map(told).collect();
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    let kept = format!("keeps sessions in {} (sessclust.on_outage", site.refuge().display());
    assert!(notice.contains("cannot connect to") && notice.contains(&kept), "{notice}");
    let count = |counter| processes.iter().map(|process| process.count(counter)).sum::<u64>();
    assert_eq!(count(Counter::Outages), 1);
    assert_eq!(count(Counter::LocalSessions), 9);
}

#[test]
fn a_node_that_answers_now_and_then_makes_one_outage() {
    let Some(site) = Site::start(1) else { return };
    let (process, shop) = (site.process(), site.id());
    for count in 0..5_u8 {
        site.cut_off();
        change(&process, &shop, &vec![b'x'; count.into()], &vec![b'x'; usize::from(count) + 1]);
        site.reach();
        process.request().open(&site.id());
    }
    assert_eq!(told(&process).len(), 1);
    assert_eq!(process.count(Counter::Outages), 1);
}

#[test]
fn a_session_that_the_nodes_do_not_have_is_moved_to_them() {
    let Some(mut site) = Site::start(2) else { return };
    let process = site.process();
    // By a commit; by a request that changes nothing; by one that takes no lock.
    let shops = [site.id(), site.id(), site.id()];
    site.cut_off();
    for shop in &shops {
        process.request().open_fresh(shop).unwrap();
        change(&process, shop, b"", b"local");
    }
    site.restart();
    for shop in &shops {
        assert!(site.record(shop).is_none() && site.file(shop).exists());
        // Who only reads moves nothing, and strict mode finds it.
        assert_eq!(process.request().peek(shop), b"local");
        assert!(process.request().knows(shop));
        assert!(site.record(shop).is_none() && site.file(shop).exists());
    }
    change(&process, &shops[0], b"local", b"changed");
    let mut request = process.request();
    assert_eq!(request.open(&shops[1]), b"local");
    request.touch(&shops[1], b"local").unwrap();
    request.close();
    let unlocked = Settings { lock: false, ..process.settings.clone() };
    let mut request = process.request_with(&unlocked);
    assert_eq!(request.open(&shops[2]), b"local");
    request.touch(&shops[2], b"local").unwrap();
    for (shop, data) in shops.iter().zip([&b"changed"[..], b"local", b"local"]) {
        assert_eq!(site.elsewhere().request().peek(shop), data);
        assert!(!site.file(shop).exists());
    }
    assert_eq!(process.count(Counter::LocalMoved), 2);
    assert_eq!(process.count(Counter::LocalDropped), 0);
}

#[test]
fn what_the_nodes_have_counts_more_than_what_this_machine_has() {
    let Some(site) = Site::start(2) else { return };
    let process = site.process();
    let (shop, read, destroyed) = (site.id(), site.id(), site.id());
    for shop in [&shop, &read, &destroyed] {
        site.put(&process, shop, b"pool");
    }
    site.cut_off();
    for shop in [&shop, &read, &destroyed] {
        change(&process, shop, b"", b"local");
    }
    site.reach();
    site.elsewhere().request().session.destroy(id(&destroyed)).unwrap();
    change(&process, &shop, b"pool", b"changed");
    assert_eq!(process.request().peek(&read), b"pool");
    expect_none(&process, &destroyed);
    assert_eq!(process.request().open(&destroyed), b"");
    for shop in [&shop, &read, &destroyed] {
        assert!(!site.file(shop).exists());
    }
    assert_eq!(process.count(Counter::LocalDropped), 3);
    assert_eq!(process.count(Counter::LocalMoved), 0);
}

#[test]
fn what_was_destroyed_during_an_outage_stays_destroyed() {
    let Some(site) = Site::start(2) else { return };
    let process = site.process();
    let (shop, again, held) = (site.id(), site.id(), site.id());
    for shop in [&shop, &again, &held] {
        site.put(&process, shop, b"logged in");
    }
    let mut holder = process.request();
    holder.open(&held);
    site.cut_off();
    holder.session.destroy(id(&held)).unwrap();
    for shop in [&shop, &again] {
        let mut request = process.request();
        request.open(shop);
        request.write(shop, b"local").unwrap();
        request.session.destroy(id(shop)).unwrap();
    }
    for shop in [&shop, &again, &held] {
        expect_none(&process, shop);
        assert_eq!(process.request().peek(shop), b"");
    }
    // Without strict mode an id may be used again.
    change(&process, &again, b"", b"new");
    site.reach();
    // It could not be given back, and would end with its lease.
    for node in 0..site.nodes.len() {
        site.raw(node).take(&lock_key(&held));
    }
    for shop in [&shop, &held] {
        expect_none(&process, shop);
        assert!(site.record(shop).unwrap().is_tombstone);
        assert_eq!(site.elsewhere().request().peek(shop), b"");
    }
    // The tombstone counts more than a session that was begun behind it.
    assert_eq!(process.request().open(&again), b"");
    assert!(site.record(&again).unwrap().is_tombstone);
}

/// Who was told that no node answers, and had asked before one did, must not go on with what this
/// machine had: others may have moved it since. However many there are, the outage stays over.
#[test]
fn who_has_asked_before_the_end_of_an_outage_asks_again() {
    let Some(site) = Site::start(1) else { return };
    let (process, shop) = (site.process(), site.id());
    site.cut_off();
    change(&process, &shop, b"", b"x");
    site.reach();
    let board = Board::open(&Cluster::names(&site.addresses()));
    let add_one = |mut request: Request| {
        let count = request.open(&shop).len();
        request.write(&shop, &vec![b'x'; count + 1]).unwrap();
        request.close();
    };
    let count = |process: &Process| {
        [Counter::LocalMoved, Counter::LocalDropped].map(|counter| process.count(counter))
    };
    thread::scope(|scope| {
        let late = |patience_ms| {
            let (site, add_one) = (&site, &add_one);
            scope.spawn(move || {
                let process = site.process();
                add_one(process.request_with(&with_patience(&process, patience_ms)));
                count(&process)
            })
        };
        let late = site.leave_unanswered(2, || [late(300), late(600)]);
        add_one(process.request());
        // Nor do they rely on a board that has heard of it: some machines have none to share.
        let now = System.uptime() + Duration::from_millis(1);
        board.failed(0, now, now);
        board.set_hung(0, true);
        let [first, second] = late.map(|late| late.join().unwrap());
        let own = count(&process);
        assert_eq!([0, 1].map(|index| first[index] + second[index] + own[index]), [1, 0]);
    });
    board.answered(0, System.uptime());
    assert_eq!(process.request().peek(&shop), b"xxxx");
}

/// Others may have been answered, and there was no outage that they could have ended.
#[test]
fn an_outage_does_not_begin_while_others_are_answered() {
    let Some(site) = Site::start(1) else { return };
    let (process, shop) = (site.process(), site.id());
    site.put(&process, &shop, b"pool");
    for connections in [1, 2] {
        thread::scope(|scope| {
            let alone = || {
                let process = site.process();
                let settings = with_patience(&process, 1000);
                assert_eq!(process.request_with(&settings).open(&shop), b"pool");
                process.count(Counter::Outages)
            };
            let alone = site.leave_unanswered(connections, || scope.spawn(alone));
            process.request().open(&site.id());
            assert_eq!(alone.join().unwrap(), 0, "{connections}");
        });
        site.wait_for_unlock(&shop);
    }
    // Nor does it begin again.
    site.cut_off();
    change(&process, &site.id(), b"", b"local");
    site.reach();
    assert_eq!(process.request().peek(&shop), b"pool");
    let proxy = site.proxy();
    proxy.cut();
    proxy.wait_for("the cut", |counts| counts.open == 0);
    // A connection is made once more where one was cut.
    proxy.reset();
    proxy.plan(Place::Reply(0), Fault::CutBefore);
    proxy.plan(Place::Reply(1), Fault::CutBefore);
    assert_eq!(process.request().open(&shop), b"pool");
    assert_eq!(proxy.counts().faults, 2);
}

#[test]
fn who_has_waited_on_this_machine_beyond_the_end_of_an_outage_asks_again() {
    let Some(site) = Site::start(1) else { return };
    let (process, shop) = (site.process(), site.id());
    site.put(&process, &shop, b"pool");
    site.cut_off();
    let mut holder = process.request();
    assert_eq!(holder.open(&shop), b"");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| site.process().request().open(&shop));
        support::wait_for("a waiter", || support::waiters(&site.file(&shop)) == 1);
        site.reach();
        process.request().open(&site.id());
        holder.close();
        assert_eq!(waiter.join().unwrap(), b"pool");
    });
}

#[test]
fn a_read_without_a_lock_finds_a_session_that_moves_meanwhile() {
    let Some(site) = Site::start(1) else { return };
    let (process, shop) = (site.process(), site.id());
    site.cut_off();
    change(&process, &shop, b"", b"x");
    site.reach();
    let (proxy, step) = (site.proxy(), Barrier::new(2));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let process = site.process();
            process.request().peek(&site.id());
            step.wait();
            step.wait();
            process.request().peek(&shop)
        });
        step.wait();
        proxy.reset();
        proxy.plan(Place::Reply(0), Fault::Hold);
        step.wait();
        proxy.wait_for("the answer that it is not there", |counts| counts.faults == 1);
        change(&process, &shop, b"x", b"xx");
        site.wait_for_unlock(&shop);
        proxy.release();
        assert_eq!(reader.join().unwrap(), b"xx");
    });
}

/// Nobody can say that there is no session of some id while one of two nodes is silent and the
/// other has lost what it had. Requests for those that there are end the outage all the time.
#[test]
fn an_outage_for_some_sessions_is_none_for_others() {
    let Some(mut site) = Site::start(2) else { return };
    site.settings.replicas = 2;
    site.0.nodes[0].server.restart();
    let silent = &site.nodes[1].proxy;
    silent.refuse();
    silent.cut();
    silent.wait_for("the cut", |counts| counts.open == 0);
    let (process, shop) = (site.process(), site.id());
    let mut request = process.request();
    request.open_fresh(&shop).unwrap();
    request.write(&shop, b"in the pool").unwrap();
    request.close();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let process = site.process();
            while !is_done.load(Ordering::SeqCst) {
                assert_eq!(process.request().open(&shop), b"in the pool");
            }
        });
        let process = site.process();
        for _ in 0..50 {
            let unknown = site.id();
            change(&process, &unknown, b"", b"x");
            change(&process, &unknown, b"x", b"xx");
        }
        is_done.store(true, Ordering::SeqCst);
        assert_eq!(process.count(Counter::LocalSessions), 100);
    });
}

#[test]
fn what_is_older_than_the_outage_is_neither_used_nor_moved() {
    let Some(mut site) = Site::start(1) else { return };
    let process = site.process();
    let (used, moved) = (site.id(), site.id());
    site.cut_off();
    for shop in [&used, &moved] {
        change(&process, shop, b"", b"of an earlier outage");
        age(&site.file(shop), 10);
    }
    assert_eq!(process.request().peek(&used), b"");
    assert_eq!(process.request().open(&used), b"");
    site.restart();
    expect_none(&process, &moved);
    assert_eq!(process.request().open(&moved), b"");
    assert!(!site.file(&moved).exists());
}

/// It would be promised here what the nodes, back with the version before, do not keep.
#[test]
fn a_commit_that_finds_no_node_fails_and_is_not_kept_here() {
    let Some(site) = Site::start(2) else { return };
    let (process, shop) = (site.process(), site.id());
    site.put(&process, &shop, b"before");
    let mut request = process.request();
    request.open(&shop);
    site.cut_off();
    expect(request.write(&shop, b"late"), ErrorKind::NoNode, "is not saved");
    request.close();
    assert!(!site.file(&shop).exists());
    site.reach();
    assert_eq!(process.request().peek(&shop), b"before");
}

#[test]
fn requests_without_locks_go_on_too() {
    let Some(mut site) = Site::start(2) else { return };
    let process = site.process();
    let unlocked = Settings { lock: false, ..process.settings.clone() };
    let (shop, fresh) = (site.id(), site.id());
    site.put(&process, &shop, b"pool");
    site.cut_off();
    let mut request = process.request_with(&unlocked);
    assert_eq!(request.open(&shop), b"");
    request.write(&shop, b"local").unwrap();
    request.touch(&shop, b"local").unwrap();
    let mut request = process.request_with(&unlocked);
    assert!(request.session.is_free(id(&fresh)).unwrap());
    assert_eq!(request.peek(&fresh), b"");
    request.touch(&fresh, b"new").unwrap();
    assert_eq!(process.request().peek(&fresh), b"new");
    site.restart();
    // Stored over whatever is there, as always without locks.
    process.request_with(&unlocked).write(&shop, b"over").unwrap();
    assert_eq!(process.request().peek(&shop), b"over");
    assert!(!site.file(&shop).exists());
}

#[test]
fn only_nodes_that_do_not_answer_make_an_outage() {
    let Some(site) = Site::start(1) else { return };
    let process = site.process();
    process.request().peek(&site.id());
    let reply = b"SERVER_ERROR out of memory storing object\r\n";
    site.proxy().plan(Place::Reply(0), Fault::Replace(reply.to_vec()));
    expect(process.request().try_open(&site.id()), ErrorKind::Node, "out of memory");
    let shop = site.id();
    let mut holder = process.request();
    holder.open(&shop);
    expect(site.impatient().try_open(&shop), ErrorKind::Locked, "is in use by");
    assert!(!site.refuge().exists());
}

#[test]
fn a_machine_that_cannot_keep_sessions_says_both_reasons() {
    let Some(site) = Site::start(1) else { return };
    let process = site.process();
    fs::create_dir_all(site.refuge().parent().unwrap()).unwrap();
    fs::write(site.refuge(), "in the way").unwrap();
    site.cut_off();
    let result = process.request().try_open(&site.id());
    let error = result.as_ref().unwrap_err().to_string();
    assert!(error.contains("cannot connect to "), "{error}");
    expect(result, ErrorKind::NoNode, "nor can this machine keep it: ");
}

/// Requests of one session take turns during an outage, and from its end on in the pool.
#[test]
fn counters_are_exact_in_an_outage_and_over_its_end() {
    const WORKERS: usize = 4;
    const ROUNDS: usize = 60;
    // With two, a session of one copy begins anew on whichever is back first.
    let Some(mut site) = Site::start(1) else { return };
    site.settings.lock_wait = Duration::from_secs(60);
    let shop = site.id();
    site.cut_off();
    let done = AtomicUsize::new(0);
    let moved = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let process = site.process();
                let mut rounds = 0;
                // Some of them after the end, however fast the others are.
                while rounds < ROUNDS {
                    rounds += usize::from(rounds < ROUNDS / 2 || is_over.load(Ordering::SeqCst));
                    let mut request = process.request();
                    let count = request.open(&shop).len();
                    request.write(&shop, &vec![b'x'; count + 1]).unwrap();
                    request.close();
                    done.fetch_add(1, Ordering::SeqCst);
                }
                moved.fetch_add(process.count(Counter::LocalMoved) as usize, Ordering::SeqCst);
            });
        }
        support::wait_for("half of the work", || {
            done.load(Ordering::SeqCst) >= WORKERS * ROUNDS / 2
        });
        site.reach();
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(site.process().request().peek(&shop).len(), done.into_inner());
    assert_eq!(moved.into_inner(), 1);
}
