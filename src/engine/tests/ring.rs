//! Where keys are placed: as libmemcached places them, and as a hash ring promises.
//!
//! `data/README.md` tells where the golden data comes from. The tolerances of the random tests are
//! at least six standard deviations of what they measure.

mod support;

use sessclust_engine::cluster::ring::{Ketama, Ring, RingNode};
use sessclust_engine::cluster::{ring_of, salt_of};
use sessclust_engine::config::RingKind;
use sessclust_engine::config::save_path::{NodeAddress, SavePath};
use sessclust_engine::limits::NODES_MAX;
use sessclust_engine::{ErrorKind, Result};
use std::collections::HashSet;
use support::{bytes, seeded};

const KINDS: [(Ketama, &str); 2] = [(Ketama::Weighted, "weighted"), (Ketama::Plain, "plain")];

/// The ring of nodes in php-memcached's words, `host:port:weight`.
fn try_ring(kind: Ketama, nodes: &[impl AsRef<str>]) -> Result<Ring> {
    let parse = |node| {
        let [weight, port, host] = str::rsplitn(node, 3, ':').collect::<Vec<_>>()[..] else {
            panic!("not host:port:weight: {node}");
        };
        RingNode {
            host: host.as_bytes(),
            port: port.parse().expect("a port"),
            weight: weight.parse().expect("a weight"),
        }
    };
    let nodes: Vec<RingNode<'_>> = nodes.iter().map(|node| parse(node.as_ref())).collect();
    Ring::new(kind, &nodes)
}

fn ring(kind: Ketama, nodes: &[impl AsRef<str>]) -> Ring {
    try_ring(kind, nodes).expect("a ring")
}

/// Nodes with names of their own, of these weights.
fn random_nodes(random: &mut fastrand::Rng, weights: &[u32]) -> Vec<String> {
    let node = |(number, weight): (usize, &u32)| {
        let (network, port) = (random.u16(..), random.choice([11211, 11212, 21211]).expect("one"));
        match random.u8(..4) {
            0 => format!("/run/{network}/{number}.sock:0:{weight}"),
            1 => format!("[fd00::{network:x}:{number}]:{port}:{weight}"),
            2 => format!("cache-{number}.{network}.example:{port}:{weight}"),
            _ => format!("10.{}.{}.{number}:{port}:{weight}", network >> 8, network & 255),
        }
    };
    weights.iter().enumerate().map(node).collect()
}

fn random_weights(random: &mut fastrand::Rng) -> Vec<u32> {
    let nodes = random.usize(1..=12);
    std::iter::repeat_with(|| random.u32(1..=8)).take(nodes).collect()
}

fn random_keys(random: &mut fastrand::Rng, count: usize) -> Vec<Vec<u8>> {
    std::iter::repeat_with(|| bytes(random.u64(..), 32)).take(count).collect()
}

/// The preference list of a key, as names.
fn preference<'a>(ring: &Ring, nodes: &'a [String], key: &[u8]) -> Vec<&'a str> {
    ring.preference(ring.position(key)).map(|index| nodes[index].as_str()).collect()
}

fn mean<T: Copy + Into<f64>>(values: &[T]) -> f64 {
    values.iter().map(|value| (*value).into()).sum::<f64>() / values.len() as f64
}

#[test]
fn keys_are_placed_as_libmemcached_places_them_in_any_order_of_the_nodes() {
    let table = include_str!("data/ring-placement.tsv").lines();
    let table: Vec<Vec<&str>> = table.map(|line| line.split('\t').collect()).collect();
    let (head, rows) = table.split_first().expect("a table");
    let pools: Vec<&str> = include_str!("data/ring-pools.txt").lines().collect();
    assert_eq!(head.len(), 1 + pools.len() * KINDS.len());
    for pool in pools {
        let (pool, nodes) = pool.split_once(' ').expect("name and nodes");
        let listed: Vec<&str> = nodes.split(',').collect();
        let reversed: Vec<&str> = nodes.rsplit(',').collect();
        for (kind, name) in KINDS {
            let column = format!("{pool}/{name}");
            let at = head.iter().position(|head| *head == column).expect("a column");
            let rings = [&listed, &reversed].map(|nodes| (nodes, ring(kind, nodes)));
            for row in rows {
                let node: usize = row[at].parse().expect("an index");
                for (nodes, ring) in &rings {
                    let found = nodes[ring.primary(row[0].as_bytes())];
                    assert_eq!(found, listed[node], "{column}, {}, in {nodes:?}", row[0]);
                }
            }
        }
    }
}

/// php-memcached hashes a lock by its own key, so the lock of a session is often on another node.
#[test]
fn data_and_locks_of_php_memcached_are_found_where_it_puts_them() {
    let pool = ["10.0.0.1:11211:5", "10.0.0.2:11211:2", "10.0.0.3:11299:1"];
    let (plain, weighted) = (ring(Ketama::Plain, &pool), ring(Ketama::Weighted, &pool));
    for (id, in_plain, in_weighted) in [
        ("0b1cdc9fe1f929e469c5a54ffe", [1, 0], [2, 0]),
        ("c4ca4238a0b923820dcc509a6f", [1, 1], [2, 0]),
        ("sess,ABC-0123456789abcdefghij", [1, 2], [0, 1]),
    ] {
        let lock = format!("lock.{id}");
        let primaries = |ring: &Ring| [id, &lock].map(|key| ring.primary(key.as_bytes()));
        assert_eq!((primaries(&plain), primaries(&weighted)), (in_plain, in_weighted), "{id}");
    }
}

#[test]
fn the_order_of_the_nodes_is_irrelevant() {
    let mut random = seeded();
    for _ in 0..50 {
        let weights = random_weights(&mut random);
        let nodes = random_nodes(&mut random, &weights);
        let mut shuffled = nodes.clone();
        random.shuffle(&mut shuffled);
        for (kind, _) in KINDS {
            let rings = (ring(kind, &nodes), ring(kind, &shuffled));
            for key in random_keys(&mut random, 50) {
                let lists =
                    (preference(&rings.0, &nodes, &key), preference(&rings.1, &shuffled, &key));
                assert_eq!(lists.0, lists.1, "{kind:?}, {key:?}");
            }
        }
    }
}

#[test]
fn a_preference_list_has_every_node_once_and_begins_with_the_primary() {
    let mut random = seeded();
    for count in [1, 2, 3, 12, NODES_MAX] {
        // The light ones have no point on a weighted ring.
        let weights: Vec<u32> = (0..count).map(|node| [1000, 1, 300][node % 3]).collect();
        let nodes = random_nodes(&mut random, &weights);
        for (kind, _) in KINDS {
            let ring = ring(kind, &nodes);
            for key in random_keys(&mut random, 100) {
                let list: Vec<usize> = ring.preference(ring.position(&key)).collect();
                assert_eq!(list[0], ring.primary(&key));
                assert_eq!(list.len(), count);
                assert_eq!(HashSet::<usize>::from_iter(list).len(), count);
            }
        }
    }
}

#[test]
fn nodes_without_points_come_last_and_by_name() {
    let mut random = seeded();
    let nodes = ["10.0.0.9:11211:1", "10.0.0.2:11211:1000", "10.0.0.1:11211:1"].map(str::to_owned);
    let ring = ring(Ketama::Weighted, &nodes);
    for key in random_keys(&mut random, 100) {
        let list = preference(&ring, &nodes, &key);
        assert_eq!(list, [&nodes[1], &nodes[2], &nodes[0]]);
    }
}

/// What makes failover by the list and a removed node the same, and so: a node that is removed
/// gives its keys to their second nodes, a new one takes keys from their primaries, and no key
/// moves between others. Weights are equal here, and nodes at most 24, because of the rounding that
/// `ring.rs` tells of; a test below has weights that differ.
#[test]
fn without_one_node_every_list_is_the_same_less_that_node() {
    let mut random = seeded();
    for _ in 0..30 {
        let count = random.usize(2..=24);
        let nodes = random_nodes(&mut random, &vec![1; count]);
        let gone = random.usize(..count);
        let mut fewer = nodes.clone();
        let gone = fewer.remove(gone);
        for (kind, _) in KINDS {
            let (before, after) = (ring(kind, &nodes), ring(kind, &fewer));
            for key in random_keys(&mut random, 100) {
                let mut list = preference(&before, &nodes, &key);
                list.retain(|node| *node != gone);
                assert_eq!(list, preference(&after, &fewer, &key), "{kind:?} without {gone}");
            }
        }
    }
}

/// Each new node takes 0.4 to 2.5 times its share, and on average over pools within 10 % of it.
#[test]
fn a_new_node_takes_about_its_share_of_the_keys() {
    let mut random = seeded();
    for (kind, name) in KINDS {
        let mut shares = Vec::new();
        for _ in 0..50 {
            let count = random.usize(2..=12);
            let nodes = random_nodes(&mut random, &vec![1; count]);
            let ring = ring(kind, &nodes);
            let keys = random_keys(&mut random, 3000);
            let moved = keys.iter().filter(|key| ring.primary(key) == count - 1).count();
            shares.push(moved as f64 / keys.len() as f64 * count as f64);
        }
        assert!(shares.iter().all(|share| (0.4..2.5).contains(share)), "{name}: {shares:?}");
        assert!((mean(&shares) - 1.0).abs() < 0.1, "{name}: {shares:?}");
    }
}

/// libmemcached's rule for weights: a new node whose weight is not the mean changes the number of
/// points of all others by as much as the mean changes, give or take the rounding to whole labels.
#[test]
fn with_different_weights_old_nodes_exchange_no_more_keys_than_the_mean_weight_changes() {
    let mut random = seeded();
    for _ in 0..100 {
        let mut weights = random_weights(&mut random);
        let mean_before = mean(&weights);
        weights.push(random.u32(1..=8));
        let growth = mean(&weights) / mean_before;
        let change = 1.0 - growth.min(1.0 / growth);

        let nodes = random_nodes(&mut random, &weights);
        let last = nodes.len() - 1;
        let before = ring(Ketama::Weighted, &nodes[..last]);
        let after = ring(Ketama::Weighted, &nodes);
        let keys = random_keys(&mut random, 1000);
        let moved = keys.iter().filter(|key| {
            let primary = after.primary(key);
            primary != last && primary != before.primary(key)
        });
        let moved = moved.count() as f64 / keys.len() as f64;
        assert!(moved < change + 0.1, "{moved} moved, {change} expected at most: {weights:?}");
    }
}

/// On average over pools, within 8 %; a single pool scatters with the square root of its points.
#[test]
fn weights_hold() {
    let mut random = seeded();
    for weights in [[1, 1, 1], [3, 1, 1], [5, 2, 1]] {
        let mut shares = [const { Vec::new() }; 3];
        for _ in 0..100 {
            let nodes = random_nodes(&mut random, &weights);
            let ring = ring(Ketama::Weighted, &nodes);
            let mut counts = [0; 3];
            let keys = random_keys(&mut random, 1000);
            keys.iter().for_each(|key| counts[ring.primary(key)] += 1);
            for (node, count) in counts.into_iter().enumerate() {
                shares[node].push(f64::from(count) / keys.len() as f64);
            }
        }
        for (shares, weight) in shares.iter().zip(weights) {
            let expected = f64::from(weight) / f64::from(weights.iter().sum::<u32>());
            assert!((mean(shares) / expected - 1.0).abs() < 0.08, "{weights:?}: {shares:?}");
        }
    }
}

#[test]
fn a_plain_ring_ignores_weights() {
    let mut random = seeded();
    let weighted = ring(Ketama::Plain, &["a:11211:7", "b:11211:1", "c:11211:2"]);
    let equal = ring(Ketama::Plain, &["a:11211:1", "b:11211:1", "c:11211:1"]);
    for key in random_keys(&mut random, 1000) {
        assert_eq!(weighted.primary(&key), equal.primary(&key));
    }
}

/// The nodes of a save path.
fn pool(path: &str) -> Vec<NodeAddress> {
    match SavePath::parse(path.as_bytes()).expect(path) {
        SavePath::Pool(nodes) => nodes,
        SavePath::Local(_) => panic!("{path} is no pool"),
    }
}

#[test]
fn what_sentinels_call_by_a_name_keeps_its_place() {
    let ring = |path| ring_of(RingKind::KetamaWeighted, &pool(path)).expect(path);
    // One sentinel knows all three.
    let before = ring("redis+sentinel://s/one,redis+sentinel://s/two,redis+sentinel://s/three");
    let after = ring(
        "redis+sentinel://t:1/one,redis+sentinel://s/one,rediss+sentinel://u/two,\
         redis+sentinel://s:2/three/5",
    );
    let keys = random_keys(&mut seeded(), 1000);
    let of = |ring: &Ring| keys.iter().map(|key| ring.primary(key)).collect::<Vec<_>>();
    assert_eq!(of(&before), of(&after));
    assert_eq!(HashSet::<usize>::from_iter(of(&after)), HashSet::from([0, 1, 2]));
}

#[test]
fn databases_of_a_server_are_pools_of_their_own() {
    let salt = |path| salt_of(&pool(path));
    assert_eq!(salt("redis://a/1,redis://b"), salt("redis://b/0,redis://a/1"));
    assert_ne!(salt("redis://a/1"), salt("redis://a/2"));
    assert_ne!(salt("redis://a/1"), salt("redis://a"));
}

#[test]
fn pools_that_make_no_ring_are_refused() {
    let refused = |nodes: &[&str]| {
        let error = try_ring(Ketama::Weighted, nodes).expect_err("must be refused");
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    assert_eq!(refused(&[]), "the pool has no nodes");
    let twice = ["a:11211:1", "a:11212:1", "b:11211:1", "a:11212:2"];
    assert_eq!(refused(&twice), "node a:11212 is listed twice");

    let many: Vec<String> = (0..=NODES_MAX).map(|node| format!("n{node}:11211:1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(&many), "the pool has 101 nodes; 100 are possible");
    assert!(try_ring(Ketama::Weighted, &many[..NODES_MAX]).is_ok());
}
