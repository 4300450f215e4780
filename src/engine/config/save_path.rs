//! The grammar of `session.save_path`.
//!
//! ```text
//! save path = ""                      the embedded store in /var/tmp/sessclust-u<uid>
//!           | directory               the embedded store in <directory>/u<uid>, taken as it stands
//!           | "local://" directory    the same as a URL: %HH stands for a byte
//!           | node { separator node } a pool of 1 to 100 memcached nodes, none of them twice
//! directory = an absolute path without "." and ".." as components
//! separator = a comma, spaces, or a comma with spaces around it
//! node      = "memcached://" host [ ":" port ] [ "?weight=" weight ]    without a port: 11211
//!           | "memcached+unix://" socket [ "?weight=" weight ]          %HH stands for a byte
//!           | host ":" port [ ":" weight ]                              as php-memcached has it
//!           | socket ":0" [ ":" weight ]                                likewise
//!           | socket                                                    named *.sock or *.socket
//! host      = a name of letters, digits, ".", "-", "_"; an IPv4 address; an IPv6 address in [ ]
//! port      = 1 to 65535
//! socket    = an absolute path; one that is not in a URL is without ":", "?", comma and space
//! weight    = 1 to 1000000, the node's share of the sessions relative to the others; 1 if not said
//! ```
//!
//! A text that begins with "/" is a pool if its first entry is a socket, and a directory otherwise.
//!
//! Errors name the position, counted in bytes from 0 (behind a %HH, of the decoded text), and say
//! how to write what was probably meant. Of the text they show no more than schemes and names of
//! parameters, for people put passwords into save paths.

use super::redis::Service;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{
    DIRECTORY_BYTES_MAX, HOST_BYTES_MAX, NODE_WEIGHT_MAX, NODES_MAX, SHOWN_BYTES_MAX,
    SOCKET_BYTES_MAX,
};
use std::ffi::OsString;
use std::fmt;
use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A parsed save path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavePath {
    /// The embedded store: the directory in which each user has one; none for the default.
    Local(Option<PathBuf>),
    /// A pool of memcached nodes, at least one, in the order of the save path.
    Pool(Vec<NodeAddress>),
}

/// A node as a save path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// Where it listens.
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

/// For messages, as [`Endpoint`]; the weight is not shown.
impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

/// The port of a `memcached://` URL that names none.
const DEFAULT_PORT: u16 = 11211;

/// How the URL of an embedded store begins.
const LOCAL: &[u8] = b"local://";

/// Schemes that name servers of kinds that this version does not have, or name none of ours.
const OTHER_SCHEMES: [&[u8]; 9] = [
    b"redis",
    b"rediss",
    b"redis+unix",
    b"redis+sentinel",
    b"redis+cluster",
    b"tcp",
    b"tls",
    b"ssl",
    b"unix",
];

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
    let mut nodes: Vec<NodeAddress> = Vec::new();
    let mut start = 0;
    for part in text.split(|byte| *byte == b',') {
        let mut position = start;
        start += part.len() + 1;
        if part.iter().all(|byte| *byte == b' ') {
            return Err(error(start - 1, "a node is missing here"));
        }
        for entry in part.split(|byte| *byte == b' ') {
            if !entry.is_empty() {
                let node = parse_node(entry, position)?;
                if nodes.iter().any(|other| other.endpoint.is_same(&node.endpoint)) {
                    return Err(error(position, "this node is in the list twice"));
                }
                if nodes.len() == NODES_MAX {
                    let what = format!("a pool has at most {NODES_MAX} nodes");
                    return Err(error(position, &what));
                }
                nodes.push(node);
            }
            position += entry.len() + 1;
        }
    }
    Ok(nodes)
}

/// Parses one entry of a list; `at` is its position in the save path.
fn parse_node(text: &[u8], at: usize) -> Result<NodeAddress> {
    if text.starts_with(b"PERSISTENT=") {
        let what = "PERSISTENT= of php-memcached is not used, for connections are always kept: \
                    leave it out";
        return Err(error(at, what));
    }
    if text.starts_with(b"--") && text.contains(&b'=') {
        let what = "options of libmemcached (--SERVER=) are not used: write memcached://host:port";
        return Err(error(at, what));
    }
    let Some(end) = find(text, b"://") else { return parse_plain(text, at) };
    let (scheme, start) = (&text[..end], end + 3);
    match scheme {
        b"memcached" => parse_tcp_url(&text[start..], at + start),
        b"memcached+unix" => parse_unix_url(&text[start..], at + start),
        b"local" => Err(error(at, "the embedded store (local://) cannot be in a list of nodes")),
        _ => Err(other_scheme(scheme, at)),
    }
}

fn other_scheme(scheme: &[u8], at: usize) -> Error {
    let scheme = scheme.to_ascii_lowercase();
    let what = match OTHER_SCHEMES.contains(&scheme.as_slice()) {
        true => {
            let scheme = String::from_utf8_lossy(&scheme);
            format!("servers ({scheme}://) are not supported by this version")
        }
        false => "unknown scheme".into(),
    };
    let how = "write memcached://host:port, memcached+unix:///socket or local:///directory, or \
               leave it empty";
    error(at, &format!("{what}: {how}"))
}

/// Parses what follows `memcached://`.
fn parse_tcp_url(text: &[u8], at: usize) -> Result<NodeAddress> {
    refuse_user(text, at)?;
    let (authority, weight) = split_weight(text, at)?;
    if let Some(slash) = authority.iter().position(|byte| *byte == b'/') {
        let what = "a node has no path; a socket is written memcached+unix:///socket";
        return Err(error(at + slash, what));
    }
    let (host, rest) = split_host(authority, at)?;
    let port = match rest {
        b"" => DEFAULT_PORT,
        _ => parse_port(rest, at + host.len())?,
    };
    Ok(NodeAddress::memcached(Endpoint::Tcp { host, port }, weight))
}

/// Parses what follows `memcached+unix://`.
fn parse_unix_url(text: &[u8], at: usize) -> Result<NodeAddress> {
    let (path, weight) = split_weight(text, at)?;
    if let Some(hash) = path.iter().position(|byte| *byte == b'#') {
        return Err(error(at + hash, "write %23 for a # in a path"));
    }
    let endpoint = socket(decode(path, at)?, at)?;
    Ok(NodeAddress::memcached(endpoint, weight))
}

/// Parses an entry that is no URL.
fn parse_plain(text: &[u8], at: usize) -> Result<NodeAddress> {
    if text.starts_with(b"local:/") || text == b"local:" {
        let what = "two slashes and an absolute directory are missing: write local:///directory";
        return Err(error(at + 6, what));
    }
    if split_before(text, |byte| !byte.is_ascii_digit()).1.starts_with(b";") {
        let what = "the depth and mode of the files handler (\"N;MODE;/directory\") are not used: \
                    write local:///directory";
        return Err(error(at, what));
    }
    if text.starts_with(b"/") && !is_socket(text) {
        let what = "a directory cannot be in a list of nodes, nor behind spaces; a socket is \
                    written memcached+unix:///socket";
        return Err(error(at, what));
    }
    refuse_user(text, at)?;
    if let Some(mark) = text.iter().position(|byte| *byte == b'?') {
        let what = "parameters need a URL: memcached://host:port?weight=N or \
                    memcached+unix:///socket?weight=N";
        return Err(error(at + mark, what));
    }
    if text.starts_with(b"/") {
        let (path, rest) = split_before(text, |byte| byte == b':');
        let weight = match (rest, rest.strip_prefix(b":0:")) {
            (b"" | b":0", _) => NonZeroU32::MIN,
            (_, Some(weight)) => parse_weight(weight, at + text.len() - weight.len())?,
            _ => return Err(error(at + path.len(), "the port of a socket is 0, or left out")),
        };
        return Ok(NodeAddress::memcached(socket(path.to_vec(), at)?, weight));
    }
    if !text.contains(&b':') {
        let what = match text.contains(&b'/') {
            true => {
                "a relative directory would depend on where PHP was started: write \
                 local:///directory with an absolute one"
            }
            false => {
                "this is no node and no directory: write host:port, memcached://host or \
                 local:///directory"
            }
        };
        return Err(error(at, what));
    }
    let (host, rest) = split_host(text, at)?;
    let port_at = at + host.len();
    let (port, weight) = match rest.iter().skip(1).position(|byte| *byte == b':') {
        Some(colon) => {
            let (port, weight) = rest.split_at(colon + 1);
            (port, parse_weight(&weight[1..], port_at + colon + 2)?)
        }
        None => (rest, NonZeroU32::MIN),
    };
    let port = parse_port(port, port_at)?;
    Ok(NodeAddress::memcached(Endpoint::Tcp { host, port }, weight))
}

fn refuse_user(text: &[u8], at: usize) -> Result<()> {
    match text.contains(&b'@') {
        false => Ok(()),
        true => {
            let what = "user and password are not supported by this version; nor do they belong \
                        here, for PHP shows the save path in its warnings";
            Err(error(at, what))
        }
    }
}

/// Splits the parameters from a URL, of which `weight` is the only one.
fn split_weight(text: &[u8], at: usize) -> Result<(&[u8], NonZeroU32)> {
    let (before, query) = split_before(text, |byte| byte == b'?');
    let mut weight = None;
    let mut position = at + before.len() + 1;
    if let Some(query) = query.strip_prefix(b"?") {
        for parameter in query.split(|byte| *byte == b'&') {
            const NAME: &[u8] = b"weight=";
            let number = parameter
                .strip_prefix(NAME)
                .ok_or_else(|| unknown_parameter(parameter, position))?;
            if weight.is_some() {
                return Err(error(position, "the weight is given twice"));
            }
            weight = Some(parse_weight(number, position + NAME.len())?);
            position += parameter.len() + 1;
        }
    }
    Ok((before, weight.unwrap_or(NonZeroU32::MIN)))
}

/// Names a parameter if what stands before its `=` is surely a name, and no piece of a password.
fn unknown_parameter(text: &[u8], position: usize) -> Error {
    let (name, rest) = split_before(text, |byte| !byte.is_ascii_lowercase() && byte != b'_');
    let name = match rest.starts_with(b"=") && name.len() <= SHOWN_BYTES_MAX {
        true => format!(" {}", String::from_utf8_lossy(name)),
        false => String::new(),
    };
    let what = format!("unknown parameter{name}: a node takes ?weight=N and no other");
    error(position, &what)
}

/// Splits the host, checked, from the port behind it.
fn split_host(text: &[u8], at: usize) -> Result<(String, &[u8])> {
    if text.starts_with(b"[") {
        let end = text.iter().position(|byte| *byte == b']').map_or(text.len(), |end| end + 1);
        let (host, rest) = text.split_at(end);
        let host = String::from_utf8_lossy(host);
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']')?.parse::<Ipv6Addr>().ok())
            .ok_or_else(|| error(at, "there is no IPv6 address in the brackets"))?;
        return Ok((host.into_owned(), rest));
    }
    if find(text, b"::").is_some() || text.iter().filter(|byte| **byte == b':').count() > 2 {
        return Err(error(at, "an IPv6 address is written in brackets: [::1]:11211"));
    }
    let (host, rest) = split_before(text, |byte| byte == b':');
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    if let Some(bad) = host.iter().position(|byte| !is_name(byte)) {
        let what = "a host has letters, digits, ., - and _ only: write memcached://host:port";
        return Err(error(at + bad, what));
    }
    if !(1..=HOST_BYTES_MAX).contains(&host.len()) {
        let what = format!("the host has to have 1 to {HOST_BYTES_MAX} characters");
        return Err(error(at, &what));
    }
    Ok((String::from_utf8_lossy(host).into_owned(), rest))
}

/// A number from 1 to `max`, digits only.
fn parse_number(text: &[u8], max: u32) -> Option<NonZeroU32> {
    let digits = std::str::from_utf8(text).ok()?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)?;
    number.parse().ok().filter(|number: &NonZeroU32| number.get() <= max)
}

/// Parses a port with the colon before it, which is at `at`.
fn parse_port(text: &[u8], at: usize) -> Result<u16> {
    text.strip_prefix(b":")
        .and_then(|port| parse_number(port, u16::MAX.into()))
        .and_then(|port| u16::try_from(port.get()).ok())
        .ok_or_else(|| error(at, "behind the host comes a colon and a port from 1 to 65535"))
}

fn parse_weight(text: &[u8], at: usize) -> Result<NonZeroU32> {
    parse_number(text, NODE_WEIGHT_MAX).ok_or_else(|| {
        let what = format!("the weight has to be a number from 1 to {NODE_WEIGHT_MAX}");
        error(at, &what)
    })
}

/// Checks the path of a socket that begins at `at`.
fn socket(path: Vec<u8>, at: usize) -> Result<Endpoint> {
    if path.first() != Some(&b'/') {
        let what = "the path has to be absolute: memcached+unix:///socket, with three slashes";
        return Err(error(at, what));
    }
    if path.len() > SOCKET_BYTES_MAX {
        let what = format!("the path of a socket has at most {SOCKET_BYTES_MAX} bytes");
        return Err(error(at, &what));
    }
    if let Some(nul) = path.iter().position(|byte| *byte == 0) {
        return Err(error(at + nul, "a path cannot hold a NUL byte"));
    }
    Ok(Endpoint::Unix(PathBuf::from(OsString::from_vec(path))))
}

/// Decodes what follows `local://`.
fn decode_local(text: &[u8], at: usize) -> Result<Vec<u8>> {
    let (path, rest) = split_before(text, |byte| matches!(byte, b' ' | b',' | b'?' | b'#'));
    match rest.first() {
        None => decode(path, at),
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

/// Decodes the path of a URL, in which %HH stands for a byte; `at` is its position.
fn decode(text: &[u8], at: usize) -> Result<Vec<u8>> {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text.iter().enumerate();
    while let Some((index, byte)) = rest.next() {
        path.push(match byte {
            b'%' => {
                rest.nth(1);
                let hex = text.get(index + 1..index + 3);
                hex.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
                    .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok())
                    .ok_or_else(|| {
                        error(at + index, "% begins no byte; write %25 for a % itself")
                    })?
            }
            byte => *byte,
        });
    }
    Ok(path)
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
        weighted(Endpoint::Tcp { host: host.into(), port }, weight)
    }

    fn unix(path: &str, weight: u32) -> NodeAddress {
        weighted(Endpoint::Unix(path.into()), weight)
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
        assert!(
            refused("REDIS://a").contains("servers (redis://) are not supported by this version")
        );
        assert!(refused("tcp://a:1").contains("servers (tcp://) are not supported"));
        assert!(refused("http://x").contains("unknown scheme"));
    }

    #[test]
    fn no_password_is_shown() {
        for text in [
            "tcp://10.0.0.1:6379?auth=hunter2",
            "redis://shop:hunter2@10.0.0.1:6379/0",
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
        assert!(refused("memcached://a?auth=hunter2").contains("unknown parameter auth:"));
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
        assert!(refused(&nodes(NODES_MAX + 1).join(" ")).contains("at most 100 nodes"));
    }

    #[test]
    fn a_node_is_shown_as_a_save_path_has_it() {
        for text in ["Cache-1:11211", "[::1]:1", "/run/m.sock"] {
            assert_eq!(pool(text)[0].to_string(), text);
        }
        assert_eq!(pool("memcached+unix:///a%0Ab%ff")[0].to_string(), "/a\\nb\\xff");
    }
}
