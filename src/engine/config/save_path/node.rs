//! One entry of a list.

use super::{Endpoint, NodeAddress, error, find, is_socket, parts, split_before};
use crate::config::redis::{Redis, Topology};
use crate::error::{Error, Result};
use crate::limits::SHOWN_BYTES_MAX;
use std::num::NonZeroU32;

/// The port of a memcached where none is named.
const MEMCACHED_PORT: u16 = 11211;

/// The port of a Redis where none is named.
pub const REDIS_PORT: u16 = 6379;

/// The port of a sentinel where none is named.
pub const SENTINEL_PORT: u16 = 26379;

/// Parameters of phpredis and pecl-memcache that have no place here, and why.
const OTHER_PARAMETERS: [(&[u8], &str); 7] = [
    (b"timeout", "how long connecting may take is set by sessclust.connect_timeout"),
    (b"read_timeout", "how long an answer may take is set by sessclust.request_timeout"),
    (b"retry_interval", "the time between two tries is set by sessclust.probe_interval"),
    (b"persistent", "connections are always kept"),
    (b"persistent_id", "connections are always kept"),
    (b"prefix", "keys have a prefix of their own"),
    (b"stream", "certificates are set by sessclust.tls_ca, tls_certificate and tls_key"),
];

/// Parameters by which phpredis is given user and password.
const LOGIN_PARAMETERS: [&[u8]; 5] = [b"auth", b"user", b"username", b"pass", b"password"];

/// Parses one entry of a list; `at` is its position in the save path.
pub(super) fn parse(text: &[u8], at: usize) -> Result<NodeAddress> {
    if text.starts_with(b"PERSISTENT=") {
        let what = "PERSISTENT= of php-memcached is not used, for connections are always kept: \
                    leave it out";
        return Err(error(at, what));
    }
    if text.starts_with(b"--") && text.contains(&b'=') {
        let what = "options of libmemcached (--SERVER=) are not used: write memcached://host:port";
        return Err(error(at, what));
    }
    if text.starts_with(b"seed[") {
        let what = "the list of phpredis for a cluster (seed[]=) is not used: write \
                    redis+cluster://host:port, redis+cluster://host:port";
        return Err(error(at, what));
    }
    let Some(end) = find(text, b"://") else { return plain(text, at) };
    let (scheme, rest) = (&text[..end], &text[end + 3..]);
    let start = at + end + 3;
    match scheme {
        b"memcached" => memcached_url(rest, start),
        b"memcached+unix" => {
            let (endpoint, parameters) = unix_url(rest, start, false)?;
            Ok(NodeAddress::memcached(endpoint, parameters.weight()))
        }
        // That is pecl-memcache's.
        b"tcp" if split_before(rest, |byte| b"/?".contains(&byte)).0.ends_with(b":11211") => {
            let what = "this is the port of a memcached, which is written memcached://host:port";
            Err(error(start, what))
        }
        b"redis" | b"tcp" => redis_url(rest, start, false),
        b"rediss" | b"tls" | b"ssl" => redis_url(rest, start, true),
        b"redis+unix" | b"unix" => {
            let (endpoint, parameters) = unix_url(rest, start, true)?;
            let database = parameters.database.unwrap_or(0);
            let redis = Redis { database, ..Redis::default() };
            Ok(NodeAddress::redis(endpoint, parameters.weight(), redis))
        }
        b"redis+sentinel" => sentinel_url(rest, start, false),
        b"rediss+sentinel" => sentinel_url(rest, start, true),
        b"redis+cluster" => cluster_url(rest, start, false),
        b"rediss+cluster" => cluster_url(rest, start, true),
        b"local" => Err(error(at, "the embedded store (local://) cannot be in a list of nodes")),
        _ => {
            let what = "unknown scheme: write memcached://host:port, redis://host:port or \
                        local:///directory, or leave it empty";
            Err(error(at, what))
        }
    }
}

/// Parses what follows `memcached://`.
fn memcached_url(text: &[u8], at: usize) -> Result<NodeAddress> {
    let (authority, path, parameters) = split_url(text, at, false)?;
    if !path.is_empty() {
        let what = "a node has no path; a socket is written memcached+unix:///socket";
        return Err(error(at + authority.len(), what));
    }
    let endpoint = endpoint(authority, MEMCACHED_PORT, at)?;
    Ok(NodeAddress::memcached(endpoint, parameters.weight()))
}

/// Parses what follows `redis://` and the like.
fn redis_url(text: &[u8], at: usize, is_tls: bool) -> Result<NodeAddress> {
    let (authority, path, parameters) = split_url(text, at, true)?;
    if authority.is_empty() && !path.is_empty() {
        return Err(error(at, "the host is missing; a socket is written redis+unix:///socket"));
    }
    let database = parameters.database(path, at + authority.len())?;
    let endpoint = endpoint(authority, REDIS_PORT, at)?;
    let redis = Redis { database, is_tls, ..Redis::default() };
    Ok(NodeAddress::redis(endpoint, parameters.weight(), redis))
}

/// Parses what follows `redis+sentinel://` and the like.
fn sentinel_url(text: &[u8], at: usize, is_tls: bool) -> Result<NodeAddress> {
    let (authority, path, parameters) = split_url(text, at, true)?;
    let name_at = at + authority.len() + 1;
    let Some(path) = path.strip_prefix(b"/") else {
        let what = "the name that the sentinels know is missing: write each of them as \
                    redis+sentinel://host:port/name";
        return Err(error(at + authority.len(), what));
    };
    let (name, path) = split_before(path, |byte| byte == b'/');
    let name_text = parts::name(name, "name", name_at)?;
    let database = parameters.database(path, name_at + name.len())?;
    let endpoint = endpoint(authority, SENTINEL_PORT, at)?;
    let topology = Topology::Sentinel { name: name_text, others: Vec::new() };
    let redis = Redis { database, is_tls, topology, ..Redis::default() };
    Ok(NodeAddress::redis(endpoint, parameters.weight(), redis))
}

/// Parses what follows `redis+cluster://` and the like.
fn cluster_url(text: &[u8], at: usize, is_tls: bool) -> Result<NodeAddress> {
    let (authority, path, parameters) = split_url(text, at, true)?;
    if !path.is_empty() || parameters != Parameters::default() {
        let what = "a cluster has one database, and is the only node of its pool: leave out what \
                    is behind the port";
        return Err(error(at + authority.len(), what));
    }
    let endpoint = endpoint(authority, REDIS_PORT, at)?;
    let topology = Topology::Cluster { others: Vec::new() };
    let redis = Redis { is_tls, topology, ..Redis::default() };
    Ok(NodeAddress::redis(endpoint, NonZeroU32::MIN, redis))
}

/// Parses what follows `memcached+unix://` and the like.
fn unix_url(text: &[u8], at: usize, is_redis: bool) -> Result<(Endpoint, Parameters)> {
    let (path, parameters) = split_parameters(text, at, is_redis)?;
    if !path.starts_with(b"/") {
        refuse_user(path, at, is_redis)?;
    }
    if let Some(hash) = path.iter().position(|byte| *byte == b'#') {
        return Err(error(at + hash, "write %23 for a # in a path"));
    }
    Ok((parts::socket(parts::decode(path, at)?, at)?, parameters))
}

/// Splits a URL without its scheme into host and port, the path, with its slash, and parameters.
fn split_url(text: &[u8], at: usize, is_redis: bool) -> Result<(&[u8], &[u8], Parameters)> {
    refuse_user(text, at, is_redis)?;
    let (before, parameters) = split_parameters(text, at, is_redis)?;
    let (authority, path) = split_before(before, |byte| byte == b'/');
    Ok((authority, path, parameters))
}

/// Parses host and port.
fn endpoint(text: &[u8], default_port: u16, at: usize) -> Result<Endpoint> {
    let (host, rest) = parts::host(text, at)?;
    let port = match rest {
        b"" => default_port,
        _ => parts::port(rest, at + host.len())?,
    };
    Ok(Endpoint::Tcp { host, port })
}

/// Parses an entry that is no URL.
fn plain(text: &[u8], at: usize) -> Result<NodeAddress> {
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
    refuse_user(text, at, false)?;
    if let Some(mark) = text.iter().position(|byte| *byte == b'?') {
        let what = "parameters need a URL: memcached://host:port?weight=N or \
                    memcached+unix:///socket?weight=N";
        return Err(error(at + mark, what));
    }
    if text.starts_with(b"/") {
        let (path, rest) = split_before(text, |byte| byte == b':');
        let weight = match (rest, rest.strip_prefix(b":0:")) {
            (b"" | b":0", _) => NonZeroU32::MIN,
            (_, Some(weight)) => parts::weight(weight, at + text.len() - weight.len())?,
            _ => return Err(error(at + path.len(), "the port of a socket is 0, or left out")),
        };
        return Ok(NodeAddress::memcached(parts::socket(path.to_vec(), at)?, weight));
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
    let (host, rest) = parts::host(text, at)?;
    let port_at = at + host.len();
    let (port, weight) = match rest.iter().skip(1).position(|byte| *byte == b':') {
        Some(colon) => {
            let (port, weight) = rest.split_at(colon + 1);
            (port, parts::weight(&weight[1..], port_at + colon + 2)?)
        }
        None => (rest, NonZeroU32::MIN),
    };
    let port = parts::port(port, port_at)?;
    Ok(NodeAddress::memcached(Endpoint::Tcp { host, port }, weight))
}

fn refuse_user(text: &[u8], at: usize, is_redis: bool) -> Result<()> {
    match text.contains(&b'@') {
        false => Ok(()),
        true => Err(no_login(at, is_redis)),
    }
}

fn no_login(at: usize, is_redis: bool) -> Error {
    let what = match is_redis {
        true => {
            "user and password do not belong here, for PHP shows the save path in its warnings: \
             put them into the file that sessclust.credentials names"
        }
        false => {
            "user and password are not supported for memcached; nor do they belong here, for PHP \
             shows the save path in its warnings"
        }
    };
    error(at, what)
}

/// What stands behind the `?` of a URL.
#[derive(Default, PartialEq, Eq)]
struct Parameters {
    weight: Option<NonZeroU32>,
    database: Option<u32>,
}

impl Parameters {
    fn weight(&self) -> NonZeroU32 {
        self.weight.unwrap_or(NonZeroU32::MIN)
    }

    /// The database that they, or the path at `at`, name.
    fn database(&self, path: &[u8], at: usize) -> Result<u32> {
        match (path.strip_prefix(b"/"), self.database) {
            (None, database) => Ok(database.unwrap_or(0)),
            (Some(_), Some(_)) => Err(error(at, "the database is given twice")),
            (Some(number), None) => parts::database(number, at + 1),
        }
    }
}

/// Splits the parameters from a URL.
fn split_parameters(text: &[u8], at: usize, is_redis: bool) -> Result<(&[u8], Parameters)> {
    let (before, query) = split_before(text, |byte| byte == b'?');
    let mut parameters = Parameters::default();
    let mut position = at + before.len() + 1;
    if let Some(query) = query.strip_prefix(b"?") {
        for parameter in query.split(|byte| *byte == b'&') {
            let (name, value) = split_before(parameter, |byte| byte == b'=');
            let value_at = position + name.len() + 1;
            let is_twice = match (name, value.strip_prefix(b"=")) {
                (b"weight", Some(value)) => {
                    parameters.weight.replace(parts::weight(value, value_at)?).is_some()
                }
                (b"database", Some(value)) if is_redis => {
                    parameters.database.replace(parts::database(value, value_at)?).is_some()
                }
                _ => return Err(other_parameter(parameter, position, is_redis)),
            };
            if is_twice {
                return Err(error(position, "this parameter is given twice"));
            }
            position += parameter.len() + 1;
        }
    }
    Ok((before, parameters))
}

/// Says what to do about a parameter that is none of ours. It is named if what stands before its
/// `=` is surely a name, and no piece of a password.
fn other_parameter(text: &[u8], at: usize, is_redis: bool) -> Error {
    let (name, rest) = split_before(text, |byte| !byte.is_ascii_lowercase() && byte != b'_');
    if LOGIN_PARAMETERS.contains(&name) {
        return no_login(at, is_redis);
    }
    if matches!(text, b"weight" | b"database") {
        let what = "its value is missing: in php.ini a text with = has to be in quotes, or it ends \
                    there";
        return error(at, what);
    }
    let known = OTHER_PARAMETERS.iter().find(|(other, _)| *other == name);
    let is_name = rest.starts_with(b"=") && name.len() <= SHOWN_BYTES_MAX;
    let name = String::from_utf8_lossy(name);
    let what = match known {
        Some((_, why)) => format!("{name} is no parameter here, for {why}: leave it out"),
        None => {
            let name = if is_name { format!(" {name}") } else { String::new() };
            let ours = if is_redis { "?weight=N&database=N" } else { "?weight=N" };
            format!("unknown parameter{name}: a node takes {ours} and no other")
        }
    };
    error(at, &what)
}
