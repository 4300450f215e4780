//! The grammar of `session.save_path`.
//!
//! ```text
//! save path = ""                      the embedded store in /var/tmp/sessclust-u<uid>
//!           | directory               the embedded store in <directory>/u<uid>, taken as it stands
//!           | "local://" directory    the same as a URL: %HH stands for a byte
//!           | entry { separator entry }   a pool: 1 to 100 entries, none of them twice, all of one
//!                                     service: memcached, Redis or a Redis Cluster
//! directory = an absolute path without "." and ".." as components
//! separator = a comma, spaces, or a comma with spaces around it
//! entry     = memcached | redis | sentinel | cluster
//! memcached = "memcached://" host [ ":" port ] [ "?weight=" weight ]    without a port: 11211
//!           | "memcached+unix://" socket [ "?weight=" weight ]          %HH stands for a byte
//!           | host ":" port [ ":" weight ]                              as php-memcached has it
//!           | socket ":0" [ ":" weight ]                                likewise
//!           | socket                                                    named *.sock or *.socket
//! redis     = ( "redis://" | "rediss://" ) host [ ":" port ] [ "/" database ] [ parameters ]
//!           | ( "tcp://" | "tls://" | "ssl://" ) likewise               as phpredis has it
//!           | ( "redis+unix://" | "unix://" ) socket [ parameters ]     without a port: 6379
//! sentinel  = ( "redis+sentinel://" | "rediss+sentinel://" )            without a port: 26379
//!             host [ ":" port ] "/" name [ "/" database ] [ parameters ]
//! cluster   = ( "redis+cluster://" | "rediss+cluster://" ) host [ ":" port ]
//! host      = a name of letters, digits, ".", "-", "_"; an IPv4 address; an IPv6 address in [ ]
//! port      = 1 to 65535
//! socket    = an absolute path; one that is not in a URL is without ":", "?", comma and space
//! parameters = "?" parameter { "&" parameter }                          each of them once
//! parameter = "weight=" weight | "database=" database
//! weight    = 1 to 1000000, the node's share of the sessions relative to the others; 1 if not said
//! database  = 0 to 2147483647; 0 if not said
//! name      = what the sentinels call a primary and its replicas: letters, digits, ".", "-", "_"
//! ```
//!
//! "rediss" and "tls" speak TLS. Entries with one name are the sentinels of one node; those of a
//! cluster are all one node, which is the only one of its pool.
//!
//! A text that begins with "/" is a pool if its first entry is a socket, and a directory otherwise.
//!
//! Errors name the position, counted in bytes from 0 (behind a %HH, of the decoded text), and say
//! how to write what was probably meant. Of the text they show no more than schemes and names of
//! parameters, for people put passwords into save paths.

mod node;
pub(super) mod parts;

pub use node::{REDIS_PORT, SENTINEL_PORT};

use super::redis::{Redis, Service, Topology};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{DIRECTORY_BYTES_MAX, NODES_MAX};
use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroU32;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A parsed save path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavePath {
    /// The embedded store: the directory in which each user has one; none for the default.
    Local(Option<PathBuf>),
    /// A pool of nodes of one service, at least one, in the order of the save path.
    Pool(Vec<NodeAddress>),
}

/// A node as a save path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// Where it listens; of several sentinels, or servers of a cluster, where the first one does.
    pub endpoint: Endpoint,
    /// Its share of the sessions, relative to the other nodes.
    pub weight: NonZeroU32,
    /// What listens there.
    pub service: Service,
}

impl NodeAddress {
    /// A memcached.
    pub fn memcached(endpoint: Endpoint, weight: NonZeroU32) -> Self {
        Self { endpoint, weight, service: Service::Memcached }
    }

    /// A Redis or Valkey.
    pub fn redis(endpoint: Endpoint, weight: NonZeroU32, redis: Redis) -> Self {
        Self { endpoint, weight, service: Service::Redis(Box::new(redis)) }
    }

    /// What it is, if it is a Redis or Valkey.
    pub fn as_redis(&self) -> Option<&Redis> {
        match &self.service {
            Service::Memcached => None,
            Service::Redis(redis) => Some(redis),
        }
    }

    /// How its server is found.
    pub fn topology(&self) -> &Topology {
        self.as_redis().map_or(&Topology::Single, |redis| &redis.topology)
    }

    /// What its sentinels call it.
    pub fn sentinel_name(&self) -> Option<&str> {
        match self.topology() {
            Topology::Sentinel { name, .. } => Some(name),
            _ => None,
        }
    }

    /// All addresses that the save path gives for it: its own, its sentinels', or those of its
    /// cluster.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let others: &[Endpoint] = match self.topology() {
            Topology::Single => &[],
            Topology::Sentinel { others, .. } | Topology::Cluster { others } => others,
        };
        std::iter::once(&self.endpoint).chain(others)
    }

    /// Whether both name the same node of a pool.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self.topology(), other.topology()) {
            (Topology::Single, Topology::Single) => self.endpoint.is_same(&other.endpoint),
            (Topology::Sentinel { name, .. }, Topology::Sentinel { name: other, .. }) => {
                name == other
            }
            // A pool has one at most.
            (Topology::Cluster { .. }, Topology::Cluster { .. }) => true,
            _ => false,
        }
    }

    /// Takes over the address of another entry for the same node; `at` is its position.
    fn join(&mut self, other: Self, at: usize) -> Result<()> {
        if self.endpoints().any(|endpoint| endpoint.is_same(&other.endpoint)) {
            return Err(error(at, "this node is in the list twice"));
        }
        let traits = |node: &Self| {
            let redis = node.as_redis();
            (node.weight, redis.map(|redis| (redis.is_tls, redis.database)))
        };
        if traits(self) != traits(&other) {
            let what = "entries of one Sentinel name, or of one cluster, have to agree in all but \
                        the address";
            return Err(error(at, what));
        }
        if let Service::Redis(redis) = &mut self.service
            && let Topology::Sentinel { others, .. } | Topology::Cluster { others } =
                &mut redis.topology
        {
            others.push(other.endpoint);
        }
        Ok(())
    }
}

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP port.
    Tcp {
        /// Name or address as it is written in the save path, IPv6 in brackets: the ring hashes it.
        host: String,
        /// Port, not 0.
        port: u16,
    },
    /// A Unix socket, by its absolute path.
    Unix(PathBuf),
}

impl Endpoint {
    /// Whether both name the same node: host names do not depend on the case of letters.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { host, port }, Self::Tcp { host: other_host, port: other_port }) => {
                port == other_port && host.eq_ignore_ascii_case(other_host)
            }
            _ => self == other,
        }
    }
}

/// For messages: `host:port`, or the socket's path with what is not printable escaped.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.as_os_str().as_bytes().escape_ascii().fmt(f),
        }
    }
}

/// For messages, and for what a machine calls it: a node is its endpoint, or `name@` and its
/// sentinels, or the servers of its cluster. Weight and database are not shown.
impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.sentinel_name() {
            write!(f, "{name}@")?;
        }
        for (index, endpoint) in self.endpoints().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            endpoint.fmt(f)?;
        }
        Ok(())
    }
}

/// How the URL of an embedded store begins.
const LOCAL: &[u8] = b"local://";

impl SavePath {
    /// Parses a save path.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with the position and how to write it.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let (directory, start) = if text.is_empty() {
            return Ok(Self::Local(None));
        } else if let Some(url) = text.strip_prefix(LOCAL) {
            (decode_local(url, LOCAL.len())?, LOCAL.len())
        } else if text.starts_with(b"/") && !is_socket(first_entry(text)) {
            if find(text, b"://").is_some() {
                return Err(error(0, "a directory cannot be in a list of nodes"));
            }
            (text.to_vec(), 0)
        } else {
            return parse_pool(text).map(Self::Pool);
        };
        check_directory(&directory, start)?;
        Ok(Self::Local(Some(PathBuf::from(OsString::from_vec(directory)))))
    }
}

fn error(position: usize, what: &str) -> Error {
    let message = format!("session.save_path, position {position}: {what}");
    Error::new(ErrorKind::Config, message)
}

/// Where `part` begins in `text`.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// Splits `text` before the first byte for which `is_end` holds.
fn split_before(text: &[u8], is_end: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| is_end(*byte)).unwrap_or(text.len()))
}

/// A list's text up to its first separator.
fn first_entry(text: &[u8]) -> &[u8] {
    split_before(text, |byte| matches!(byte, b',' | b' ')).0
}

/// Whether an entry is a plain socket, also one with parameters, which only a URL may have.
fn is_socket(entry: &[u8]) -> bool {
    let (path, rest) = split_before(entry, |byte| matches!(byte, b':' | b'?'));
    let is_named_so = path.ends_with(b".sock") || path.ends_with(b".socket");
    path.starts_with(b"/") && (is_named_so || rest == b":0" || rest.starts_with(b":0:"))
}

/// Parses a list of nodes.
fn parse_pool(text: &[u8]) -> Result<Vec<NodeAddress>> {
    let mut nodes = Vec::new();
    let mut entries = 0;
    let mut start = 0;
    for part in text.split(|byte| *byte == b',') {
        let mut position = start;
        start += part.len() + 1;
        if part.iter().all(|byte| *byte == b' ') {
            return Err(error(start - 1, "a node is missing here"));
        }
        for entry in part.split(|byte| *byte == b' ') {
            if !entry.is_empty() {
                entries += 1;
                if entries > NODES_MAX {
                    let what = format!("a list has at most {NODES_MAX} entries");
                    return Err(error(position, &what));
                }
                add(&mut nodes, node::parse(entry, position)?, position)?;
            }
            position += entry.len() + 1;
        }
    }
    Ok(nodes)
}

/// Adds what the entry at `at` names to a pool.
fn add(nodes: &mut Vec<NodeAddress>, node: NodeAddress, at: usize) -> Result<()> {
    let Some(first) = nodes.first() else {
        nodes.push(node);
        return Ok(());
    };
    if first.as_redis().is_some() != node.as_redis().is_some() {
        let what = "the nodes of a pool are all memcached, or all Redis: write memcached:// or \
                    redis:// before each";
        return Err(error(at, what));
    }
    let is_cluster = |node: &NodeAddress| matches!(node.topology(), Topology::Cluster { .. });
    let is_with_cluster = is_cluster(first) || is_cluster(&node);
    if let Some(known) = nodes.iter_mut().find(|known| known.is_same(&node)) {
        return known.join(node, at);
    }
    if is_with_cluster {
        let what = "a Redis Cluster is a pool by itself: all entries are redis+cluster://, or none";
        return Err(error(at, what));
    }
    nodes.push(node);
    Ok(())
}

/// Decodes what follows `local://`.
fn decode_local(text: &[u8], at: usize) -> Result<Vec<u8>> {
    let (path, rest) = split_before(text, |byte| matches!(byte, b' ' | b',' | b'?' | b'#'));
    match rest.first() {
        None => parts::decode(path, at),
        Some(b' ' | b',') => {
            let what = "one embedded store is all there can be; write %20 or %2C for a space or a \
                        comma in its directory";
            Err(error(at + path.len(), what))
        }
        Some(_) => {
            let what = "local:// takes no parameters; the settings are sessclust.* in php.ini";
            Err(error(at + path.len(), what))
        }
    }
}

/// Checks a directory that begins at `start` of the save path.
fn check_directory(directory: &[u8], start: usize) -> Result<()> {
    if directory.first() != Some(&b'/') {
        let what = "the directory has to be absolute: local:///directory, with three slashes";
        return Err(error(start, what));
    }
    if directory.len() > DIRECTORY_BYTES_MAX {
        let what = format!("the directory is longer than {DIRECTORY_BYTES_MAX} bytes");
        return Err(error(start, &what));
    }
    if let Some(at) = directory.iter().position(|byte| *byte == 0) {
        return Err(error(start + at, "a directory cannot hold a NUL byte"));
    }
    let mut position = start;
    for part in directory.split(|byte| *byte == b'/') {
        if matches!(part, b"." | b"..") {
            return Err(error(position, "the directory must not have . or .. as components"));
        }
        position += part.len() + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{HOST_BYTES_MAX, SOCKET_BYTES_MAX};

    fn local(text: &str) -> Option<PathBuf> {
        match SavePath::parse(text.as_bytes()).expect(text) {
            SavePath::Local(base) => base,
            SavePath::Pool(nodes) => panic!("{text} is a pool of {nodes:?}"),
        }
    }

    fn pool(text: &str) -> Vec<NodeAddress> {
        match SavePath::parse(text.as_bytes()).expect(text) {
            SavePath::Pool(nodes) => nodes,
            SavePath::Local(base) => panic!("{text} is the embedded store in {base:?}"),
        }
    }

    fn weighted(endpoint: Endpoint, weight: u32) -> NodeAddress {
        NodeAddress::memcached(endpoint, NonZeroU32::new(weight).expect("a weight"))
    }

    fn tcp(host: &str, port: u16, weight: u32) -> NodeAddress {
        weighted(at(host, port), weight)
    }

    fn unix(path: &str, weight: u32) -> NodeAddress {
        weighted(Endpoint::Unix(path.into()), weight)
    }

    fn redis(endpoint: Endpoint, database: u32, is_tls: bool, topology: Topology) -> NodeAddress {
        let redis = Redis { database, is_tls, topology, ..Redis::default() };
        NodeAddress::redis(endpoint, NonZeroU32::MIN, redis)
    }

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.into(), port }
    }

    fn refused(text: &str) -> String {
        let error = SavePath::parse(text.as_bytes()).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    #[test]
    fn empty_is_the_default_store() {
        assert_eq!(local(""), None);
    }

    #[test]
    fn directories_are_taken_plain_and_as_urls() {
        for (text, directory) in [
            ("/var/lib/php/sessions", "/var/lib/php/sessions"),
            ("/with space,comma", "/with space,comma"),
            ("/with?mark:0/x", "/with?mark:0/x"),
            ("/sock", "/sock"),
            ("local:///srv/a", "/srv/a"),
            ("local:///", "/"),
            ("local:///a%20b%2Cc%25", "/a b,c%"),
            ("local:///run/a.sock", "/run/a.sock"),
            ("/a..b/.c/...", "/a..b/.c/..."),
        ] {
            assert_eq!(local(text), Some(PathBuf::from(directory)), "{text}");
        }
    }

    #[test]
    fn nodes_are_taken_as_urls_and_as_php_memcached_has_them() {
        for (text, node) in [
            ("memcached://cache-1.example_net", tcp("cache-1.example_net", 11211, 1)),
            ("memcached://10.0.0.1:65535", tcp("10.0.0.1", 65535, 1)),
            ("memcached://Cache:1?weight=1000000", tcp("Cache", 1, 1_000_000)),
            ("memcached://[::1]", tcp("[::1]", 11211, 1)),
            ("memcached://[FE80::a]:22122?weight=2", tcp("[FE80::a]", 22122, 2)),
            ("memcached+unix:///run/m", unix("/run/m", 1)),
            ("memcached+unix:///a%20b%2Cc%3F%23:@?weight=3", unix("/a b,c?#:@", 3)),
            ("localhost:11211", tcp("localhost", 11211, 1)),
            ("local:11211", tcp("local", 11211, 1)),
            ("cache:22122:5", tcp("cache", 22122, 5)),
            ("[::1]:11211:5", tcp("[::1]", 11211, 5)),
            ("/run/memcached.sock", unix("/run/memcached.sock", 1)),
            ("/run/memcached.socket:0", unix("/run/memcached.socket", 1)),
            ("/run/memcached:0", unix("/run/memcached", 1)),
            ("/run/memcached:0:7", unix("/run/memcached", 7)),
        ] {
            assert_eq!(pool(text), [node], "{text}");
        }
    }

    #[test]
    fn redis_is_taken_as_urls_and_as_phpredis_has_it() {
        let single = |host, port, database, is_tls| {
            redis(at(host, port), database, is_tls, Topology::Single)
        };
        let unix = |path: &str, database| {
            redis(Endpoint::Unix(path.into()), database, false, Topology::Single)
        };
        for (text, node) in [
            ("redis://cache-1", single("cache-1", 6379, 0, false)),
            ("redis://10.0.0.1:1/2147483647", single("10.0.0.1", 1, 2_147_483_647, false)),
            ("redis://a:11211/0", single("a", 11211, 0, false)),
            ("redis://[::1]:6380?database=3&weight=1", single("[::1]", 6380, 3, false)),
            ("rediss://a/07", single("a", 6379, 7, true)),
            ("redis+unix:///run/r@%20b", unix("/run/r@ b", 0)),
            ("redis+unix:///run/r?weight=1&database=5", unix("/run/r", 5)),
            ("tcp://a:6379?weight=1&database=2", single("a", 6379, 2, false)),
            ("tcp://a", single("a", 6379, 0, false)),
            ("tls://a:6380", single("a", 6380, 0, true)),
            ("ssl://a:6380", single("a", 6380, 0, true)),
            ("unix:///run/r.sock?database=1", unix("/run/r.sock", 1)),
        ] {
            assert_eq!(pool(text), [node], "{text}");
        }
        assert_eq!(pool("redis://a?weight=7,redis://b")[0].weight.get(), 7);
    }

    #[test]
    fn sentinels_of_one_name_are_one_node() {
        let sentinel = |endpoint, name: &str, others: &[Endpoint]| {
            let topology = Topology::Sentinel { name: name.into(), others: others.into() };
            redis(endpoint, 0, false, topology)
        };
        let text = "redis+sentinel://a/one redis+sentinel://a:1/two, redis+sentinel://b:2/one, \
                    redis+sentinel://[::1]/one";
        let one = sentinel(at("a", 26379), "one", &[at("b", 2), at("[::1]", 26379)]);
        let two = sentinel(at("a", 1), "two", &[]);
        assert_eq!(pool(text), [one.clone(), two]);
        assert_eq!(one.sentinel_name(), Some("one"));
        // Names are told apart by the case of letters, as Sentinel does; a sentinel may know two.
        assert_eq!(pool("redis+sentinel://a/one redis+sentinel://a/ONE").len(), 2);

        let node = &pool("rediss+sentinel://a/my.primary-1_x/3?weight=2")[0];
        let described = node.as_redis().expect("a Redis");
        assert_eq!((described.database, described.is_tls, node.weight.get()), (3, true, 2));
        assert_eq!(node.sentinel_name(), Some("my.primary-1_x"));
    }

    #[test]
    fn entries_of_a_cluster_are_one_node() {
        let topology = Topology::Cluster { others: vec![at("b", 7000), at("[::1]", 6379)] };
        let text = "rediss+cluster://a,rediss+cluster://b:7000,rediss+cluster://[::1]";
        assert_eq!(pool(text), [redis(at("a", 6379), 0, true, topology)]);
        let ends: Vec<String> = pool(text)[0].endpoints().map(Endpoint::to_string).collect();
        assert_eq!(ends, ["a:6379", "b:7000", "[::1]:6379"]);
    }

    #[test]
    fn lists_keep_their_order() {
        let expected = [tcp("b", 1, 1), unix("/a.sock", 1), tcp("a", 11211, 2)];
        for separator in [",", " ", ", ", " ,", "  ,   "] {
            let text = ["b:1", "/a.sock:0", "memcached://a?weight=2"].join(separator);
            assert_eq!(pool(&text), expected, "{text}");
            assert_eq!(pool(&format!(" {text} ")), expected, "spaces around {text}");
        }
        // One name with two ports is two nodes.
        assert_eq!(pool("a:1,a:2"), [tcp("a", 1, 1), tcp("a", 2, 1)]);
    }

    #[test]
    fn errors_name_the_position() {
        for (text, position) in [
            ("local://srv", 8),
            ("local://", 8),
            ("local:///a b", 10),
            ("local:///a,local:///b", 10),
            ("local:///a?x=1", 10),
            ("local:///a%", 10),
            ("local:///a%+1", 10),
            ("local:///a%zz", 10),
            ("local:///a%00", 10),
            ("local:///a\0", 10),
            ("/ab\0", 3),
            ("local:///a/../b", 11),
            ("/a/./b", 3),
            ("/a,memcached://b", 0),
            ("relative/dir", 0),
            ("local:/one/slash", 6),
            ("local:", 6),
            (" /a", 1),
            ("a:1, /var/lib", 5),
            ("a:1,local:///b", 4),
            ("memcached://a redis://b", 14),
            ("redis://a redis://b b:1", 20),
            ("redis://", 8),
            ("redis://a:0", 9),
            ("tcp://a:11211?weight=1", 6),
            ("redis://a/", 10),
            ("redis://a/x", 10),
            ("redis://a/-1", 10),
            ("redis://a/2147483648", 10),
            ("redis://a/1/", 10),
            ("redis:///run/redis.sock", 8),
            ("redis://a/1?database=1", 9),
            ("redis://a?database=1&database=1", 21),
            ("redis://a?database=", 19),
            ("redis://a?weight=0", 17),
            ("redis://a?weight=1&timeout=2", 19),
            ("redis://:p@a", 8),
            ("redis://a?auth=p", 10),
            ("tcp://a?weight=1&auth[]=p", 17),
            ("redis://a,redis://A:6379/1", 10),
            ("tcp://a,redis://a", 8),
            ("redis+unix://run/r", 13),
            ("redis+unix://:p@/run/r", 13),
            ("redis+unix:///r/0?database=x", 27),
            ("redis+unix:///r,unix:///r?database=1", 16),
            ("redis+sentinel://a", 18),
            ("redis+sentinel://a:1,b:2,c:3/name", 20),
            ("redis+sentinel://a/", 19),
            ("redis+sentinel://a/n%41", 20),
            ("redis+sentinel://a/n/x", 21),
            ("redis+sentinel://:0/n", 17),
            ("redis+sentinel://a/n redis+sentinel://A/n", 21),
            ("redis+sentinel://a/n redis+sentinel://b/n/1", 21),
            ("redis+sentinel://a/n redis+sentinel://b/n?weight=2", 21),
            ("redis+sentinel://a/n rediss+sentinel://b/n", 21),
            ("redis+cluster://a/1", 17),
            ("redis+cluster://a?weight=1", 17),
            ("redis+cluster://a,redis+cluster://a", 18),
            ("redis+cluster://a,rediss+cluster://b", 18),
            ("redis+cluster://a,redis://b", 18),
            ("redis://a,redis+cluster://b", 10),
            ("redis+cluster://a,b:6379", 18),
            ("seed[]=a:7000&auth=p", 0),
            ("REDIS://a", 0),
            (",", 0),
            (" ", 1),
            (",a:1", 0),
            ("a:1,", 4),
            ("a:1, ,b:1", 5),
            ("a:1,b", 4),
            ("memcached://", 12),
            ("memcached://:1", 12),
            ("memcached://a/", 13),
            ("memcached://a/0?weight=1", 13),
            ("memcached://a:", 13),
            ("memcached://a:0", 13),
            ("memcached://a:65536", 13),
            ("memcached://a:+1", 13),
            ("memcached://a:1:5", 13),
            ("memcached://u:p@a", 12),
            ("memcached://a\0b", 13),
            ("memcached://\u{e4}", 12),
            ("memcached://::1", 12),
            ("memcached://fe80:0:0:0:0:0:0:1", 12),
            ("memcached://[::1", 12),
            ("memcached://[]", 12),
            ("memcached://[1.2.3.4]:1", 12),
            ("memcached://[::1]1", 17),
            ("memcached://a?weight=0", 21),
            ("memcached://a?weight=1000001", 21),
            ("memcached://a?weight=", 21),
            ("memcached://a?weight=+1", 21),
            ("memcached://a?weight=99999999999999999999", 21),
            ("memcached://a?weight=1&weight=1", 23),
            ("memcached://a?weight=1&", 23),
            ("memcached://a?", 14),
            ("memcached://a?Weight=1", 14),
            ("memcached://a,memcached://b?timeout=1", 28),
            ("memcached+unix://run/m", 17),
            ("memcached+unix://", 17),
            ("memcached+unix:///a%0", 19),
            ("memcached+unix:///a%00", 19),
            ("memcached+unix:///a#", 19),
            ("memcached+unix:///a?weight=x", 27),
            ("a:1:0", 4),
            ("a:1:", 4),
            ("a:1:x", 4),
            ("a::1", 0),
            ("a:1:1:1", 0),
            ("a:x", 1),
            ("a:1?weight=2", 3),
            ("[::1]", 5),
            ("/a.sock:11211", 7),
            ("/a:0:0", 5),
            ("/a.sock?weight=2", 7),
            ("u:p@a:1", 0),
            ("a:1,A:1", 4),
            ("memcached://a b:1 a:11211:3", 18),
            ("/a.sock,memcached+unix:///a%2Esock", 8),
            ("PERSISTENT=x a:1", 0),
            ("--SERVER=a:1", 0),
            ("2;0600;/tmp", 0),
            ("http://x", 0),
        ] {
            let expected = format!("session.save_path, position {position}: ");
            assert!(refused(text).starts_with(&expected), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn save_paths_of_other_handlers_are_told_apart() {
        assert!(refused("2;0600;/tmp").contains("depth and mode"));
        assert!(refused("PERSISTENT=app 10.0.0.1:11211").contains("leave it out"));
        assert!(refused("--SERVER=10.0.0.1:11211").contains("options of libmemcached"));
        assert!(refused("tcp://a:11211?persistent=1").contains("is written memcached://host:port"));
        assert!(refused("tcp://a:6379?timeout=2.5").contains("sessclust.connect_timeout"));
        assert!(refused("redis://a?weight").contains("has to be in quotes"));
        assert!(refused("tcp://a:6379?prefix=x").contains("keys have a prefix of their own"));
        assert!(refused("tls://a:1?stream[verify_peer]=0").contains("sessclust.tls_ca"));
        assert!(refused("seed[]=a:1&seed[]=b:1").contains("write redis+cluster://host:port"));
        assert!(refused("http://x").contains("unknown scheme"));
    }

    #[test]
    fn no_password_is_shown() {
        for text in [
            "tcp://10.0.0.1:6379?auth=hunter2",
            "tcp://10.0.0.1:6379?auth[]=shop&auth[]=hunter2",
            "unix:///run/redis.sock?weight=1&auth[user]=shop&auth[pass]=hunter2",
            "redis://shop:hunter2@10.0.0.1:6379/0",
            "rediss://:hunter2@10.0.0.1",
            "redis+unix://:hunter2@/run/redis.sock",
            "redis+unix:///run/redis.sock?password=hunter2",
            "redis+sentinel://:hunter2@a/name",
            "redis+cluster://a redis+cluster://shop:hunter2@b",
        ] {
            let refused = refused(text);
            assert!(!refused.contains("hunter2"), "{refused}");
            assert!(refused.contains("sessclust.credentials"));
        }
        for text in [
            "redis://a/hunter2",
            "redis://a?hunter2=1",
            "redis://a?weight=hunter2",
            "redis+sentinel://a/hunter2!",
            "seed[]=a:1&auth=hunter2",
            "memcached://shop:hunter2@10.0.0.1",
            "memcached://a?hunter2",
            "memcached://a?auth=hunter2",
            "memcached://a?hunter2=1",
            "memcached+unix://shop:hunter2@/run/m",
            "shop:hunter2@a:11211",
            "a:hunter2",
            "hunter2",
            "hunter2://a",
        ] {
            assert!(!refused(text).contains("hunter2"), "{text}: {}", refused(text));
        }
        assert!(refused("memcached://a?auth=x").contains("not supported for memcached"));
        assert!(refused("memcached://a?other=x").contains("unknown parameter other:"));
    }

    #[test]
    fn lengths_and_counts_have_limits() {
        let directory = |bytes| format!("/{}", "x".repeat(bytes - 1));
        local(&directory(DIRECTORY_BYTES_MAX));
        assert!(refused(&directory(DIRECTORY_BYTES_MAX + 1)).contains("longer than 4015 bytes"));

        let socket = |bytes| format!("memcached+unix://{}", directory(bytes));
        pool(&socket(SOCKET_BYTES_MAX));
        assert!(refused(&socket(SOCKET_BYTES_MAX + 1)).contains("at most 107 bytes"));

        let host = |bytes| format!("memcached://{}", "x".repeat(bytes));
        pool(&host(HOST_BYTES_MAX));
        assert!(refused(&host(HOST_BYTES_MAX + 1)).contains("1 to 255"));

        let nodes = |count| (1..=count).map(|port| format!("a:{port}")).collect::<Vec<_>>();
        assert_eq!(pool(&nodes(NODES_MAX).join(",")).len(), NODES_MAX);
        assert!(refused(&nodes(NODES_MAX + 1).join(" ")).contains("at most 100 entries"));
    }

    #[test]
    fn a_node_is_shown_as_a_save_path_has_it() {
        for text in ["Cache-1:11211", "[::1]:1", "/run/m.sock"] {
            assert_eq!(pool(text)[0].to_string(), text);
        }
        for (text, shown) in [
            ("rediss://a/1?weight=2", "a:6379"),
            ("redis+unix:///run/r", "/run/r"),
            ("redis+sentinel://a/one", "one@a:26379"),
            ("redis+sentinel://a/one,redis+sentinel://b:1/one", "one@a:26379,b:1"),
            ("redis+cluster://a,redis+cluster://b:1", "a:6379,b:1"),
        ] {
            assert_eq!(pool(text)[0].to_string(), shown);
        }
        assert_eq!(pool("memcached+unix:///a%0Ab%ff")[0].to_string(), "/a\\nb\\xff");
    }
}
