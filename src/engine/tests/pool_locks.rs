//! Locks of sessions in a pool: who has one, for how long, who is told about it, and what becomes
//! of a request that lost it.

mod support;

use rustix::process::getpid;
use sessclust_engine::config::{Settings, WriteMode};
use sessclust_engine::machine::{Joined, Queue, host_name};
use sessclust_engine::session::Access;
use sessclust_engine::stats::Counter;
use sessclust_engine::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};
use support::pool::{PoolSite, Process, Service, lock_key, record_key};
use support::proxy::{Fault, Place};
use support::{Child, LIFETIME_S, Request, id, wait_for};

on_each_service! {
    a_session_that_one_request_holds_no_other_gets,
    eight_processes_that_increment_one_counter_lose_nothing,
    who_writes_twice_takes_the_lock_again_for_the_second_time,
    a_commit_over_what_another_request_has_stored_is_refused,
    a_lock_that_is_taken_again_while_the_script_runs_hides_nothing_that_others_stored,
    a_writer_whose_lease_ran_out_is_refused_once_another_has_committed,
    a_writer_whose_lease_ran_out_is_refused_while_another_holds_the_session,
    a_writer_whose_lease_ran_out_takes_the_lock_again_if_nobody_came,
    a_session_that_was_destroyed_meanwhile_stays_destroyed,
    requests_that_destroy_a_session_at_once_do_not_keep_each_other_from_it,
    a_fresh_session_never_replaces_one_that_is_there,
    no_lock_is_ever_without_an_end,
    a_lock_that_is_renewed_outlives_its_lease,
    a_strangers_lock_is_never_extended,
    a_lock_tells_who_holds_it,
    a_wait_ends_with_lock_wait_and_says_so,
    a_request_too_many_fails_at_once,
    the_session_of_a_killed_process_is_free_at_once_on_its_machine,
    who_waits_for_a_process_that_is_killed_takes_over,
    a_holder_on_another_machine_is_waited_for_until_its_lease_ends,
    a_lock_that_nobody_can_read_is_waited_for_too,
    a_lock_whose_answer_was_lost_is_ones_own,
    a_commit_whose_answer_was_lost_is_found_out_about,
    without_locks_the_last_writer_wins,
    without_locks_who_changes_nothing_undoes_nothing,
    without_locks_an_unchanged_session_lives_on,
    without_locks_a_session_needs_its_own_node_only,
    without_locks_a_holder_is_not_waited_for,
    whoever_opens_a_session_behind_a_delayed_write_reads_it,
    a_delayed_write_that_was_refused_is_told_once_and_counted,
    a_delayed_write_whose_answer_never_came_is_told_once_and_counted,
    the_answers_to_delayed_writes_are_waited_for_at_the_end,
}

/// A pool of one node.
fn site(service: Service) -> Option<PoolSite> {
    PoolSite::start_on(service, 1)
}

/// The same with a lease that a test can wait for.
fn hasty(service: Service) -> Option<PoolSite> {
    let mut site = site(service)?;
    site.settings.lock_lease = Duration::from_secs(4);
    site.settings.request_timeout = Duration::from_millis(1400);
    Some(site)
}

#[track_caller]
fn expect_error<T>(result: Result<T>, kind: ErrorKind, text: &str) {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

// One at a time.

fn a_session_that_one_request_holds_no_other_gets(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let mut holder = site.request();
    holder.open(&shop);
    expect_error(site.impatient().try_open(&shop), ErrorKind::Locked, "is in use by");
    holder.write(&shop, b"of the holder").unwrap();
    assert_eq!(site.impatient().open(&shop), b"of the holder", "a commit gives the lock back");
}

fn eight_processes_that_increment_one_counter_lose_nothing(service: Service) {
    const PROCESSES: usize = 8;
    const EACH: usize = 200;
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let increment = |process: &Process| {
        let mut request = process.request();
        let count = String::from_utf8(request.open(&shop)).unwrap().parse().unwrap_or(0);
        request.write(&shop, (count + 1_u32).to_string().as_bytes()).unwrap();
        request.close();
    };
    let start = |_| {
        Child::start(|parent| {
            let process = site.process();
            (0..EACH).for_each(|_| increment(&process));
            parent.say("done");
        })
    };
    let mut children: Vec<Child> = (0..PROCESSES).map(start).collect();
    for child in &mut children {
        assert_eq!(child.line(), "done");
    }
    assert_eq!(site.get(&shop), (PROCESSES * EACH).to_string().as_bytes());
    site.wait_until_free(&shop);
}

fn who_writes_twice_takes_the_lock_again_for_the_second_time(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let mut request = site.request();
    request.open(&shop);
    request.write(&shop, b"first").unwrap();
    request.write(&shop, b"second").unwrap();
    request.close();
    assert_eq!(site.get(&shop), b"second");
    site.wait_until_free(&shop);
}

// What a request that lost its lock may still do.

fn a_commit_over_what_another_request_has_stored_is_refused(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    site.put(&shop, b"before");
    let mut late = site.request();
    late.open(&shop);
    site.wait_and_delete_lock(&shop);
    site.put(&shop, b"of another");
    let stored = site.record(&shop).unwrap();
    let text = "was changed by another request, after this one lost its lock, not saved";
    expect_error(late.write(&shop, b"late"), ErrorKind::LeaseLost, text);
    assert_eq!(site.record(&shop), Some(stored));
    assert_eq!(site.get(&shop), b"of another");
}

#[test]
fn of_two_that_both_believe_to_hold_a_session_the_second_to_commit_is_refused() {
    let Some(site) = site(Service::Memcached) else { return };
    let shop = site.id();
    let (mut first, mut second) = (site.request(), site.request());
    first.open(&shop);
    site.wait_and_delete_lock(&shop);
    second.open(&shop);
    first.write(&shop, b"first").unwrap();
    first.close();
    assert!(site.holder(&shop).is_some(), "the first one's unlock is not for the second one's");
    expect_error(second.write(&shop, b"second"), ErrorKind::LeaseLost, "not saved");
    assert_eq!(site.get(&shop), b"first");
    site.wait_until_free(&shop);
}

/// A script that commits looks at the lock too.
#[test]
fn of_two_that_both_believe_to_hold_a_session_redis_believes_the_one_who_does() {
    let Some(site) = site(Service::Redis) else { return };
    let shop = site.id();
    let (mut first, mut second) = (site.request(), site.request());
    first.open(&shop);
    site.wait_and_delete_lock(&shop);
    second.open(&shop);
    expect_error(first.write(&shop, b"first"), ErrorKind::LeaseLost, "not saved");
    first.close();
    assert!(site.holder(&shop).is_some(), "the first one's unlock is not for the second one's");
    second.write(&shop, b"second").unwrap();
    second.close();
    assert_eq!(site.get(&shop), b"second");
    site.wait_until_free(&shop);
}

/// As the thread does that renews locks, in a process that stood still for a while.
fn a_lock_that_is_taken_again_while_the_script_runs_hides_nothing_that_others_stored(
    service: Service,
) {
    let Some(site) = hasty(service) else { return };
    let shop = site.id();
    site.put(&shop, b"before");
    let mut late = site.request();
    late.open(&shop);
    let live = late.session.care().unwrap().live;
    site.wait_until_free(&shop);
    site.put(&shop, b"of another");
    site.wait_until_free(&shop);
    wait_for("the lock to be taken again", || {
        live.renew();
        site.holder(&shop).is_some()
    });
    expect_error(late.write(&shop, b"late"), ErrorKind::LeaseLost, "changed by another request");
    late.close();
    assert_eq!(site.get(&shop), b"of another");
    site.wait_until_free(&shop);
}

fn a_writer_whose_lease_ran_out_is_refused_once_another_has_committed(service: Service) {
    let Some(site) = hasty(service) else { return };
    let shop = site.id();
    site.put(&shop, b"before");
    let mut late = site.request();
    late.open(&shop);
    site.wait_until_free(&shop);
    site.put(&shop, b"of another");
    expect_error(late.write(&shop, b"late"), ErrorKind::LeaseLost, "changed by another request");
    late.close();
    assert_eq!(site.get(&shop), b"of another");
    site.wait_until_free(&shop);
}

fn a_writer_whose_lease_ran_out_is_refused_while_another_holds_the_session(service: Service) {
    let Some(site) = hasty(service) else { return };
    let shop = site.id();
    let mut late = site.request();
    late.open(&shop);
    site.wait_until_free(&shop);
    let mut other = site.request();
    other.open(&shop);
    expect_error(late.write(&shop, b"late"), ErrorKind::LeaseLost, "is in use by another request");
    assert!(site.record(&shop).is_none(), "nothing is stored");
    other.write(&shop, b"of another").unwrap();
    assert_eq!(site.get(&shop), b"of another");
}

fn a_writer_whose_lease_ran_out_takes_the_lock_again_if_nobody_came(service: Service) {
    let Some(site) = hasty(service) else { return };
    let shop = site.id();
    site.put(&shop, b"before");
    let mut slow = site.request();
    slow.open(&shop);
    site.wait_until_free(&shop);
    slow.write(&shop, b"after").unwrap();
    assert_eq!(site.get(&shop), b"after");
    site.wait_until_free(&shop);
}

fn a_session_that_was_destroyed_meanwhile_stays_destroyed(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    site.put(&shop, b"before");
    let mut late = site.request();
    late.open(&shop);
    site.request().session.destroy(id(&shop)).unwrap();
    let text = "was destroyed by another request, not saved";
    expect_error(late.write(&shop, b"late"), ErrorKind::Destroyed, text);
    late.close();
    assert!(site.record(&shop).unwrap().is_tombstone);
    assert!(!site.request().knows(&shop));
}

/// None has the lock, so each replaces what the others have just stored, on two nodes.
fn requests_that_destroy_a_session_at_once_do_not_keep_each_other_from_it(service: Service) {
    const ROUNDS: usize = 200;
    let Some(mut site) = PoolSite::start_on(service, 3) else { return };
    site.settings.replicas = 2;
    let shop = site.id();
    site.put(&shop, b"cart");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let process = site.process();
                for _ in 0..ROUNDS {
                    process.request().session.destroy(id(&shop)).expect("it is destroyed");
                }
            });
        }
    });
    assert_eq!(site.get(&shop), b"");
}

fn a_fresh_session_never_replaces_one_that_is_there(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    site.put(&shop, b"somebody's");
    let mut request = site.request();
    assert_eq!(request.open_fresh(&shop).unwrap(), b"");
    expect_error(request.write(&shop, b"mine"), ErrorKind::LeaseLost, "not saved");
    assert_eq!(site.get(&shop), b"somebody's");
}

// The lease.

fn no_lock_is_ever_without_an_end(service: Service) {
    let Some(site) = site(service) else { return };
    let (opened, fresh, dead) = (site.id(), site.id(), site.id());
    let mut requests = [site.request(), site.request(), site.request()];
    requests[0].open(&opened);
    requests[1].open_fresh(&fresh).unwrap();
    kill_a_holder(&site, &dead);
    requests[2].open(&dead);
    let lease_s = site.settings.lock_lease.as_secs() as i64;
    for session in [&opened, &fresh, &dead] {
        wait_for("the lock", || site.raw(0).left_s(&lock_key(session)).is_some());
        let left_s = site.raw(0).left_s(&lock_key(session)).unwrap();
        assert!((1..=lease_s).contains(&left_s), "{left_s} s");
    }
}

fn a_lock_that_is_renewed_outlives_its_lease(service: Service) {
    let Some(mut site) = site(service) else { return };
    const LEASE: Duration = Duration::from_secs(6);
    site.settings.lock_lease = LEASE;
    site.settings.request_timeout = Duration::from_secs(2);
    let shop = site.id();
    let process = site.process();
    let mut request = process.request();
    let started = Instant::now();
    request.open(&shop);
    let live = request.session.care().unwrap().live;
    wait_for("the fourth renewal", || {
        assert!(live.renew().is_some_and(|next| next <= LEASE / 3));
        process.count(Counter::Renewals) == 4
    });
    // Each comes after a third of the lease, not earlier.
    assert!(started.elapsed() >= LEASE / 3 * 4);
    assert!((1..=6).contains(&site.raw(0).left_s(&lock_key(&shop)).unwrap()));
    expect_error(site.impatient().try_open(&shop), ErrorKind::Locked, "is in use by");
    request.write(&shop, b"slow").unwrap();
    request.close();
    assert_eq!(site.get(&shop), b"slow");
    site.wait_until_free(&shop);
    assert_eq!(live.renew(), None, "nothing is held any more");
}

fn a_strangers_lock_is_never_extended(service: Service) {
    let Some(site) = hasty(service) else { return };
    let shop = site.id();
    let mut request = site.request();
    request.open(&shop);
    let live = request.session.care().unwrap().live;
    site.raw(0).put(&lock_key(&shop), FOREIGN_LOCK, 1000);
    let before = site.asked_for(&lock_key(&shop));
    wait_for("a try to renew", || {
        live.renew();
        site.asked_for(&lock_key(&shop)) > before
    });
    let mut raw = site.raw(0);
    assert_eq!(raw.get(&lock_key(&shop)).unwrap(), FOREIGN_LOCK);
    assert!(raw.left_s(&lock_key(&shop)).unwrap() > 900);
    expect_error(request.write(&shop, b"late"), ErrorKind::LeaseLost, "not saved");
    request.close();
    assert_eq!(raw.get(&lock_key(&shop)).unwrap(), FOREIGN_LOCK);
    assert!(raw.left_s(&lock_key(&shop)).unwrap() > 900);
}

// Waiting.

/// A holder on another machine, since 2023.
const FOREIGN_LOCK: &[u8] =
    b"1 000102030405060708090a0b0c0d0e0f 1700000000 0123456789abcdef 4242 99 web-2 /srv/a b.php";

fn a_lock_tells_who_holds_it(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let mut request = site.request();
    request.open(&shop);
    let holder = site.holder(&shop).unwrap();
    let pid = getpid().as_raw_nonzero().get().unsigned_abs();
    assert_eq!(holder.identity.process.pid, pid);
    assert_eq!((&*holder.host, &*holder.script), (&*host_name(), "/srv/www/shop.php"));
    assert!(holder.since_s > 1_700_000_000);
    let text = format!("is in use by process {pid} on {} (/srv/www/shop.php, for ", host_name());
    expect_error(site.impatient().try_open(&shop), ErrorKind::Locked, &text);
}

fn a_wait_ends_with_lock_wait_and_says_so(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let mut holder = site.request();
    holder.open(&shop);
    let process = site.process();
    let lock_wait = Duration::from_millis(60);
    let mut request = process.request_with(&Settings { lock_wait, ..site.settings.clone() });
    let started = Instant::now();
    let text = "was not released within 60ms (sessclust.lock_wait)";
    expect_error(request.try_open(&shop), ErrorKind::Locked, text);
    assert!(started.elapsed() >= lock_wait);
    assert_eq!((process.count(Counter::LockFailures), process.count(Counter::Waits)), (1, 1));
    assert!(request.session.stats().lock_wait_us >= 60_000);
    assert!(site.holder(&shop).is_some(), "nothing is given back that was not had");
}

/// Waits until so many requests of this machine wait for a session.
fn wait_for_waiters(site: &PoolSite, shop: &str, waiting: u32) {
    let queue = Queue::open();
    wait_for("waiters", || match queue.join(site.queue_key(shop), waiting) {
        Joined::Full { .. } => true,
        Joined::Ticket(_) | Joined::NoQueue => false,
    });
}

fn a_request_too_many_fails_at_once(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let mut holder = site.request();
    holder.open(&shop);
    let wait = || {
        Child::start(|parent| {
            site.request().open(&shop);
            parent.say("opened");
        })
    };
    let mut waiters = [wait(), wait()];
    wait_for_waiters(&site, &shop, 2);
    let text = "is waited for by 2 requests of this machine already (sessclust.max_waiters)";
    let settings = Settings { max_waiters: 2, ..site.settings.clone() };
    let mut request = site.process().request_with(&settings);
    expect_error(request.try_open(&shop), ErrorKind::Locked, text);
    holder.close();
    for waiter in &mut waiters {
        assert_eq!(waiter.line(), "opened");
    }
}

#[test]
fn of_the_waiters_of_one_machine_one_asks_for_all() {
    const WAITERS: u32 = 10;
    let Some(site) = site(Service::Memcached) else { return };
    let shop = site.id();
    let mut holder = site.request();
    holder.open(&shop);
    let wait = |_| {
        Child::start(|parent| {
            let mut request = site.request();
            request.open(&shop);
            request.close();
            parent.say("opened");
        })
    };
    let mut waiters: Vec<Child> = (0..WAITERS).map(wait).collect();
    wait_for_waiters(&site, &shop, WAITERS);
    site.proxy().reset();
    site.proxy().wait_for("questions", |counts| counts.of("ms") >= 60);
    let each = site.proxy().counts_of_each();
    let asked: Vec<usize> = each.iter().map(|counts| counts.of("ms")).collect();
    let most = asked.iter().max().unwrap();
    // Others may look once in two seconds, should the first be stopped.
    assert!(most * 2 > asked.iter().sum(), "{asked:?}");
    holder.close();
    for waiter in &mut waiters {
        assert_eq!(waiter.line(), "opened");
    }
}

/// A process that is killed while it holds a session.
fn kill_a_holder(site: &PoolSite, shop: &str) {
    let mut child = Child::start(|parent| {
        let mut request = site.request();
        request.open(shop);
        parent.say("opened");
        parent.wait();
    });
    assert_eq!(child.line(), "opened");
    child.kill();
    assert!(site.holder(shop).is_some());
}

fn the_session_of_a_killed_process_is_free_at_once_on_its_machine(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    site.put(&shop, b"stored");
    kill_a_holder(&site, &shop);
    let process = site.process();
    let mut request = process.impatient();
    assert_eq!(request.open(&shop), b"stored");
    assert_eq!(process.count(Counter::Takeovers), 1);
    expect_error(site.impatient().try_open(&shop), ErrorKind::Locked, "is in use by");
    request.write(&shop, b"taken over").unwrap();
    assert_eq!(site.get(&shop), b"taken over");
}

fn who_waits_for_a_process_that_is_killed_takes_over(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let mut holder = Child::start(|parent| {
        let mut request = site.request();
        request.open(&shop);
        parent.say("opened");
        parent.wait();
    });
    assert_eq!(holder.line(), "opened");
    let mut waiter = Child::start(|parent| {
        let process = site.process();
        process.request().open(&shop);
        parent.say(process.count(Counter::Takeovers));
    });
    wait_for_waiters(&site, &shop, 1);
    holder.kill();
    assert_eq!(waiter.line(), "1");
}

fn a_holder_on_another_machine_is_waited_for_until_its_lease_ends(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    site.put(&shop, b"stored");
    site.wait_until_free(&shop);
    let mut raw = site.raw(0);
    raw.put(&lock_key(&shop), FOREIGN_LOCK, 4);
    let text = "is in use by process 4242 on web-2 (/srv/a b.php, for ";
    expect_error(site.impatient().try_open(&shop), ErrorKind::Locked, text);
    assert_eq!(raw.get(&lock_key(&shop)).unwrap(), FOREIGN_LOCK);
    let process = site.process();
    assert_eq!(process.request().open(&shop), b"stored");
    assert_eq!((process.count(Counter::Takeovers), process.count(Counter::Waits)), (0, 1));
}

fn a_lock_that_nobody_can_read_is_waited_for_too(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    site.raw(0).put(&lock_key(&shop), b"\0 not a lock of ours", 4);
    let text = "is in use by another request and was not released within 0";
    expect_error(site.impatient().try_open(&shop), ErrorKind::Locked, text);
    assert_eq!(site.request().open(&shop), b"");
}

// Lost replies.

fn a_lock_whose_answer_was_lost_is_ones_own(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    site.put(&shop, b"stored");
    let process = site.process();
    process.request().peek(&shop);
    site.wait_until_free(&shop);
    site.proxy().plan(Place::Request(0), Fault::CutAfter);
    let mut request = process.impatient();
    assert_eq!(request.open(&shop), b"stored");
    assert_eq!(site.proxy().faults(), [Fault::CutAfter]);
    assert_eq!(process.count(Counter::Reconnects), 1);
    request.write(&shop, b"after").unwrap();
    request.close();
    assert_eq!(site.get(&shop), b"after");
    site.wait_until_free(&shop);
}

/// The store was carried out, or was not, and nobody knows: the record says who has written it.
fn a_commit_whose_answer_was_lost_is_found_out_about(service: Service) {
    let Some(site) = site(service) else { return };
    for (place, fault) in [
        (0, Fault::CutBefore),
        (0, Fault::CutInside(20)),
        (0, Fault::CutAfter),
        (1, Fault::CutAfter),
    ] {
        let shop = site.id();
        site.put(&shop, b"before");
        let process = site.process();
        let mut request = process.request();
        request.open(&shop);
        site.proxy().plan(Place::Request(place), fault.clone());
        request.write(&shop, b"after").unwrap();
        request.close();
        let version = site.record(&shop).unwrap().stamp.version;
        assert_eq!(site.get(&shop), b"after", "{fault:?}");
        site.wait_until_free(&shop);
        site.put(&shop, b"next");
        assert!(site.record(&shop).unwrap().stamp.version > version);
    }
}

// sessclust.lock = off

fn unlocked(process: &Process) -> Request {
    process.request_with(&Settings { lock: false, ..process.settings.clone() })
}

fn without_locks_the_last_writer_wins(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let process = site.process();
    let (mut first, mut second) = (unlocked(&process), unlocked(&process));
    assert_eq!(first.open(&shop), b"");
    assert_eq!(second.open(&shop), b"");
    second.write(&shop, b"second").unwrap();
    first.write(&shop, b"first").unwrap();
    assert_eq!(unlocked(&process).open(&shop), b"first");
    unlocked(&process).touch(&shop, b"first").unwrap();
    second.session.destroy(id(&shop)).unwrap();
    assert_eq!(unlocked(&process).open(&shop), b"");
    let log = site.proxy().log();
    assert!(log.iter().any(|line| line.contains("sc:r:")), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("sc:l:")), "{log:?}");
}

fn without_locks_who_changes_nothing_undoes_nothing(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let process = site.process();
    process.put(&shop, b"before");
    let mut reader = unlocked(&process);
    assert_eq!(reader.open(&shop), b"before");
    let mut holder = site.request();
    assert_eq!(holder.open(&shop), b"before");
    reader.touch(&shop, b"before").unwrap();
    holder.write(&shop, b"after").unwrap();
    reader.touch(&shop, b"before").unwrap();
    assert_eq!(site.get(&shop), b"after");
    site.request().session.destroy(id(&shop)).unwrap();
    reader.touch(&shop, b"before").unwrap();
    assert_eq!(site.get(&shop), b"");
}

fn without_locks_an_unchanged_session_lives_on(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let process = site.process();
    process.put(&shop, b"data");
    let ends = |site: &PoolSite| site.record(&shop).unwrap().end_s;
    let before = ends(&site);
    // With a longer lifetime than the record was stored with, it is stored again.
    let mut request = unlocked(&process);
    assert_eq!(request.open(&shop), b"data");
    request.session.touch(id(&shop), b"data", LIFETIME_S + 1000).unwrap();
    assert!(ends(&site) >= before + 2000);
    let record_ttl = site.raw(0).left_s(&record_key(&shop)).unwrap();
    assert!(record_ttl > LIFETIME_S as i64, "{record_ttl}");
    assert_eq!(site.get(&shop), b"data");
}

/// As with locks: a session's own node decides whether there is one.
fn without_locks_a_session_needs_its_own_node_only(service: Service) {
    let Some(site) = PoolSite::start_on(service, 2) else { return };
    let shop = site.id_on(0);
    let process = site.process();
    site.nodes[1].proxy.refuse();
    assert_eq!(process.request().peek(&shop), b"");
    let mut request = unlocked(&process);
    assert_eq!(request.open(&shop), b"");
    request.touch(&shop, b"").unwrap();
    request.write(&shop, b"data").unwrap();
    assert_eq!(site.get(&shop), b"data");
    request.session.destroy(id(&shop)).unwrap();
    request.session.destroy(id(&site.id_on(0))).unwrap();
    assert_eq!(site.get(&shop), b"");
    site.nodes[0].proxy.refuse();
    site.nodes[0].proxy.cut();
    expect_error(request.try_open(&shop), ErrorKind::NoNode, "cannot be opened");
}

fn without_locks_a_holder_is_not_waited_for(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    site.put(&shop, b"stored");
    let mut holder = site.request();
    holder.open(&shop);
    let process = site.process();
    assert_eq!(unlocked(&process).open(&shop), b"stored");
    unlocked(&process).write(&shop, b"over it").unwrap();
    // Who had locked it is told, rather than undoing that.
    expect_error(holder.write(&shop, b"of the holder"), ErrorKind::LeaseLost, "not saved");
    assert_eq!(site.get(&shop), b"over it");
}

// sessclust.write = delayed

fn delayed(process: &Process) -> Request {
    process.request_with(&Settings { write: WriteMode::Delayed, ..process.settings.clone() })
}

/// What the next request of a process is told.
fn loss(process: &Process, shop: &str) -> Option<Error> {
    let mut request = process.request();
    request.session.read(id(shop), Access::Unlocked).unwrap().loss
}

fn whoever_opens_a_session_behind_a_delayed_write_reads_it(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let (one, two) = (site.process(), site.process());
    let mut expected = Vec::new();
    for round in 0..100_u8 {
        let mut request = delayed(if round % 2 == 0 { &one } else { &two });
        assert_eq!(request.open(&shop), expected);
        expected.push(round);
        request.write(&shop, &expected).unwrap();
        request.close();
    }
    assert_eq!(one.count(Counter::DelayedFailures) + two.count(Counter::DelayedFailures), 0);
}

fn a_delayed_write_that_was_refused_is_told_once_and_counted(service: Service) {
    let Some(site) = site(service) else { return };
    let (shop, other) = (site.id(), site.id());
    site.put(&shop, b"before");
    let process = site.process();
    let mut request = delayed(&process);
    request.open(&shop);
    site.wait_and_delete_lock(&shop);
    site.put(&shop, b"of another");
    request.write(&shop, b"late").unwrap();
    request.close();
    if service == Service::Redis {
        // That the transaction was not done is read now, and the script sent that says why.
        assert!(loss(&process, &other).is_none());
    }
    let error = loss(&process, &other).expect("an error");
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    let text = "written with sessclust.write = delayed, is not saved: another request has changed";
    assert!(error.to_string().contains(text), "{error}");
    assert!(loss(&process, &other).is_none());
    assert_eq!(process.count(Counter::DelayedFailures), 1);
    assert_eq!(site.get(&shop), b"of another");
}

fn a_delayed_write_whose_answer_never_came_is_told_once_and_counted(service: Service) {
    let Some(site) = site(service) else { return };
    let (shop, other) = (site.id(), site.id());
    let process = site.process();
    let mut request = delayed(&process);
    request.open(&shop);
    site.proxy().plan(Place::Reply(0), Fault::Hold);
    request.write(&shop, b"perhaps").unwrap();
    request.close();
    site.proxy().wait_for("the store", |counts| counts.faults == 1);
    site.proxy().cut();
    site.proxy().wait_for("the cut", |counts| counts.open == 0);
    let error = loss(&process, &other).expect("an error");
    assert_eq!(error.kind(), ErrorKind::Indeterminate);
    let text = "written with sessclust.write = delayed, may or may not have been saved";
    assert!(error.to_string().contains(text), "{error}");
    assert!(loss(&process, &other).is_none());
    assert_eq!(process.count(Counter::DelayedFailures), 1);
}

fn the_answers_to_delayed_writes_are_waited_for_at_the_end(service: Service) {
    let Some(site) = site(service) else { return };
    let shop = site.id();
    let process = site.process();
    let mut request = delayed(&process);
    request.open(&shop);
    request.write(&shop, b"last").unwrap();
    request.close();
    process.store.settle(&process.settings);
    assert_eq!(site.raw(0).get(&record_key(&shop)).unwrap()[80..], *b"last");
}
