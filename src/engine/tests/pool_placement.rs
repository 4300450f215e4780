//! Where sessions are in a pool: a session's node and its keys, nodes that come and go, and new
//! sessions that are to be on a certain node.

mod support;

use sessclust_engine::ErrorKind;
use sessclust_engine::cluster::ring_of;
use sessclust_engine::config::{Placement, Settings};
use sessclust_engine::session::Access;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use support::pool::{PoolSite, Raw, lock_key, record_key};
use support::{digest, id, wait_for};

fn has(raw: &mut Raw, key: &str) -> bool {
    raw.get(key).is_some()
}

#[test]
fn the_lock_of_a_session_is_on_the_node_of_its_record() {
    let Some(site) = PoolSite::start(3) else { return };
    for node in 0..3 {
        let shop = site.id_on(node);
        site.put(&shop, b"data");
        site.request().open(&shop);
        let mut request = site.request();
        request.open(&shop);
        for other in 0..3 {
            let mut raw = site.raw(other);
            assert_eq!(has(&mut raw, &record_key(&shop)), other == node, "record on {other}");
            assert_eq!(has(&mut raw, &lock_key(&shop)), other == node, "lock on {other}");
        }
    }
}

/// The keys are a promise to people who look at their nodes with other tools.
#[test]
fn the_keys_are_the_digest_of_the_id_behind_a_prefix() {
    let Some(site) = PoolSite::start(1) else { return };
    // printf 'sessclust session 1\0abc' | sha256sum
    let hex = "bca07d604208cb4762fed07014e6007dd575cf06c63b93179192fac3020461fc";
    let mut request = site.request();
    request.open("abc");
    let (record, lock) = (format!("sc:r:{hex}"), format!("sc:l:{hex}"));
    assert!(has(&mut site.raw(0), &lock));
    request.write("abc", b"data").unwrap();
    assert!(has(&mut site.raw(0), &record));
    assert_eq!(
        site.proxy().log()[3..6],
        [format!("ms {lock}"), format!("mg {record}"), format!("ms {record}")]
    );
}

#[test]
fn two_processes_that_list_the_nodes_differently_find_the_same_sessions() {
    let Some(site) = PoolSite::start(3) else { return };
    let (one, two) = (site.process_of(&[0, 1, 2]), site.process_of(&[2, 0, 1]));
    for _ in 0..50 {
        let shop = site.id();
        one.put(&shop, b"data");
        site.wait_until_free(&shop);
        assert_eq!(two.request().open(&shop), b"data");
    }
    let counts = site.nodes.iter().map(|node| node.proxy.counts());
    // Each session was asked for on its own node only, once to make sure that it is new elsewhere.
    assert_eq!(counts.map(|counts| counts.of("mg")).sum::<usize>(), 50 * 3);
}

#[test]
fn adding_a_node_logs_nobody_out_and_its_sessions_move_when_they_are_committed() {
    const SESSIONS: usize = 200;
    let Some(site) = PoolSite::start(4) else { return };
    let before = site.process_of(&[0, 1, 2]);
    let sessions: Vec<String> = (0..SESSIONS).map(|_| site.id()).collect();
    for shop in &sessions {
        before.put(shop, shop.as_bytes());
    }
    let mut raw: Vec<Raw> = (0..4).map(|node| site.raw(node)).collect();
    let mut where_it_is =
        |key: &str| -> Vec<usize> { (0..4).filter(|node| has(&mut raw[*node], key)).collect() };
    let after = site.process();
    let mut moved = 0;
    for (number, shop) in sessions.iter().enumerate() {
        let old = where_it_is(&record_key(shop));
        assert_eq!(after.request().peek(shop), shop.as_bytes(), "without the lock");
        assert_eq!(where_it_is(&record_key(shop)), old, "a read moves nothing");
        let mut request = after.request();
        assert!(request.knows(shop));
        assert_eq!(request.open(shop), shop.as_bytes());
        // An unchanged session moves too: where it is, it would be asked for twice for ever.
        let expected = match number % 2 {
            0 => request.touch(shop, shop.as_bytes()).map(|()| shop.as_bytes().to_vec()).unwrap(),
            _ => request.write(shop, b"after").map(|()| b"after".to_vec()).unwrap(),
        };
        request.close();
        let node = site.primary(shop);
        assert!(node == 3 || old == [node], "{shop} has moved between the old nodes");
        wait_for("the old copy to go", || where_it_is(&record_key(shop)) == [node]);
        wait_for("the locks to go", || where_it_is(&lock_key(shop)).is_empty());
        assert_eq!(after.request().peek(shop), expected);
        moved += usize::from(node == 3);
    }
    // A quarter, and six standard deviations of the draw.
    assert!((15..=85).contains(&moved), "{moved} of {SESSIONS} moved");
}

/// Both nodes are locked, so processes that know the new node and such that do not lose nothing.
#[test]
fn old_and_new_processes_exclude_each_other_while_a_node_is_added() {
    let Some(site) = PoolSite::start(4) else { return };
    let shop = site.id_on(3);
    let before = site.process_of(&[0, 1, 2]);
    before.put(&shop, b"before");
    let mut old = before.request();
    old.open(&shop);
    let error = site.impatient().try_open(&shop).unwrap_err();
    assert!(error.to_string().contains("is in use by"), "{error}");
    old.write(&shop, b"old").unwrap();
    let mut new = site.request();
    assert_eq!(new.open(&shop), b"old");
    let error = before.impatient().try_open(&shop).unwrap_err();
    assert!(error.to_string().contains("is in use by"), "{error}");
    new.write(&shop, b"new").unwrap();
    assert_eq!(site.get(&shop), b"new");
}

#[test]
fn a_session_that_is_destroyed_where_it_was_does_not_come_back_from_there() {
    let Some(site) = PoolSite::start(4) else { return };
    let before = site.process_of(&[0, 1, 2]);
    for is_held in [true, false] {
        let shop = site.id_on(3);
        before.put(&shop, b"before");
        let mut request = site.request();
        if is_held {
            request.open(&shop);
        }
        request.session.destroy(id(&shop)).unwrap();
        request.close();
        assert!(!site.request().knows(&shop));
        assert_eq!(site.get(&shop), b"");
    }
}

/// The holder would store it where it belongs now, and the tombstone would be where it was.
#[test]
fn a_session_that_is_destroyed_while_its_holder_is_about_to_move_it_stays_destroyed() {
    let Some(site) = PoolSite::start(4) else { return };
    let shop = site.id_on(3);
    site.process_of(&[0, 1, 2]).put(&shop, b"before");
    let mut holder = site.request();
    assert_eq!(holder.open(&shop), b"before");
    site.request().session.destroy(id(&shop)).unwrap();
    let error = holder.write(&shop, b"after").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Destroyed, "{error}");
    assert_eq!(site.get(&shop), b"");
}

/// A copy that was left behind is older than the one that is damaged.
#[test]
fn a_damaged_session_is_not_replaced_by_an_older_one_where_it_was() {
    let Some(site) = PoolSite::start(4) else { return };
    let shop = site.id_on(3);
    site.process_of(&[0, 1, 2]).put(&shop, b"older");
    site.raw(3).put(&record_key(&shop), b"no record", 1000);
    for access in [Access::Unlocked, Access::Locked] {
        let mut request = site.request();
        let data = request.session.read(id(&shop), access).unwrap();
        assert_eq!(data.bytes, b"");
        assert_eq!(data.loss.map(|loss| loss.kind()), Some(ErrorKind::Damaged), "{access:?}");
    }
}

#[test]
fn removing_a_node_loses_its_sessions_and_moves_none_of_the_others() {
    let Some(site) = PoolSite::start(4) else { return };
    let all = site.process();
    let sessions: Vec<String> = (0..100).map(|_| site.id()).collect();
    for shop in &sessions {
        all.put(shop, shop.as_bytes());
    }
    let after = site.process_of(&[0, 1, 2]);
    for shop in &sessions {
        let expected = if site.primary(shop) == 3 { b"" } else { shop.as_bytes() };
        let mut request = after.request();
        assert_eq!(request.knows(shop), !expected.is_empty());
        assert_eq!(request.open(shop), expected);
    }
}

// sessclust.placement = local

/// The parts of a drawn id: what PHP has drawn, and the end that was added.
const END_DIGITS: usize = 4;

fn near(site: &mut PoolSite, node: usize) {
    site.settings = Settings {
        placement: Placement::Local,
        local_node: Some(site.addresses()[node].endpoint.clone()),
        ..site.settings.clone()
    };
}

#[test]
fn a_drawn_id_belongs_to_the_node_of_this_machine() {
    let Some(mut site) = PoolSite::start(3) else { return };
    near(&mut site, 1);
    let process = site.process();
    for _ in 0..50 {
        let php = site.id();
        let mut request = process.request();
        let drawn = request.session.draw_near(id(&php)).unwrap().expect("an id");
        let drawn = String::from_utf8(drawn).unwrap();
        let (start, end) = drawn.split_at(php.len());
        assert_eq!(start, php);
        assert!(end.len() == END_DIGITS && end.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_eq!(site.primary(&drawn), 1);
        assert_eq!(request.open(&drawn), b"");
        request.write(&drawn, b"near").unwrap();
        assert_eq!(site.process_of(&[2, 1, 0]).request().open(&drawn), b"near");
    }
    assert_eq!(site.nodes[0].proxy.counts().of("ms"), 0);
    assert_eq!(site.nodes[2].proxy.counts().of("ms"), 0);
}

#[test]
fn a_drawn_id_costs_no_round_trip() {
    let Some(mut site) = PoolSite::start(2) else { return };
    near(&mut site, 0);
    let process = site.process();
    process.request().peek(&site.id_on(0));
    let mut request = process.request();
    let drawn = request.session.draw_near(id(&site.id())).unwrap().expect("an id");
    let drawn = String::from_utf8(drawn).unwrap();
    assert!(!request.knows(&drawn), "it is fresh");
    request.open(&drawn);
    assert_eq!(request.session.stats().round_trips, 0);
}

#[test]
fn without_a_local_node_ids_are_left_alone() {
    let Some(site) = PoolSite::start(2) else { return };
    assert!(site.request().session.draw_near(id(&site.id())).unwrap().is_none());
}

#[test]
fn a_node_without_a_share_is_given_up() {
    let Some(mut site) = PoolSite::start(2) else { return };
    site.nodes[0].weight = 1;
    site.nodes[1].weight = 1_000_000;
    near(&mut site, 0);
    let drawn = site.request().session.draw_near(id(&site.id())).unwrap().expect("an id");
    assert_eq!(site.primary(std::str::from_utf8(&drawn).unwrap()), 1);
}

/// PHP's default id has 128 random bits. The end adds 16, less what choosing takes: what is left is
/// measured over all 65,536 ends. For the id not to become easier to guess, one has to be left.
#[test]
fn a_drawn_id_is_no_easier_to_guess_than_phps() {
    const PHP_BITS: f64 = 128.0;
    let Some(mut site) = PoolSite::start(3) else { return };
    for weights in [[1, 1, 1], [1, 10, 100]] {
        for (node, weight) in site.nodes.iter_mut().zip(weights) {
            node.weight = weight;
        }
        let addresses = site.addresses();
        assert_eq!(addresses[2].weight, NonZeroU32::new(weights[2]).unwrap());
        let ring = ring_of(site.settings.ring, &addresses).unwrap();
        for _ in 0..2 {
            let php = site.id();
            let mut ends = BTreeMap::new();
            for end in 0..=u16::MAX {
                let drawn = digest(&format!("{php}{end:04x}"));
                *ends.entry(ring.primary(&drawn.to_hex())).or_insert(0_u32) += 1;
            }
            for node in 0..3 {
                let bits = PHP_BITS + f64::from(ends[&node]).log2();
                // Far above what is needed, even for a node with one session in a hundred.
                assert!(bits >= PHP_BITS + 6.0, "node {node} of {weights:?}: {bits} bits");
            }
        }
    }
}
