//! What an operator's tool asks a server: a real one, and some that are none.

mod support;

use sessclust_engine::config::redis::Redis as RedisService;
use sessclust_engine::config::save_path::{Endpoint, NodeAddress};
use sessclust_engine::node::{Cause, Failure, Survey, System, Timeouts};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use support::PATIENCE;
use support::memcached::Memcached;
use support::redis::Redis;

const TIMEOUTS: Timeouts =
    Timeouts { connect: PATIENCE, request: PATIENCE, failover: Duration::ZERO };

fn block_on<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(task)
}

fn at(socket: PathBuf) -> NodeAddress {
    NodeAddress::memcached(Endpoint::Unix(socket), NonZeroU32::MIN)
}

fn redis_at(socket: PathBuf, database: u32) -> NodeAddress {
    let service = RedisService { database, ..RedisService::default() };
    NodeAddress::redis(Endpoint::Unix(socket), NonZeroU32::MIN, service)
}

fn keys(address: &NodeAddress) -> Result<Vec<Vec<u8>>, Failure> {
    block_on(async {
        let mut survey = Survey::open(&System, address, TIMEOUTS).await?;
        let mut keys = Vec::new();
        survey.keys(|key| keys.push(key)).await?;
        Ok(keys)
    })
}

/// A server of a single connection that answers with one of these whenever it has read something,
/// and then ends the connection.
fn impostor(answers: &'static [&'static [u8]]) -> (tempfile::TempDir, NodeAddress) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        for answer in answers {
            assert!(stream.read(&mut [0; 4096]).expect("a request") > 0);
            stream.write_all(answer).expect("a client that reads");
        }
    });
    (folder, at(socket))
}

#[test]
fn a_server_lists_all_its_keys_whatever_they_are() {
    const COUNT: usize = 20_000;
    let Some(server) = Memcached::start(&[]) else { return };
    let mut stream = server.connect();
    let mut expected: BTreeSet<Vec<u8>> =
        (0..COUNT).map(|number| format!("sc:r:{number}").into_bytes()).collect();
    expected.extend([b"a%b".to_vec(), b"\xc3\xa4+&=".to_vec(), vec![b'%'; 250]]);
    for key in &expected {
        stream.write_all(b"set ").expect("memcached reads");
        stream.write_all(key).expect("memcached reads");
        stream.write_all(b" 0 0 1 noreply\r\nx\r\n").expect("memcached reads");
    }
    stream.write_all(b"mn\r\n").expect("memcached reads");
    stream.read_exact(&mut [0; 4]).expect("memcached answers when all is stored");
    let found: BTreeSet<Vec<u8>> =
        keys(&at(server.socket())).expect("a list").into_iter().collect();
    assert!(found == expected, "{} keys of {}", found.len(), expected.len());
}

/// More than one step of the list has, in another database than the first.
#[test]
fn a_redis_lists_its_records_and_nothing_else() {
    const COUNT: usize = 5000;
    let Some(server) = Redis::start(&[]) else { return };
    let mut client = server.client();
    client.call(&["SET", "sc:r:{other}", "in another database"]);
    client.call(&["SELECT", "3"]);
    let fill = "for i = 1, ARGV[1] do redis.call('SET', 'sc:r:{' .. i .. '}', 'x') end";
    client.call(&["EVAL", fill, "0", &COUNT.to_string()]);
    for key in ["sc:l:{1}", "sc:birth", "sc:", "x"] {
        client.call(&["SET", key, "x"]);
    }
    let found: BTreeSet<Vec<u8>> =
        keys(&redis_at(server.socket(), 3)).expect("a list").into_iter().collect();
    let expected = (1..=COUNT).map(|number| format!("sc:r:{{{number}}}").into_bytes()).collect();
    assert!(found == expected, "{} keys of {COUNT}", found.len());
}

#[test]
fn a_redis_tells_how_it_does() {
    let options = ["--maxmemory", "32mb", "--maxmemory-policy", "volatile-ttl"];
    let Some(server) = Redis::start(&options) else { return };
    let address = redis_at(server.socket(), 0);
    block_on(async {
        let mut survey = Survey::open(&System, &address, TIMEOUTS).await.expect("a connection");
        server.cli(&["SET", "a", "b"]);
        let told = survey.statistics().await.expect("statistics");
        let version = told.version.as_deref().unwrap_or_default();
        assert!(version.starts_with("Redis ") || version.starts_with("Valkey "), "{version}");
        assert_eq!((told.items, told.bytes_max), (Some(1), Some(32 << 20)));
        assert_eq!(told.policy.as_deref(), Some("volatile-ttl"));
        assert_eq!((told.role.as_deref(), told.is_replica()), (Some("primary"), false));
        assert!(told.bytes.is_some_and(|bytes| bytes > 0) && told.uptime_s.is_some());
        assert_eq!(told.evictions, Some(0));
        assert!(survey.latency().await.expect("an answer") < PATIENCE);
        server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
        server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        let told = survey.statistics().await.expect("statistics");
        assert_eq!((told.is_replica(), told.bytes_max), (true, None));
        assert!(survey.keys(|_| ()).await.is_ok());
    });
}

/// Who has no more than sessions need is told what he may know.
#[test]
fn a_redis_may_keep_its_secrets() {
    let Some(server) = Redis::start(&[]) else { return };
    server.cli(&["ACL", "SETUSER", "default", "-info", "-dbsize", "-scan", "-ping"]);
    let address = redis_at(server.socket(), 0);
    block_on(async {
        let mut survey = Survey::open(&System, &address, TIMEOUTS).await.expect("a connection");
        let told = survey.statistics().await.expect("statistics");
        assert_eq!((told.items, told.role, told.uptime_s), (None, None, None));
        assert!(survey.latency().await.is_ok());
    });
    let failure = keys(&address).expect_err("no list").to_string();
    assert!(failure.contains("the server lists no keys: NOPERM "), "{failure}");
}

#[test]
fn a_server_tells_how_it_does() {
    let Some(server) = Memcached::start(&["-m", "32"]) else { return };
    let address = at(server.socket());
    block_on(async {
        let mut survey = Survey::open(&System, &address, TIMEOUTS).await.expect("a connection");
        let told = survey.statistics().await.expect("statistics");
        assert!(told.version.is_some_and(|version| version.starts_with("1.")));
        assert_eq!((told.items, told.bytes_max), (Some(0), Some(32 << 20)));
        assert_eq!((told.evictions, told.bytes), (Some(0), Some(0)));
        assert!(told.uptime_s.is_some());
        assert!(survey.latency().await.expect("an answer") < PATIENCE);
        // It can be asked again, and anything else.
        assert!(survey.statistics().await.is_ok());
        assert!(survey.keys(|_| ()).await.is_ok());
    });
}

#[test]
fn a_server_without_a_crawler_says_so() {
    let Some(server) = Memcached::start(&["-o", "no_lru_crawler"]) else { return };
    let failure = keys(&at(server.socket())).expect_err("no list");
    let socket = server.socket();
    let text = format!(
        "node {}: the server lists no keys: CLIENT_ERROR lru crawler disabled",
        socket.display()
    );
    assert_eq!(failure.to_string(), text);
}

#[test]
fn a_busy_server_is_asked_again() {
    let (_folder, address) = impostor(&[
        b"BUSY currently processing crawler request\r\n",
        b"key=a%3Ab exp=-1\nkey=%zz exp=-1\nEND\r\n",
    ]);
    assert_eq!(keys(&address).expect("a list"), [b"a:b"]);
}

#[test]
fn what_is_no_list_is_refused() {
    let cases: [(&'static [&'static [u8]], &str); 4] = [
        (&[b"key=a exp=-1\nHTTP/1.1 400\n"], "the server lists no keys: HTTP/1.1 400"),
        (&[b"key=a\0\n"], "nonsense instead of an answer: a control byte in a line at byte 5"),
        (&[&[b'x'; 2000]], "nonsense instead of an answer: too long a line at byte 1024"),
        (&[b"key=a exp=-1\nkey=b"], "the connection was closed"),
    ];
    for (answers, reason) in cases {
        let (_folder, address) = impostor(answers);
        let failure = keys(&address).expect_err("no list");
        assert_eq!(failure.to_string(), format!("node {address}: {reason}"));
    }
}

#[test]
fn statistics_have_an_end() {
    const LINE: &[u8] = b"STAT curr_items 1\r\n";
    static MANY: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| LINE.repeat(1001));
    let answers: &'static [&'static [u8]] = Vec::leak(vec![MANY.as_slice()]);
    let (_folder, address) = impostor(answers);
    let failure = block_on(async {
        let mut survey = Survey::open(&System, &address, TIMEOUTS).await.expect("a connection");
        survey.statistics().await.expect_err("too much")
    });
    let text = format!("node {address}: nonsense instead of the server's statistics");
    assert_eq!(failure.to_string(), text);
}

#[test]
fn a_server_that_is_silent_is_not_waited_for_beyond_the_timeout() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = at(folder.path().join("socket"));
    let open = || {
        let request = Duration::from_millis(20);
        let timeouts = Timeouts { request, ..TIMEOUTS };
        block_on(async {
            let mut survey = Survey::open(&System, &address, timeouts).await?;
            survey.statistics().await
        })
    };
    assert_eq!(open().expect_err("nobody listens").cause, Cause::Connect);
    let _listener = UnixListener::bind(folder.path().join("socket")).expect("a socket");
    let failure = open().expect_err("nobody answers");
    let text = format!("node {address}: no answer within 20ms (sessclust.request_timeout)");
    assert_eq!((failure.cause, failure.to_string()), (Cause::Timeout, text));
}
