//! Any bytes as session.save_path.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use sessclust_engine::ErrorKind;
use sessclust_engine::config::save_path::{Endpoint, NodeAddress, SavePath};
use sessclust_engine::limits::{
    DIRECTORY_BYTES_MAX, HOST_BYTES_MAX, NODE_WEIGHT_MAX, NODES_MAX, SOCKET_BYTES_MAX,
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
        support::assert_is_printable(&node.to_string());
        assert!(node.weight.get() <= NODE_WEIGHT_MAX);
        let is_same = |other: &NodeAddress| other.endpoint.is_same(&node.endpoint);
        assert!(!nodes[..index].iter().any(is_same), "{node} is there twice");
    }
    // What is shown of a node can be written as a save path, where the characters of a path allow
    // it; a URL holds any of them.
    let [plain, urls] = [plain, url].map(|write| {
        let texts: Vec<String> = nodes.iter().map(write).collect();
        SavePath::parse(texts.join(",").as_bytes()).expect("a pool")
    });
    assert_eq!(plain, SavePath::Pool(nodes.into()));
    assert_eq!(urls, plain);
}

fn plain(node: &NodeAddress) -> String {
    match &node.endpoint {
        Endpoint::Tcp { host, port } => {
            assert!((1..=HOST_BYTES_MAX).contains(&host.len()) && *port != 0);
            format!("{node}:{}", node.weight)
        }
        Endpoint::Unix(path) => {
            let bytes = path.as_os_str().as_bytes();
            assert!(bytes.starts_with(b"/") && !bytes.contains(&0));
            assert!(bytes.len() <= SOCKET_BYTES_MAX);
            match bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(byte)) {
                true => format!("{node}:0:{}", node.weight),
                false => url(node),
            }
        }
    }
}

fn url(node: &NodeAddress) -> String {
    match &node.endpoint {
        Endpoint::Tcp { .. } => format!("memcached://{node}?weight={}", node.weight),
        Endpoint::Unix(path) => {
            format!("memcached+unix://{}?weight={}", escaped(path), node.weight)
        }
    }
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
        "redis+sentinel://h:26379/m",
        "tcp://10.0.0.1:6379?auth=x",
        "http://x",
        "relative",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
