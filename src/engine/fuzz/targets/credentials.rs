//! Any bytes as what sessclust.credentials names.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use sessclust_engine::config::credentials::Credentials;
use sessclust_engine::config::save_path::{NodeAddress, SavePath};
use std::sync::LazyLock;

const SECRET: &str = "hunter2";

static NODES: LazyLock<Vec<NodeAddress>> = LazyLock::new(|| {
    let path = b"redis://a,redis://[::1]:7,redis+unix:///run/r,redis+sentinel://a/name";
    let Ok(SavePath::Pool(nodes)) = SavePath::parse(path) else { unreachable!("it is a pool") };
    nodes
});

fuzz_target!(init: support::plant(seeds()), |text: &[u8]| {
    let mut nodes = NODES.clone();
    match Credentials::parse(text) {
        Ok(credentials) => {
            credentials.apply(&mut nodes);
            for access in nodes.iter().filter_map(|node| Some(&node.as_redis()?.access)) {
                let logins = [&access.login, &access.sentinel_login];
                assert!(logins.into_iter().flatten().all(|login| !login.password.0.is_empty()));
            }
        }
        Err((line, what)) => {
            support::assert_is_printable(what);
            assert!((1..=1 + text.iter().filter(|byte| **byte == b'\n').count()).contains(&line));
        }
    }
    // A password behind all that is read, for all nodes that have none yet.
    let secret = [text, b"\n* ", SECRET.as_bytes()].concat();
    if let Ok(credentials) = Credentials::parse(&secret) {
        let mut nodes = NODES.clone();
        credentials.apply(&mut nodes);
        assert!(nodes.iter().all(|node| node.as_redis().expect("one").access.login.is_some()));
        if !String::from_utf8_lossy(text).contains(SECRET) {
            assert!(!format!("{credentials:?} {nodes:?}").contains(SECRET));
        }
    }
});

fn seeds() -> Vec<Vec<u8>> {
    [
        "# who user password\na shop hunter2\n\n[::1]:7 x\r\n/run/r%20 x\n",
        "name shop x%25%C3%A4\nsentinel:name x\nsentinel:a:26379 x\nsentinel:* x\n* x",
        "a",
        "a b c d",
        "a %ff",
        "redis://a x",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
