//! The hash ring: which node of a pool a key belongs to, and which nodes come after it.
//!
//! Every node has many points on a ring of 32-bit numbers. A key hashes to a position there; the
//! first point at or after it says which node is the key's *primary*. Walking on, each node that
//! is met for the first time is next in the key's *preference list*. A node that is down is
//! skipped; the ring is never rebuilt for it.
//!
//! ```
//! use sessclust_engine::cluster::ring::{Ketama, Ring, RingNode};
//! use std::num::NonZeroU32;
//!
//! let node = |host: &'static str, port, weight| {
//!     let weight = NonZeroU32::new(weight).expect("not 0");
//!     RingNode { host: host.as_bytes(), port, weight }
//! };
//! let nodes =
//!     [node("10.0.0.1", 11211, 5), node("10.0.0.2", 11211, 2), node("10.0.0.3", 11299, 1)];
//! let ring = Ring::new(Ketama::Weighted, &nodes)?;
//!
//! // The same node as Memcached::getServerByKey('0b1cdc9fe1f929e469c5a54ffe') in PHP:
//! assert_eq!(ring.primary(b"0b1cdc9fe1f929e469c5a54ffe"), 2);
//! let position = ring.position(b"0b1cdc9fe1f929e469c5a54ffe");
//! assert_eq!(ring.preference(position).collect::<Vec<_>>(), [2, 0, 1]);
//! # Ok::<(), sessclust_engine::Error>(())
//! ```
//!
//! # Compatible with
//!
//! libmemcached (measured with 1.1.4), and so php-memcached: same nodes, same key, same primary.
//! Not the nodes after the primary: libmemcached takes replicas in the order of the list.
//!
//! ```text
//!                   Ketama::Weighted                          Ketama::Plain
//! php-memcached     sess_consistent_hash_type=ketama_weighted ketama, its default
//! libmemcached      MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED        MEMCACHED_BEHAVIOR_KETAMA
//! label of a point  HOST-k if the port is 11211, else HOST:PORT-k; k = 0, 1, 2, ...
//! points of a label 4: MD5 as little-endian words             1: Jenkins' one-at-a-time
//! labels of a node  40 x weight / mean weight, rounded down   100
//! position of a key first word of its MD5                     one-at-a-time
//! ```
//!
//! HOST is what the save path says: a name as it is spelled there, an IPv6 address in its brackets,
//! or the path of a Unix socket, which has port 0 (php-memcached's session handler and
//! `Memcached::addServers` see it so; `Memcached::addServer` takes 11211).
//!
//! This is a wire format: a change moves sessions. `tests/data/` holds libmemcached's own answers.
//!
//! # What moves when the pool changes
//!
//! A node that is added takes about its share of the keys, and no other key moves, in a plain ring
//! and in a weighted one whose weights are equal. With different weights libmemcached's rule
//! changes the number of everybody's points when the mean weight changes, so a part of the keys,
//! at most about the relative change of the mean, moves between the other nodes too. Rounding does
//! the same on a small scale: in a pool of 25, 47, 50 or 55 equal nodes each has 39 labels, not 40.

use crate::error::{Error, ErrorKind, Result, shown};
use crate::limits::NODES_MAX;
use md5::{Digest as _, Md5};
use std::num::NonZeroU32;
use std::{array, mem};

/// The port that a point's label leaves out. Source: libmemcached, `MEMCACHED_DEFAULT_PORT`.
const DEFAULT_PORT: u16 = 11211;

/// Points of a node in a weighted ring whose weights are equal. Source: libmemcached,
/// `MEMCACHED_POINTS_PER_SERVER_KETAMA`.
const WEIGHTED_POINTS: f32 = 160.0;

/// Points that one label gives in a weighted ring: an MD5 sum has four words.
const POINTS_PER_LABEL: usize = 4;

/// Points, and labels, of a node in a plain ring. Source: libmemcached,
/// `MEMCACHED_POINTS_PER_SERVER`.
const PLAIN_POINTS: usize = 100;

/// The two kinds of ring that libmemcached calls ketama.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ketama {
    /// MD5; a node's share is its weight.
    Weighted,
    /// One-at-a-time; weights are ignored.
    Plain,
}

/// What a ring has to know of a node.
#[derive(Clone, Copy, Debug)]
pub struct RingNode<'a> {
    /// Name or address as the save path has it, IPv6 in brackets; or the path of a Unix socket.
    pub host: &'a [u8],
    /// TCP port; 0 for a Unix socket.
    pub port: u16,
    /// Share of the keys, relative to the other nodes; 1 if the save path names none.
    pub weight: NonZeroU32,
}

impl RingNode<'_> {
    /// The text that is hashed for a point.
    fn label(&self, number: usize) -> Vec<u8> {
        let end = match self.port {
            DEFAULT_PORT => format!("-{number}"),
            port => format!(":{port}-{number}"),
        };
        [self.host, end.as_bytes()].concat()
    }
}

/// A place on the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point(u32);

/// The ring of a pool. It knows nodes by their index in the list it was made from.
#[derive(Debug)]
pub struct Ring {
    kind: Ketama,
    /// Indexes of the nodes, sorted by host and port; the place in here is a node's *rank*.
    nodes: Vec<usize>,
    /// The points and the ranks of their nodes, sorted.
    points: Vec<(Point, usize)>,
}

impl Ring {
    /// Makes the ring of a pool, which does not depend on the order of `nodes`.
    ///
    /// Where points of two nodes coincide, the one that sorts first by host and port has them.
    /// libmemcached gives them to the one that is listed first, so the order of the list matters
    /// there, for the few keys of such points in the few pools that have them: of those with twelve
    /// nodes about one in 2,500. For the order not to matter, names have to decide; in this way
    /// they do in libmemcached too if it is told to sort (`MEMCACHED_BEHAVIOR_SORT_HOSTS`).
    ///
    /// # Errors
    /// [`ErrorKind::Config`]: no node, more than [`NODES_MAX`], or one node twice: its second
    /// entry would never get a key, and would look like a replica.
    pub fn new(kind: Ketama, nodes: &[RingNode<'_>]) -> Result<Self> {
        if nodes.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the pool has no nodes"));
        }
        if nodes.len() > NODES_MAX {
            let message = format!("the pool has {} nodes; {NODES_MAX} are possible", nodes.len());
            return Err(Error::new(ErrorKind::Config, message));
        }
        let name = |index: usize| (nodes[index].host, nodes[index].port);
        let mut sorted: Vec<usize> = (0..nodes.len()).collect();
        sorted.sort_unstable_by_key(|index| name(*index));
        if let Some(twice) = sorted.windows(2).find(|pair| name(pair[0]) == name(pair[1])) {
            let (host, port) = name(twice[0]);
            let message = format!("node {}:{port} is listed twice", shown(host));
            return Err(Error::new(ErrorKind::Config, message));
        }

        let total_weight = nodes.iter().map(|node| u64::from(node.weight.get())).sum();
        let mut points = Vec::new();
        for (rank, index) in sorted.iter().enumerate() {
            let node = &nodes[*index];
            match kind {
                Ketama::Weighted => {
                    for number in 0..labels(node.weight, total_weight, nodes.len()) {
                        points.extend(md5(&node.label(number)).map(|point| (point, rank)));
                    }
                }
                Ketama::Plain => {
                    let labels = (0..PLAIN_POINTS).map(|number| node.label(number));
                    points.extend(labels.map(|label| (one_at_a_time(&label), rank)));
                }
            }
        }
        points.sort_unstable();
        Ok(Self { kind, nodes: sorted, points })
    }

    /// Where a key is on the ring.
    pub fn position(&self, key: &[u8]) -> Point {
        match self.kind {
            Ketama::Weighted => md5(key)[0],
            Ketama::Plain => one_at_a_time(key),
        }
    }

    /// Every node once, in the order in which the ring meets them from `position` on. Nodes without
    /// a point come last, by host and port: a weighted ring gives none below a fortieth of the mean
    /// weight.
    pub fn preference(&self, position: Point) -> impl Iterator<Item = usize> {
        let start = self.points.partition_point(|(point, _)| *point < position);
        let (before, after) = self.points.split_at(start);
        let on_ring = after.iter().chain(before).map(|(_, rank)| *rank);
        let mut seen = [false; NODES_MAX];
        on_ring
            .chain(0..self.nodes.len())
            .filter(move |rank| !mem::replace(&mut seen[*rank], true))
            .map(|rank| self.nodes[rank])
            .take(self.nodes.len())
    }

    /// The node that a key belongs to: the first of its preference list.
    pub fn primary(&self, key: &[u8]) -> usize {
        self.preference(self.position(key)).next().expect("a ring has a node")
    }
}

/// How many labels a node of a weighted ring has.
///
/// In libmemcached's order and `float` precision: where the quotient is a whole number, rounding
/// decides whether the node has one label less. (libmemcached adds 1e-10 against that, which a
/// `float` of that size cannot hold.)
///
/// Source: `update_continuum` in libmemcached's `hosts.cc`.
fn labels(weight: NonZeroU32, total_weight: u64, nodes: usize) -> usize {
    let share = weight.get() as f32 / total_weight as f32;
    (share * WEIGHTED_POINTS / POINTS_PER_LABEL as f32 * nodes as f32) as usize
}

/// MD5 as four points: here it spreads keys and keeps no secret.
fn md5(bytes: &[u8]) -> [Point; POINTS_PER_LABEL] {
    let digest: [u8; 16] = Md5::digest(bytes).into();
    let (words, _) = digest.as_chunks();
    array::from_fn(|word| Point(u32::from_le_bytes(words[word])))
}

/// Bob Jenkins' one-at-a-time hash. Bytes are signed, as C's `char` is on x86: libmemcached on a
/// CPU where it is not places names with bytes above 127 elsewhere. Session ids have none.
///
/// Source: libmemcached's `one_at_a_time.cc`.
fn one_at_a_time(bytes: &[u8]) -> Point {
    let mut hash = bytes.iter().fold(0_u32, |hash, byte| {
        let hash = hash.wrapping_add(*byte as i8 as u32);
        let hash = hash.wrapping_add(hash << 10);
        hash ^ hash >> 6
    });
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    Point(hash.wrapping_add(hash << 15))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn node(host: &str, port: u16, weight: u32) -> RingNode<'_> {
        let weight = NonZeroU32::new(weight).expect("a weight");
        RingNode { host: host.as_bytes(), port, weight }
    }

    /// The pool of the vectors below, which were measured with libmemcached 1.1.4.
    const POOL: [RingNode<'_>; 3] =
        [node("10.0.0.1", 11211, 5), node("10.0.0.2", 11211, 2), node("10.0.0.3", 11299, 1)];

    #[test]
    fn labels_leave_out_the_default_port() {
        let labels = [
            (node("10.0.0.1", 11211, 1), "10.0.0.1-7"),
            (node("10.0.0.3", 11299, 1), "10.0.0.3:11299-7"),
            (node("[::1]", 11211, 1), "[::1]-7"),
            (node("/run/a.sock", 0, 1), "/run/a.sock:0-7"),
        ];
        for (node, label) in labels {
            assert_eq!(node.label(7), label.as_bytes());
        }
    }

    #[test]
    fn hashes_are_those_of_libmemcached() {
        for (text, jenkins, first_word) in [
            ("0b1cdc9fe1f929e469c5a54ffe", 0xde51_c962, 0xbd5a_f1b6),
            ("c4ca4238a0b923820dcc509a6f", 0x1f3b_a4f6, 0x3d63_0266),
            ("sess,ABC-0123456789abcdefghij", 0x6ab1_1ed9, 0x3378_8f51),
            ("10.0.0.1-0", 0xf618_fafa, 0x2194_783c),
        ] {
            assert_eq!(one_at_a_time(text.as_bytes()), Point(jenkins), "{text}");
            assert_eq!(md5(text.as_bytes())[0], Point(first_word), "{text}");
        }
        assert_eq!(one_at_a_time(b"10.0.0.3:11299-0"), Point(0xaabb_cd17));
        let words = [0x2194_783c, 0x36d6_a85b, 0xf1ed_f592, 0x40a9_b8cf];
        assert_eq!(md5(b"10.0.0.1-0"), words.map(Point));
    }

    #[test]
    fn points_are_those_of_libmemcached() {
        let ring = |kind| Ring::new(kind, &POOL).expect("a ring");
        let plain = ring(Ketama::Plain);
        assert_eq!(plain.points.len(), 300);
        let lowest = [(0x034b_a48c, 1), (0x0565_e6a4, 0), (0x07c1_9e4f, 0)];
        assert_eq!(plain.points[..3], lowest.map(|(point, node)| (Point(point), node)));

        let weighted = ring(Ketama::Weighted);
        assert_eq!(weighted.points.len(), 480);
        let lowest = [(0x0075_1760, 2), (0x0116_d1ed, 1), (0x021f_db77, 0)];
        assert_eq!(weighted.points[..3], lowest.map(|(point, node)| (Point(point), node)));
    }

    #[test]
    fn a_point_owns_the_keys_up_to_itself_and_the_first_one_the_rest() {
        let ring = Ring::new(Ketama::Weighted, &POOL).expect("a ring");
        let head = |position| ring.preference(Point(position)).next();
        assert_eq!(head(0x0075_1760), Some(2));
        assert_eq!(head(0x0075_1761), Some(1));
        assert_eq!(head(0), Some(2));
        assert_eq!(head(u32::MAX), Some(2));
    }

    #[test]
    fn labels_are_counted_in_float() {
        let labels = |weight, total_weight, nodes| {
            labels(NonZeroU32::new(weight).expect("a weight"), total_weight, nodes)
        };
        assert_eq!([5, 2, 1].map(|weight| labels(weight, 8, 3)), [75, 30, 15]);
        assert_eq!((labels(1, 24, 24), labels(1, 25, 25), labels(1, 26, 26)), (40, 39, 40));
        // 8 / 25 x 40 x 5 is 64.
        assert_eq!(labels(8, 25, 5), 63);
        assert_eq!(labels(1, 1001, 2), 0);
        assert_eq!(labels(u32::MAX, u64::from(u32::MAX), 1), 40);
    }
}
