//! Repairing a session's copies, and saying where they are. Copies are stored by hand here.

mod support;

use sessclust_engine::cluster::record::{Record, RecordError, Stamp};
use sessclust_engine::cluster::{Cluster, Found, Repaired, digest_of_key, ring_of};
use sessclust_engine::config::Settings;
use sessclust_engine::machine::{Board, Queue};
use sessclust_engine::node::System;
use sessclust_engine::stats::Counters;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::pool::{PoolSite, Service, lock_key, record_key, redis_key};
use support::proxy::{Fault, Place};
use support::{LIFETIME_S, digest, wait_for};
use tokio::runtime::{Builder, Runtime};

on_each_service! {
    a_missing_copy_is_stored_with_the_life_that_the_other_has_left,
    a_node_that_missed_a_touch_does_not_shorten_a_life,
    the_newest_copy_wins_wherever_it_is,
    a_copy_far_down_the_list_is_found_by_where_it_was_seen,
    a_tombstone_is_copied_over_what_it_stands_against,
    a_record_past_its_end_is_none_and_makes_room,
    a_damaged_copy_is_left_alone_and_counted,
    a_record_of_a_later_format_is_left_alone_and_named,
    a_node_that_does_not_answer_is_replaced_and_named_once,
    a_drained_node_is_read_and_gets_nothing,
    what_a_request_changes_meanwhile_is_left_to_the_request,
    repairs_among_requests_cost_no_increment,
    a_dry_run_stores_nothing,
    locating_a_session_says_what_each_node_has,
}

/// An operator's tool.
struct Tool {
    runtime: Runtime,
    cluster: Cluster,
    settings: Settings,
}

impl Tool {
    fn new(site: &PoolSite) -> Self {
        Self::with_board(site, Board::private(&Cluster::names(&site.addresses())))
    }

    fn with_board(site: &PoolSite, board: Board) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let counters: &'static Counters = Box::leak(Box::default());
        let settings = Settings { replicas: 2, ..site.settings.clone() };
        let cluster = Cluster::new(
            site.addresses(),
            settings.ring,
            Arc::new(System),
            Queue::open(),
            Arc::new(board),
            settings.replicas,
            counters,
        );
        Self { runtime, cluster: cluster.expect("a pool"), settings }
    }

    fn repair(&mut self, text: &str, seen: usize) -> Repaired {
        let digest = digest(text);
        self.runtime.block_on(self.cluster.repair(&digest, &[seen], false, &self.settings))
    }

    fn locate(&mut self, text: &str) -> Vec<sessclust_engine::cluster::Place> {
        self.runtime.block_on(self.cluster.locate(&digest(text), &self.settings))
    }
}

/// A pool and a session, with the nodes in the order in which they are to keep it.
struct Case {
    site: PoolSite,
    shop: String,
    list: Vec<usize>,
}

impl Case {
    #[track_caller]
    fn start(service: Service, nodes: usize) -> Option<Self> {
        let site = PoolSite::start_on(service, nodes)?;
        let shop = site.id();
        let ring = ring_of(site.settings.ring, &site.addresses()).expect("a ring");
        let list = ring.preference(ring.position(&digest(&shop).to_hex())).collect();
        Some(Self { site, shop, list })
    }

    /// Stores a copy on the node at this place of the list.
    fn put(&self, place: usize, copy: &[u8], ttl_s: u64) {
        self.site.raw(self.list[place]).put(&record_key(&self.shop), copy, ttl_s);
    }

    fn get(&self, place: usize) -> Option<Vec<u8>> {
        self.site.raw(self.list[place]).get(&record_key(&self.shop))
    }

    fn left_s(&self, place: usize) -> Option<i64> {
        self.site.raw(self.list[place]).left_s(&record_key(&self.shop))
    }

    fn copy(&self, version: u64, data: &[u8]) -> Vec<u8> {
        self.encoded(&Record::new(stamp(version), LIFETIME_S, now_s()), data)
    }

    fn tombstone(&self, version: u64) -> Vec<u8> {
        self.encoded(&Record::tombstone(stamp(version), LIFETIME_S, None, now_s()), b"")
    }

    fn encoded(&self, record: &Record, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        record.encode(&digest(&self.shop), data, &mut bytes);
        bytes
    }
}

fn stamp(version: u64) -> Stamp {
    Stamp { version, writer: 9 }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// What a repair says that has stored so many copies, with nothing else to tell.
#[track_caller]
fn assert_wrote(repaired: &Repaired, written: usize) {
    let is_clean = repaired.damaged + repaired.changed == 0 && repaired.failures.is_empty();
    let is_as_expected =
        repaired.is_found && repaired.is_whole && repaired.written == written && is_clean;
    assert!(is_as_expected, "{repaired:?}");
}

fn a_missing_copy_is_stored_with_the_life_that_the_other_has_left(service: Service) {
    for (ttl_s, at_least_s, at_most_s) in [(700, 640, 700), (0, -1, -1)] {
        let Some(case) = Case::start(service, 3) else { return };
        let copy = case.copy(7, b"n|i:1;");
        case.put(0, &copy, ttl_s);
        assert_wrote(&Tool::new(&case.site).repair(&case.shop, case.list[0]), 1);
        assert_eq!(case.get(1), Some(copy));
        let left_s = case.left_s(1).expect("a copy");
        assert!((at_least_s..=at_most_s).contains(&left_s), "{left_s} of {ttl_s}");
        assert_eq!(case.get(2), None);
        assert_wrote(&Tool::new(&case.site).repair(&case.shop, case.list[1]), 0);
    }
}

fn a_node_that_missed_a_touch_does_not_shorten_a_life(service: Service) {
    let Some(case) = Case::start(service, 3) else { return };
    let copy = case.copy(7, b"n|i:1;");
    case.put(2, &copy, 900);
    case.put(0, &copy, 300);
    assert_wrote(&Tool::new(&case.site).repair(&case.shop, case.list[0]), 1);
    let left_s = case.left_s(1).expect("a copy");
    assert!((840..=900).contains(&left_s), "{left_s}");
}

fn the_newest_copy_wins_wherever_it_is(service: Service) {
    for newest in 0..3 {
        let Some(case) = Case::start(service, 3) else { return };
        for place in 0..3 {
            let version = if place == newest { 9 } else { 8 };
            case.put(place, &case.copy(version, b"n|i:1;"), LIFETIME_S);
        }
        let written = if newest < 2 { 1 } else { 2 };
        assert_wrote(&Tool::new(&case.site).repair(&case.shop, case.list[0]), written);
        for place in 0..2 {
            assert_eq!(case.get(place), case.get(newest));
        }
    }
}

fn a_copy_far_down_the_list_is_found_by_where_it_was_seen(service: Service) {
    let Some(case) = Case::start(service, 5) else { return };
    let copy = case.copy(7, b"n|i:1;");
    case.put(4, &copy, LIFETIME_S);
    let elsewhere = Tool::new(&case.site).repair(&case.shop, case.list[0]);
    assert!(!elsewhere.is_found, "{elsewhere:?}");
    assert_wrote(&Tool::new(&case.site).repair(&case.shop, case.list[4]), 2);
    assert_eq!([case.get(0), case.get(1)], [Some(copy.clone()), Some(copy)]);
}

fn a_tombstone_is_copied_over_what_it_stands_against(service: Service) {
    let Some(case) = Case::start(service, 3) else { return };
    let tombstone = case.tombstone(8);
    case.put(0, &tombstone, 6000);
    case.put(1, &case.copy(7, b"n|i:1;"), 0);
    assert_wrote(&Tool::new(&case.site).repair(&case.shop, case.list[1]), 1);
    assert_eq!(case.get(1), Some(tombstone));
    let left_s = case.left_s(1).expect("a copy");
    assert!((5940..=6000).contains(&left_s), "{left_s}");
}

fn a_record_past_its_end_is_none_and_makes_room(service: Service) {
    let Some(case) = Case::start(service, 3) else { return };
    let ended = case.encoded(&Record::new(stamp(9), 10, now_s() - 100), b"old");
    case.put(0, &ended, 0);
    let repaired = Tool::new(&case.site).repair(&case.shop, case.list[0]);
    assert!(!repaired.is_found && repaired.written == 0, "{repaired:?}");
    let copy = case.copy(8, b"n|i:1;");
    case.put(1, &copy, LIFETIME_S);
    assert_wrote(&Tool::new(&case.site).repair(&case.shop, case.list[1]), 1);
    assert_eq!(case.get(0), Some(copy));
}

fn a_damaged_copy_is_left_alone_and_counted(service: Service) {
    let Some(case) = Case::start(service, 3) else { return };
    case.put(0, b"no record", 0);
    let alone = Tool::new(&case.site).repair(&case.shop, case.list[0]);
    assert!(!alone.is_found && alone.damaged == 1 && alone.written == 0, "{alone:?}");
    case.put(1, &case.copy(8, b"n|i:1;"), LIFETIME_S);
    let repaired = Tool::new(&case.site).repair(&case.shop, case.list[1]);
    assert!(repaired.is_found && !repaired.is_whole, "{repaired:?}");
    assert_eq!((repaired.damaged, repaired.written), (1, 0));
    assert_eq!(case.get(0), Some(b"no record".to_vec()));
}

/// Another version of this program may be in use on other web servers already.
fn a_record_of_a_later_format_is_left_alone_and_named(service: Service) {
    let Some(case) = Case::start(service, 3) else { return };
    let mut later = case.copy(9, b"n|i:1;");
    later[4] = 2;
    let sum = xxhash_rust::xxh3::xxh3_64(&later[..72]);
    let sum = xxhash_rust::xxh3::xxh3_64_with_seed(&later[80..], sum);
    later[72..80].copy_from_slice(&sum.to_le_bytes());
    case.put(0, &later, 0);
    case.put(1, &case.copy(8, b"n|i:1;"), LIFETIME_S);
    let repaired = Tool::new(&case.site).repair(&case.shop, case.list[1]);
    assert!(!repaired.is_whole, "{repaired:?}");
    let address = &case.site.addresses()[case.list[0]];
    assert_eq!(repaired.failures, [format!("node {address}: format 2 of a later version")]);
    assert_eq!(case.get(0), Some(later));
}

fn a_node_that_does_not_answer_is_replaced_and_named_once(service: Service) {
    let Some(mut case) = Case::start(service, 4) else { return };
    let copy = case.copy(7, b"n|i:1;");
    case.put(1, &copy, LIFETIME_S);
    let dead = case.list[0];
    case.site.nodes[dead].proxy.refuse();
    case.site.nodes[dead].server.kill();
    let mut tool = Tool::new(&case.site);
    let repaired = tool.repair(&case.shop, case.list[1]);
    assert!(repaired.is_whole && repaired.written == 1, "{repaired:?}");
    let address = &case.site.addresses()[dead];
    assert_eq!(repaired.failures.len(), 1);
    assert!(repaired.failures[0].contains(&address.to_string()), "{repaired:?}");
    assert_eq!([case.get(2), case.get(3)], [Some(copy), None]);
    // From now on it is known to be down.
    assert_wrote(&tool.repair(&case.shop, case.list[1]), 0);
}

fn a_drained_node_is_read_and_gets_nothing(service: Service) {
    let Some(case) = Case::start(service, 3) else { return };
    let copy = case.copy(9, b"n|i:1;");
    case.put(0, &copy, LIFETIME_S);
    case.put(1, &case.copy(8, b"n|i:0;"), LIFETIME_S);
    let board = Board::private(&Cluster::names(&case.site.addresses()));
    board.drain(case.list[0], true);
    assert_wrote(&Tool::with_board(&case.site, board).repair(&case.shop, case.list[0]), 2);
    assert_eq!([case.get(1), case.get(2)], [Some(copy.clone()), Some(copy)]);
}

/// Whatever happens between reading and storing: what a request has stored stays.
fn what_a_request_changes_meanwhile_is_left_to_the_request(service: Service) {
    for older in [None, Some(6)] {
        let Some(case) = Case::start(service, 3) else { return };
        case.put(0, &case.copy(7, b"n|i:1;"), LIFETIME_S);
        if let Some(version) = older {
            case.put(1, &case.copy(version, b"n|i:0;"), LIFETIME_S);
        }
        let mut tool = Tool::new(&case.site);
        tool.locate(&case.shop);
        let proxy = &case.site.nodes[case.list[1]].proxy;
        // The first request reads, the second stores.
        proxy.plan(Place::Request(1), Fault::Hold);
        let newer = case.copy(8, b"n|i:2;");
        let repaired = std::thread::scope(|scope| {
            let repairing = scope.spawn(|| tool.repair(&case.shop, case.list[0]));
            wait_for("the repair to store", || proxy.counts().faults == 1);
            case.put(1, &newer, LIFETIME_S);
            proxy.release();
            repairing.join().expect("no panic")
        });
        assert_eq!((repaired.changed, repaired.written), (1, 0), "{repaired:?}");
        assert!(repaired.failures.is_empty() && !repaired.is_whole, "{repaired:?}");
        assert_eq!(case.get(1), Some(newer));
    }
}

/// One of the two copies is lost again and again while requests count, and a repair stores it.
fn repairs_among_requests_cost_no_increment(service: Service) {
    const WORKERS: usize = 3;
    const INCREMENTS: usize = 60;
    let Some(mut case) = Case::start(service, 3) else { return };
    case.site.settings.replicas = 2;
    let (site, shop, second) = (&case.site, case.shop.as_str(), case.list[1]);
    let (mut repaired, written) = (0, AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let work = || {
            let mut request = site.request();
            for _ in 0..INCREMENTS {
                let text = String::from_utf8(request.open(shop)).expect("a number");
                let number = text.parse::<usize>().unwrap_or(0) + 1;
                request.write(shop, number.to_string().as_bytes()).expect("a write");
                request.close();
                written.fetch_add(1, SeqCst);
            }
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let (mut tool, mut raw) = (Tool::new(site), site.raw(second));
        let mut seen = usize::MAX;
        while !workers.iter().all(|worker| worker.is_finished()) {
            // A write gives up when its copy is taken again and again.
            let now = written.load(SeqCst);
            if std::mem::replace(&mut seen, now) == now {
                std::thread::yield_now();
                continue;
            }
            raw.take(&record_key(shop));
            let done = tool.repair(shop, case.list[0]);
            assert!(done.failures.is_empty() && done.damaged == 0, "{done:?}");
            repaired += done.written;
        }
    });
    assert_eq!(site.get(shop), (WORKERS * INCREMENTS).to_string().as_bytes());
    assert!(repaired > 0, "none of the copies was stored by a repair");
}

fn a_dry_run_stores_nothing(service: Service) {
    let Some(case) = Case::start(service, 3) else { return };
    case.put(2, &case.copy(7, b"n|i:1;"), LIFETIME_S);
    let mut tool = Tool::new(&case.site);
    let (digest, settings) = (digest(&case.shop), tool.settings.clone());
    let repairing = tool.cluster.repair(&digest, &case.list[2..3], true, &settings);
    assert_wrote(&tool.runtime.block_on(repairing), 2);
    assert_eq!([case.get(0), case.get(1)], [None, None]);
}

fn locating_a_session_says_what_each_node_has(service: Service) {
    let Some(mut case) = Case::start(service, 5) else { return };
    case.put(0, &case.copy(8, b"n|i:1;"), 700);
    case.put(1, &case.tombstone(9), 0);
    case.put(3, b"no record", 0);
    let dead = case.list[4];
    case.site.nodes[dead].proxy.refuse();
    case.site.nodes[dead].server.kill();
    let mut raw = case.site.raw(case.list[1]);
    let lock =
        b"1 0000000000000000000000000000002a 1700000000 0000000000000007 4242 99 web-2 /a.php";
    raw.put(&lock_key(&case.shop), lock, 5);

    let places = Tool::new(&case.site).locate(&case.shop);
    let nodes: Vec<usize> = places.iter().map(|place| place.node).collect();
    assert_eq!(nodes, case.list);
    let in_set: Vec<bool> = places.iter().map(|place| place.is_in_set).collect();
    assert_eq!(in_set, [true, true, false, false, false]);
    let holders: Vec<_> = places.iter().map(|place| place.holder.as_ref()).collect();
    assert_eq!(holders.iter().flatten().count(), 1);
    let holder = holders[1].expect("a holder");
    assert_eq!((holder.token, &*holder.host, &*holder.script), (42, "web-2", "/a.php"));
    match &places[0].found {
        Found::Copy { record, data_bytes: 6, time_left: Some(left) } => {
            assert_eq!((record.stamp, record.lifetime_s), (stamp(8), LIFETIME_S));
            assert!((640..=700).contains(&left.as_secs()), "{left:?}");
        }
        other => panic!("{other:?}"),
    }
    match &places[1].found {
        Found::Copy { record, data_bytes: 0, time_left: Some(Duration::MAX) } => {
            assert!(record.is_tombstone);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(places[2].found, Found::Missing), "{:?}", places[2]);
    assert!(matches!(places[3].found, Found::Damaged(RecordError::Short)), "{:?}", places[3]);
    assert!(matches!(places[4].found, Found::Unknown(_)), "{:?}", places[4]);
}

#[test]
fn only_the_key_of_a_record_is_a_session() {
    let digest = digest("abc");
    let key = record_key("abc");
    assert_eq!(digest_of_key(key.as_bytes()), Some(digest));
    let of_redis = redis_key(&key);
    assert_eq!(digest_of_key(of_redis.as_bytes()), Some(digest));
    let lock = redis_key(&lock_key("abc"));
    let other = [lock_key("abc"), key.to_uppercase(), format!("{key}0"), key[..68].into(), lock];
    let other = [&other[..], &[of_redis.replace('{', ""), of_redis.replace('}', "")]].concat();
    for key in other.iter().map(String::as_str).chain(["", "sc:r:", "sc:birth"]) {
        assert_eq!(digest_of_key(key.as_bytes()), None, "{key}");
    }
}
