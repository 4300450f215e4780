//! Any bytes as session.save_path.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use sessclust_engine::ErrorKind;
use sessclust_engine::config::redis::{Redis, Topology};
use sessclust_engine::config::save_path::{Endpoint, NodeAddress, SavePath};
use sessclust_engine::limits::{
    DIRECTORY_BYTES_MAX, HOST_BYTES_MAX, NODE_WEIGHT_MAX, NODES_MAX, REDIS_DATABASE_MAX,
    SOCKET_BYTES_MAX,
};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const SECRET: &str = "hunter2";

fuzz_target!(init: support::plant(seeds()), |text: &[u8]| {
    match SavePath::parse(text) {
        Ok(SavePath::Local(None)) => assert!(text.is_empty()),
        Ok(SavePath::Local(Some(base))) => check_directory(&base),
        Ok(SavePath::Pool(nodes)) => check_pool(&nodes),
        Err(error) => check_error(&error, text.len()),
    }
    // People put passwords into save paths, anywhere in them.
    if !text.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
        let (before, after) = text.split_at(text.len() / 2);
        for secret in [[text, SECRET.as_bytes(), b""], [before, SECRET.as_bytes(), after]] {
            if let Err(error) = SavePath::parse(&secret.concat()) {
                assert!(!error.to_string().contains(SECRET), "{error}");
            }
        }
    }
});

fn check_directory(path: &Path) {
    let directory = path.as_os_str().as_bytes();
    assert!(directory.starts_with(b"/"));
    assert!(!directory.contains(&0));
    assert!(directory.len() <= DIRECTORY_BYTES_MAX);
    assert!(!directory.split(|byte| *byte == b'/').any(|part| part == b"." || part == b".."));
    // Any directory can be written as a URL.
    let url = format!("local://{}", escaped(path));
    assert_eq!(SavePath::parse(url.as_bytes()).expect(&url), SavePath::Local(Some(path.into())));
}

fn check_pool(nodes: &[NodeAddress]) {
    assert!((1..=NODES_MAX).contains(&nodes.len()));
    for (index, node) in nodes.iter().enumerate() {
        assert!(node.weight.get() <= NODE_WEIGHT_MAX);
        assert!(!nodes[..index].iter().any(|other| other.is_same(node)), "{node} is there twice");
        assert_eq!(node.as_redis().is_some(), nodes[0].as_redis().is_some());
        let is_cluster = matches!(node.topology(), Topology::Cluster { .. });
        assert!(nodes.len() == 1 || !is_cluster);
        for endpoint in node.endpoints() {
            check_endpoint(endpoint);
            assert_eq!(node.endpoints().filter(|other| other.is_same(endpoint)).count(), 1);
        }
        if let Some(redis) = node.as_redis() {
            assert!(redis.database <= REDIS_DATABASE_MAX);
            assert_eq!(redis.access, Default::default(), "it is not in a save path");
        }
    }
    assert!(nodes.iter().flat_map(NodeAddress::endpoints).count() <= NODES_MAX);
    // What was read can be written as a save path, in URLs and in the words of other handlers.
    for write in [url, plain] {
        let texts: Vec<String> =
            nodes.iter().flat_map(|node| node.endpoints().map(move |at| write(node, at))).collect();
        let path = texts.join(",");
        assert_eq!(SavePath::parse(path.as_bytes()).expect(&path), SavePath::Pool(nodes.into()));
    }
}

fn check_endpoint(endpoint: &Endpoint) {
    support::assert_is_printable(&endpoint.to_string());
    match endpoint {
        Endpoint::Tcp { host, port } => {
            assert!((1..=HOST_BYTES_MAX).contains(&host.len()) && *port != 0);
        }
        Endpoint::Unix(path) => {
            let bytes = path.as_os_str().as_bytes();
            assert!(bytes.starts_with(b"/") && !bytes.contains(&0));
            assert!(bytes.len() <= SOCKET_BYTES_MAX);
        }
    }
}

/// An entry for a node in the words of php-memcached or phpredis, where the characters of a path
/// allow it; `at` is one of its addresses.
fn plain(node: &NodeAddress, at: &Endpoint) -> String {
    let weight = node.weight;
    match (node.as_redis(), at) {
        (None, Endpoint::Tcp { .. }) => format!("{at}:{weight}"),
        (None, Endpoint::Unix(path)) if is_plain(path) => format!("{at}:0:{weight}"),
        (Some(Redis { topology: Topology::Single, database, is_tls, .. }), _) => match at {
            Endpoint::Unix(path) if is_plain(path) => {
                format!("unix://{at}?weight={weight}&database={database}")
            }
            // With that port tcp:// would be pecl-memcache's.
            Endpoint::Tcp { port, .. } if *is_tls || *port != 11211 => {
                let scheme = if *is_tls { "tls" } else { "tcp" };
                format!("{scheme}://{at}?weight={weight}&database={database}")
            }
            _ => url(node, at),
        },
        _ => url(node, at),
    }
}

/// An entry for a node as a URL; `at` is one of its addresses.
fn url(node: &NodeAddress, at: &Endpoint) -> String {
    let weight = node.weight;
    let Some(Redis { database, is_tls, topology, .. }) = node.as_redis() else {
        return match at {
            Endpoint::Tcp { .. } => format!("memcached://{at}?weight={weight}"),
            Endpoint::Unix(path) => format!("memcached+unix://{}?weight={weight}", escaped(path)),
        };
    };
    let scheme = if *is_tls { "rediss" } else { "redis" };
    match (topology, at) {
        (Topology::Cluster { .. }, _) => format!("{scheme}+cluster://{at}"),
        (Topology::Sentinel { name, .. }, _) => {
            format!("{scheme}+sentinel://{at}/{name}/{database}?weight={weight}")
        }
        (Topology::Single, Endpoint::Tcp { .. }) => {
            format!("{scheme}://{at}/{database}?weight={weight}")
        }
        (Topology::Single, Endpoint::Unix(path)) => {
            format!("redis+unix://{}?weight={weight}&database={database}", escaped(path))
        }
    }
}

fn is_plain(path: &Path) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    path.as_os_str().as_bytes().iter().all(is_plain)
}

/// A path for a URL.
fn escaped(path: &Path) -> String {
    path.as_os_str().as_bytes().iter().map(|byte| format!("%{byte:02x}")).collect()
}

fn check_error(error: &sessclust_engine::Error, length: usize) {
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    support::assert_is_printable(&text);
    let rest = text.strip_prefix("session.save_path, position ").expect("the position");
    let (position, _) = rest.split_once(": ").expect("what is wrong there");
    assert!(position.parse::<usize>().expect("a number") <= length);
}

fn seeds() -> Vec<Vec<u8>> {
    [
        "",
        "/var/lib/php/sessions",
        "/run/memcached.sock:0",
        "local:///srv/a%20b%2Cc",
        "local:///a?x=1",
        "local:///a/../b",
        "local://srv",
        "2;0600;/tmp",
        "10.0.0.1:11211,10.0.0.2:11211:5",
        "memcached://a:11211?weight=2 memcached://[::1]?weight=1000000",
        "memcached+unix:///run/m%20n?weight=3 , /run/memcached:0:7",
        "memcached://u:p@a",
        "PERSISTENT=x a:1",
        "redis://10.0.0.1:6379/2?weight=3,rediss://b?database=1",
        "redis+unix:///run/r%20s?database=5&weight=2",
        "redis+sentinel://h:26379/m/1,redis+sentinel://[::1]/m/1 redis+sentinel://h:26379/n",
        "rediss+sentinel://h/m?weight=2&database=1",
        "redis+cluster://a,redis+cluster://b:7000",
        "rediss+cluster://a?weight=2",
        "tcp://10.0.0.1:6379?weight=1&timeout=2.5&auth=x",
        "tcp://10.0.0.1:11211",
        "tls://a unix:///run/r.sock?persistent=1",
        "seed[]=a:7000&seed[]=b:7000",
        "redis://u:p@a",
        "http://x",
        "relative",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
