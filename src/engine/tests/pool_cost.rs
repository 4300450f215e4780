//! What a session in a pool costs: how often a node is waited for, and what is sent. Counted on the
//! wire by the proxy before each server, never by time.
//!
//! That a step does not wait is shown by its end while all replies are held.

mod support;

use sessclust_engine::config::{Settings, WriteMode};
use sessclust_engine::session::Access;
use sessclust_engine::stats::Counter;
use std::thread;
use std::time::Duration;
use support::pool::{PoolSite, Process, Service, SiteNode, lock_key, record_key};
use support::proxy::{Fault, Place, Proxy};
use support::{LIFETIME_S, Request, id, wait_for};

on_each_service! {
    a_known_session_is_opened_in_one_round_trip_and_committed_in_another,
    a_session_is_opened_in_one_round_trip_without_strict_mode_too,
    unchanged_data_cost_one_round_trip,
    a_fresh_session_is_opened_without_waiting,
    reading_without_the_lock_costs_one_round_trip,
    strict_mode_finds_an_unknown_id_in_one_round_trip_and_leaves_nothing,
    a_miss_costs_one_round_trip_more_where_there_are_more_nodes,
    a_session_is_read_again_without_asking,
    giving_up_a_session_sends_the_unlock_and_waits_for_nothing,
    destroying_the_session_in_use_costs_one_round_trip,
    destroying_another_session_costs_two_round_trips,
    without_locks_a_session_is_read_in_one_round_trip_and_written_in_two,
    a_delayed_write_waits_for_nothing,
    a_delayed_touch_waits_for_nothing,
    a_connection_costs_one_round_trip_and_then_serves_a_thousand_requests,
    each_step_asks_all_nodes_at_once,
}

/// A pool of one node, and a process that is connected to it.
struct Setting {
    process: Process,
    site: PoolSite,
}

impl Setting {
    fn new(service: Service) -> Option<Self> {
        let site = PoolSite::start_on(service, 1)?;
        let process = site.process();
        // Its connection stands from here on.
        process.request().peek(&site.id());
        site.proxy().reset();
        Some(Self { process, site })
    }

    fn proxy(&self) -> &Proxy {
        self.site.proxy()
    }

    /// Checks what was sent since the last call, and how often somebody waited.
    #[track_caller]
    fn expect(&self, waits: usize, log: &[String]) {
        self.proxy().wait_for("all requests", |counts| {
            counts.requests.values().sum::<usize>() >= log.len()
        });
        assert_eq!(self.proxy().log(), log);
        assert_eq!(self.proxy().counts().waits, waits);
        assert_eq!(self.proxy().counts().connections, 0, "a new connection");
        self.proxy().reset();
    }
}

/// Waits until a session is free on all nodes, and nothing comes any more that nobody has waited
/// for: a Redis answers an unlock.
fn settle(site: &PoolSite, text: &str) {
    for (node, place) in site.nodes.iter().zip(0..) {
        wait_for("the lock to go", || site.raw(place).get(&lock_key(text)).is_none());
        if site.service == Service::Redis {
            node.proxy.wait_for("all answers", |counts| {
                counts.requests.values().sum::<usize>() == counts.replies
            });
        }
    }
}

/// What the steps of a session look like in the proxy's log. A script on Redis is listed with the
/// first of its keys.
struct Wire {
    open: Vec<String>,
    /// Only takes the lock.
    take: String,
    read: String,
    /// Stores without a lock.
    store: String,
    /// Stores and gives the lock back, behind `open`.
    commit: Vec<String>,
    /// The same of a session that is not watched.
    commit_unwatched: Vec<String>,
    /// Touches and gives the lock back. A touch on memcached is a read without the value; see
    /// `an_unchanged_session_lives_on`.
    touch: Vec<String>,
    /// Where the lock is given back later.
    touch_only: String,
    renew: String,
    unlock: String,
}

impl Wire {
    fn of(service: Service, text: &str) -> Self {
        let (lock, record) = (service.key(&lock_key(text)), service.key(&record_key(text)));
        let on_record = |command: &str| format!("{command} {record}");
        let on_lock = |command: &str| format!("{command} {lock}");
        let queue = on_lock("LMOVE").replace("sc:l:", "sc:q:");
        let transaction = |write: &str| {
            let hands_on = [on_lock("DEL"), queue.clone(), on_lock("EXPIRE"), on_lock("COPY")];
            [&["MULTI".into(), on_record(write)], &hands_on[..], &["EXEC".into()]].concat()
        };
        match service {
            Service::Memcached => Self {
                open: vec![on_lock("ms"), on_record("mg")],
                take: on_lock("ms"),
                read: on_record("mg"),
                store: on_record("ms"),
                commit: vec![on_record("ms"), on_lock("md")],
                commit_unwatched: vec![on_record("ms"), on_lock("md")],
                touch: vec![on_record("mg"), on_lock("md")],
                touch_only: on_record("mg"),
                renew: on_lock("ms"),
                unlock: on_lock("md"),
            },
            Service::Redis => Self {
                open: vec![on_lock("SET"), on_lock("WATCH"), on_record("GET")],
                take: on_lock("SET"),
                read: on_record("GET"),
                store: on_record("EVALSHA"),
                commit: transaction("SET"),
                commit_unwatched: vec![on_record("EVALSHA")],
                touch: transaction("EXPIRE"),
                touch_only: on_record("EVALSHA"),
                renew: on_lock("EVALSHA"),
                unlock: on_lock("EVALSHA"),
            },
        }
    }
}

/// One after the other as `session_start()` in strict mode and the end of the request do.
fn a_known_session_is_opened_in_one_round_trip_and_committed_in_another(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    let Wire { open, commit, .. } = Wire::of(service, &shop);
    on.site.put(&shop, b"before");
    settle(&on.site, &shop);
    on.proxy().reset();

    let mut request = on.process.request();
    assert!(request.knows(&shop));
    on.expect(1, &open);
    assert_eq!(request.open(&shop), b"before");
    on.expect(0, &[]);
    request.write(&shop, b"after").unwrap();
    on.expect(1, &commit);
    assert_eq!(request.session.close(Some(LIFETIME_S)).round_trips, 2);
    on.expect(0, &[]);
    assert_eq!(on.site.get(&shop), b"after");
}

fn a_session_is_opened_in_one_round_trip_without_strict_mode_too(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    let Wire { open, unlock, .. } = Wire::of(service, &shop);
    let mut request = on.process.request();
    assert_eq!(request.open(&shop), b"");
    on.expect(1, &open);
    on.proxy().plan(Place::EveryReply, Fault::Hold);
    request.close();
    on.expect(0, &[unlock]);
}

fn unchanged_data_cost_one_round_trip(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    let Wire { open, touch, .. } = Wire::of(service, &shop);
    on.process.put(&shop, b"same");
    on.proxy().reset();

    let mut request = on.process.request();
    request.open(&shop);
    on.expect(1, &open);
    request.touch(&shop, b"same").unwrap();
    on.expect(1, &touch);
    request.close();
    on.expect(0, &[]);
    assert_eq!(on.process.count(Counter::Touches), 1);
}

fn a_fresh_session_is_opened_without_waiting(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    let Wire { take, commit_unwatched, .. } = Wire::of(service, &shop);
    on.proxy().plan(Place::EveryReply, Fault::Hold);
    let mut request = on.process.request();
    assert_eq!(request.open_fresh(&shop).unwrap(), b"");
    assert_eq!(request.session.stats().round_trips, 0);
    on.expect(0, &[take]);
    on.proxy().release();
    on.proxy().wait_for("the lock's answer", |counts| counts.waits == 1);
    on.proxy().reset();
    request.write(&shop, b"new").unwrap();
    on.expect(1, &commit_unwatched);
    assert_eq!(on.site.get(&shop), b"new");
}

fn reading_without_the_lock_costs_one_round_trip(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    on.process.put(&shop, b"data");
    on.proxy().reset();
    let mut request = on.process.request();
    assert!(request.session.validate(id(&shop), Access::Unlocked));
    on.expect(1, &[Wire::of(service, &shop).read]);
    assert_eq!(request.peek(&shop), b"data");
    request.close();
    on.expect(0, &[]);
}

fn strict_mode_finds_an_unknown_id_in_one_round_trip_and_leaves_nothing(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let sent = on.site.id();
    let Wire { mut open, unlock, .. } = Wire::of(service, &sent);
    let mut request = on.process.request();
    // What a Redis answers to the unlock, for which nobody waits.
    on.proxy().plan(Place::Reply(open.len()), Fault::Hold);
    assert!(!request.knows(&sent));
    open.push(unlock);
    on.expect(1, &open);
    on.site.wait_until_free(&sent);
    assert!(on.site.record(&sent).is_none());
}

/// A node that was added to the pool has nothing yet, so a miss has to be looked into.
fn a_miss_costs_one_round_trip_more_where_there_are_more_nodes(service: Service) {
    let Some(site) = PoolSite::start_on(service, 3) else { return };
    let sent = site.id();
    let mut request = site.request();
    assert!(!request.knows(&sent));
    let asked = |node: &support::pool::SiteNode| {
        node.proxy.counts().of("mg") + node.proxy.counts().of("GET")
    };
    assert_eq!(site.nodes.iter().map(asked).sum::<usize>(), 2);
    // Each of the two had to be connected to.
    assert_eq!(request.session.stats().round_trips, 4);
}

fn a_session_is_read_again_without_asking(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    on.process.put(&shop, b"stored");
    let mut request = on.process.request();
    request.open(&shop);
    on.proxy().reset();
    // session_reset().
    assert_eq!(request.open(&shop), b"stored");
    on.expect(0, &[]);
}

fn giving_up_a_session_sends_the_unlock_and_waits_for_nothing(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    on.process.put(&shop, b"stored");
    let mut request = on.process.request();
    request.open(&shop);
    on.proxy().reset();
    on.proxy().plan(Place::EveryReply, Fault::Hold);
    // session_abort().
    request.close();
    on.expect(0, &[Wire::of(service, &shop).unlock]);
    on.proxy().heal();
    on.site.wait_until_free(&shop);
}

fn destroying_the_session_in_use_costs_one_round_trip(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    let Wire { commit, .. } = Wire::of(service, &shop);
    on.process.put(&shop, b"stored");
    let mut request = on.process.request();
    request.open(&shop);
    on.proxy().reset();
    request.session.destroy(id(&shop)).unwrap();
    on.expect(1, &commit);
    request.close();
    on.expect(0, &[]);
    assert!(on.site.record(&shop).unwrap().is_tombstone);
}

fn destroying_another_session_costs_two_round_trips(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    let Wire { read, store, .. } = Wire::of(service, &shop);
    on.process.put(&shop, b"stored");
    on.proxy().reset();
    on.process.request().session.destroy(id(&shop)).unwrap();
    on.expect(2, &[read, store]);
}

fn without_locks_a_session_is_read_in_one_round_trip_and_written_in_two(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    let Wire { read, store, .. } = Wire::of(service, &shop);
    on.process.put(&shop, b"before");
    on.proxy().reset();
    let settings = Settings { lock: false, ..on.process.settings.clone() };
    let mut request = on.process.request_with(&settings);
    assert!(request.knows(&shop));
    assert_eq!(request.open(&shop), b"before");
    on.expect(1, std::slice::from_ref(&read));
    request.write(&shop, b"after").unwrap();
    on.expect(2, &[read, store]);
    request.close();
    on.expect(0, &[]);
}

fn delayed(on: &Setting) -> Request {
    let settings = Settings { write: WriteMode::Delayed, ..on.process.settings.clone() };
    on.process.request_with(&settings)
}

fn a_delayed_write_waits_for_nothing(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    let Wire { commit, .. } = Wire::of(service, &shop);
    let mut request = delayed(&on);
    request.open(&shop);
    on.proxy().reset();
    on.proxy().plan(Place::EveryReply, Fault::Hold);
    request.write(&shop, b"later").unwrap();
    assert_eq!(request.session.close(Some(LIFETIME_S)).round_trips, 1, "that of opening it");
    on.expect(0, &commit);
    on.proxy().heal();
    assert_eq!(on.process.request().open(&shop), b"later");
}

fn a_delayed_touch_waits_for_nothing(service: Service) {
    let Some(on) = Setting::new(service) else { return };
    let shop = on.site.id();
    let Wire { touch, .. } = Wire::of(service, &shop);
    on.process.put(&shop, b"same");
    let mut request = delayed(&on);
    request.open(&shop);
    on.proxy().reset();
    on.proxy().plan(Place::EveryReply, Fault::Hold);
    request.touch(&shop, b"same").unwrap();
    request.close();
    on.expect(0, &touch);
    on.proxy().heal();
}

fn a_connection_costs_one_round_trip_and_then_serves_a_thousand_requests(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let process = site.process();
    let mut request = process.request();
    request.open(&site.id());
    assert_eq!(request.session.stats().round_trips, 2);
    let log = site.proxy().log();
    let greeting: &[&str] = match service {
        Service::Memcached => &["version", "mn", "stats settings"],
        Service::Redis => &["INFO server", "SCRIPT LOAD"],
    };
    assert_eq!(log[..greeting.len()], *greeting);
    assert_eq!(site.proxy().counts().waits, 2);
    let shop = site.id();
    for round in 0..1000_u32 {
        let mut request = process.request();
        let before = request.open(&shop);
        assert_eq!(before, if round == 0 { vec![] } else { (round - 1).to_le_bytes().to_vec() });
        request.write(&shop, &round.to_le_bytes()).unwrap();
        request.close();
    }
    let counts = site.proxy().counts();
    assert_eq!((counts.connections, counts.open), (1, 1));
}

/// Two nodes with a copy each, and a process that is connected to both.
fn two_copies(service: Service) -> Option<(PoolSite, Process)> {
    let mut site = PoolSite::start_on(service, 2)?;
    let lock_lease = Duration::from_secs(6);
    let request_timeout = Duration::from_millis(2400);
    site.settings = Settings { replicas: 2, lock_lease, request_timeout, ..site.settings };
    let process = site.process();
    process.request().peek(&site.id());
    Some((site, process))
}

/// Runs a step whose answers both nodes hold back until both have been sent `log`. So whoever waits
/// for one before it asks the other waits for ever.
#[track_caller]
fn at_once(site: &PoolSite, log: &[&String], step: impl FnOnce()) {
    for node in &site.nodes {
        node.proxy.reset();
        node.proxy.plan(Place::EveryReply, Fault::Hold);
    }
    let has_all = |node: &SiteNode| node.proxy.log().len() >= log.len();
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_for("both nodes to be asked", || site.nodes.iter().all(has_all));
            site.nodes.iter().for_each(|node| node.proxy.heal());
        });
        step();
    });
    for node in &site.nodes {
        assert_eq!(node.proxy.log().iter().take(log.len()).collect::<Vec<_>>(), log);
        let counts = node.proxy.counts();
        // An unlock may be behind it, which a Redis answers; nobody waits for that.
        let has_more = counts.requests.values().sum::<usize>() > log.len();
        let behind = usize::from(has_more && matches!(site.service, Service::Redis));
        assert!((1..=1 + behind).contains(&counts.waits), "{counts:?}");
        assert_eq!(counts.connections, 0);
    }
}

fn each_step_asks_all_nodes_at_once(service: Service) {
    let Some((site, process)) = two_copies(service) else { return };
    let shop = site.id();
    let Wire { take, read, store, touch_only, renew, .. } = &Wire::of(service, &shop);
    let both = |data: &[u8]| {
        let copy = |node| site.raw(node).get(&record_key(&shop)).expect("a copy");
        (0..2).all(|node| copy(node).ends_with(data))
    };
    process.put(&shop, b"before");
    settle(&site, &shop);

    let mut request = process.request();
    at_once(&site, &[take, read], || assert_eq!(request.open(&shop), b"before"));
    let live = process.live();
    at_once(&site, &[renew], || {
        wait_for("a lock that is due", || {
            live.renew();
            process.count(Counter::Renewals) == 2
        });
    });
    at_once(&site, &[store], || request.write(&shop, b"after").unwrap());
    assert_eq!(request.session.close(Some(LIFETIME_S)).round_trips, 3);
    assert!(both(b"after"));
    settle(&site, &shop);

    let mut request = process.request();
    request.open(&shop);
    at_once(&site, &[touch_only], || request.touch(&shop, b"after").unwrap());
    assert_eq!(request.session.close(Some(LIFETIME_S)).round_trips, 2);
    settle(&site, &shop);
    at_once(&site, &[read], || assert_eq!(process.request().peek(&shop), b"after"));

    let mut request = process.request();
    request.open(&shop);
    at_once(&site, &[store], || request.session.destroy(id(&shop)).unwrap());
    assert!(both(b""));
    request.close();
}
