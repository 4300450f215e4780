//! Sessions in the primary that sentinels know: how it is found, and followed when it is another
//! one. What a failover does to requests is in `sentinel_failover.rs`.

mod support;

use rustix::process::Signal;
use sessclust_engine::cluster::{Cluster, Origin};
use sessclust_engine::config::Settings;
use sessclust_engine::config::credentials::Source;
use sessclust_engine::config::save_path::{Endpoint, SavePath};
use sessclust_engine::machine::{Board, Queue};
use sessclust_engine::node::{Connecting, System, World};
use sessclust_engine::stats::{Counter, Counters};
use sessclust_engine::{Error, ErrorKind, Result};
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::iter::repeat_with;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use support::certificates::Certificates;
use support::pool::Process;
use support::redis::{Redis, Reply, free_port, key, wait_until};
use support::sentinels::{NAME, Sentinels};
use support::{PATIENCE, digest};
use tokio::runtime::Builder;

const SHOP: &str = "0123456789abcdef0123456789";

/// Nothing that a loaded machine does is to be taken for a server that does not answer.
fn settings() -> Settings {
    Settings {
        connect_timeout: Duration::from_secs(6),
        request_timeout: Duration::from_secs(5),
        lock_wait: PATIENCE,
        lock_lease: Duration::from_secs(60),
        ..Settings::default()
    }
}

/// A sentinel that names a server which nobody replaces.
fn lone(options: &str) -> Option<(Redis, Redis)> {
    let server = Redis::start_tcp(&[])?;
    let port = server.port();
    let lines = format!("sentinel monitor {NAME} 127.0.0.1 {port} 9\n{options}\n");
    Some((Redis::start_sentinel(&lines)?, server))
}

fn path(sentinels: &[&str]) -> String {
    let url = |address: &&str| format!("redis+sentinel://{address}/{NAME}");
    sentinels.iter().map(url).collect::<Vec<_>>().join(",")
}

fn credentials(lines: &str, settings: &Settings) -> (tempfile::TempDir, Settings) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials");
    fs::write(&file, lines).expect("a file");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
    (folder, Settings { credentials: Some(Source::File(file)), ..settings.clone() })
}

/// Fails with this text, and at once.
#[track_caller]
fn expect_refusal<T>(open: impl FnOnce() -> Result<T>, text: &str) {
    let started = Instant::now();
    let error: Error = open().err().expect("an error");
    assert_eq!(error.kind(), ErrorKind::NoNode, "{error}");
    assert!(error.to_string().contains(text), "{error}");
    assert!(started.elapsed() < settings().lock_wait / 2, "{error}");
}

#[test]
fn a_sentinel_names_the_primary() {
    let Some((sentinel, server)) = lone("") else { return };
    let process = Process::of(&path(&[&sentinel.name()]), &settings());
    process.put(SHOP, b"kept");
    assert!(server.has(SHOP));
    assert_eq!(process.request().peek(SHOP), b"kept");
    assert_eq!(process.count(Counter::Reconnects), 0);
}

/// A sentinel that says these words, each to one who asks; how it is named.
fn impostor(replies: impl Iterator<Item = String> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let name = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        // They stand until the last has been answered and gone.
        let mut streams = Vec::new();
        for reply in replies {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut question = Vec::new();
            while !question.ends_with(b"+switch-master\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a question");
                question.extend(byte);
            }
            stream.write_all(reply.as_bytes()).expect("a client");
            streams.push(stream);
        }
        streams.pop().map(|mut last| last.read(&mut [0]));
    });
    name
}

/// In the protocol of Redis, where a number is not told from a text by its kind.
fn array(words: &[&str]) -> String {
    let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    format!("*{}\r\n{}", words.len(), words.iter().map(bulk).collect::<String>())
}

/// What a sentinel says to who asks for the primary and for news of it.
fn naming(host: &str, port: u16) -> String {
    let news = ["+promoted-slave", "+switch-master"];
    let confirmed = news.map(|channel| array(&["subscribe", channel, "1"])).concat();
    array(&[host, &port.to_string()]) + &confirmed
}

#[test]
fn news_that_come_with_the_first_answer_are_heard() {
    let (Some(old), Some(new)) = (Redis::start_tcp(&[]), Redis::start_tcp(&[])) else { return };
    let name = |server: &Redis| naming("127.0.0.1", server.port());
    let news = array(&["message", "+switch-master", "shop and where it was and is"]);
    let sentinel = impostor([name(&old) + &news, name(&new)].into_iter());
    Process::of(&path(&[&sentinel]), &settings()).put(SHOP, b"kept");
    assert_eq!((old.has(SHOP), new.has(SHOP)), (false, true));
}

/// A machine that cannot resolve names, which it takes long to find out.
struct Nameless;

/// How long a server may take there, and how long that takes. Nobody can tell it from a process
/// that stood still.
const SOON: Duration = Duration::from_millis(20);
const NOT_SOON: Duration = Duration::from_millis(100);

impl World for Nameless {
    fn now(&self) -> SystemTime {
        System.now()
    }

    fn uptime(&self) -> Duration {
        System.uptime()
    }

    fn random(&self) -> u128 {
        System.random()
    }

    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        match endpoint {
            Endpoint::Tcp { host, .. } if host == "127.0.0.1" => System.connect(endpoint),
            _ => {
                thread::sleep(NOT_SOON);
                Box::pin(async { Err(io::Error::other("no such name")) })
            }
        }
    }
}

#[test]
fn a_primary_whose_name_is_unknown_is_waited_for_as_long_as_is_allowed() {
    let sentinel = impostor(repeat_with(|| naming("primary.example", 6379)));
    let Ok(SavePath::Pool(nodes)) = SavePath::parse(path(&[&sentinel]).as_bytes()) else {
        unreachable!("it is a server");
    };
    let lock_wait = Duration::from_millis(600);
    let settings = Settings { connect_timeout: SOON, lock_wait, ..settings() };
    let (says, said) = channel();
    // Nobody waits for a thread that waits for ever.
    thread::spawn(move || {
        let memory = tempfile::tempdir().expect("a folder");
        let board = Board::private(&Cluster::names(&nodes));
        let counters: &'static Counters = Box::leak(Box::default());
        let (world, queue) = (Arc::new(Nameless), Queue::open_in(memory.path()));
        let board = Arc::new(board);
        let cluster = Cluster::new(nodes, settings.ring, world, queue, board, 1, counters);
        let opening = async {
            cluster.expect("a pool").open(&digest(SHOP), Origin::Sent, b"", &settings).await
        };
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        says.send((runtime.block_on(opening), counters.get(Counter::NodesDown))).ok();
    });
    let started = Instant::now();
    let (result, nodes_down) = said.recv_timeout(PATIENCE).expect("an end");
    let error = result.expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::NoNode, "{error}");
    assert!(error.to_string().contains("names primary.example:6379: no such name"), "{error}");
    assert!(started.elapsed() >= lock_wait, "{:?}", started.elapsed());
    assert_eq!(nodes_down, 1, "others of this machine need not wait as long");
}

#[test]
fn a_sentinel_that_is_gone_is_passed_over() {
    let Some((sentinel, server)) = lone("") else { return };
    let gone = format!("127.0.0.1:{}", free_port());
    Process::of(&path(&[&gone, &sentinel.name()]), &settings()).put(SHOP, b"kept");
    assert!(server.has(SHOP));
}

#[test]
fn a_sentinel_that_hangs_costs_its_share_once() {
    let Some((hung, _)) = lone("") else { return };
    let Some((sentinel, server)) = lone("") else { return };
    hung.signal(Signal::STOP);
    let path = path(&[&hung.name(), &sentinel.name()]);
    // A third of most of that.
    let share = settings().connect_timeout / 4;
    let spent = || {
        let started = Instant::now();
        Process::of(&path, &settings()).put(SHOP, b"kept");
        started.elapsed()
    };
    let (first, second) = (spent(), spent());
    assert!(server.has(SHOP));
    assert!(first >= share && first < settings().connect_timeout, "{first:?}");
    assert!(second < share, "{second:?}");
}

#[test]
fn who_cannot_know_the_primary_says_why() {
    let Some((sentinel, server)) = lone("") else { return };
    let url = format!("redis+sentinel://{}/elsewhere", sentinel.name());
    let process = Process::of(&url, &settings());
    let text = format!(
        "cannot connect to elsewhere@{0}: its sentinels know no primary of this name, SENTINEL \
         MASTERS lists those that they know ({0} does not know it)",
        sentinel.name()
    );
    expect_refusal(|| process.request().try_open(SHOP), &text);

    let gone = ["127.0.0.1:1", "127.0.0.1:2"];
    let process = Process::of(&path(&gone), &settings());
    let text = "none of its sentinels answers (127.0.0.1:1: Connection refused (os error 111); \
                127.0.0.1:2: Connection refused";
    expect_refusal(|| process.request().try_open(SHOP), text);

    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let impatient = Settings {
        connect_timeout: Duration::from_millis(200),
        lock_wait: Duration::ZERO,
        ..settings()
    };
    let process = Process::of(&path(&[&sentinel.name()]), &impatient);
    let text = format!(
        "no primary is to be had ({} names {}: it is no primary now (slave)",
        sentinel.name(),
        server.name()
    );
    expect_refusal(|| process.request().try_open(SHOP), &text);
    // What is not there yet may come.
    let patient = Process::of(&path(&[&sentinel.name()]), &settings());
    let waiting = thread::scope(|scope| {
        let name = sentinel.name();
        let waiting = scope.spawn(move || {
            let process = Process::of(&path(&[&name]), &settings());
            process.put(SHOP, b"waited");
            process.count(Counter::ConnectFailures)
        });
        let greetings = || server.info("total_commands_processed").parse::<u64>().expect("number");
        let before = greetings();
        wait_until("some tries", || greetings() > before + 50);
        server.cli(&["REPLICAOF", "NO", "ONE"]);
        waiting.join().expect("a session")
    });
    assert_eq!(waiting, 0, "it was one wait");
    assert_eq!(patient.request().peek(SHOP), b"waited");
}

#[test]
fn sentinels_and_servers_have_passwords_of_their_own() {
    let Some((sentinel, server)) = lone("requirepass sesame") else { return };
    server.cli(&["CONFIG", "SET", "requirepass", "inner"]);
    sentinel.cli(&["SENTINEL", "SET", NAME, "auth-pass", "inner"]);
    let path = path(&[&sentinel.name()]);
    let process = Process::of(&path, &settings());
    let text = "NOAUTH Authentication required. (a line for sentinel:<name> in";
    expect_refusal(|| process.request().try_open(SHOP), text);

    let (_folder, only) = credentials(&format!("sentinel:{NAME} sesame\n"), &settings());
    let process = Process::of(&path, &only);
    let text = "names 127.0.0.1";
    expect_refusal(|| process.request().try_open(SHOP), text);

    let lines = format!("sentinel:{NAME} sesame\n{NAME} inner\n");
    let (_folder, both) = credentials(&lines, &settings());
    Process::of(&path, &both).put(SHOP, b"kept");
    assert!(server.has(SHOP));
}

#[test]
fn sentinels_and_servers_are_spoken_with_in_tls() {
    let Some(certificates) = Certificates::make() else { return };
    let Some(server) = Redis::start_tls(&certificates, &[]) else { return };
    let file = |name| certificates.file(name).display().to_string();
    let (server_port, port) = (server.port(), free_port());
    let lines = format!(
        "sentinel monitor {NAME} 127.0.0.1 {server_port} 9\ntls-replication yes\n\
         tls-port {port}\ntls-auth-clients no\ntls-ca-cert-file {}\ntls-cert-file {}\n\
         tls-key-file {}\n",
        file("ca.pem"),
        file("server.pem"),
        file("server.key"),
    );
    let Some(_sentinel) = Redis::start_sentinel(&lines) else { return };
    let mut settings = settings();
    settings.tls.ca = Some(certificates.file("ca.pem"));
    let process = Process::of(&format!("rediss+sentinel://127.0.0.1:{port}/{NAME}"), &settings);
    process.put(SHOP, b"kept");
    assert!(server.has(SHOP));
    assert_eq!(process.request().peek(SHOP), b"kept");
    assert_eq!(process.count(Counter::Reconnects), 0, "nothing comes that was not asked for");
}

/// With one copy, its sessions would start anew on the other one.
#[test]
fn nobody_takes_the_place_of_a_primary_that_may_come_back() {
    let (Some((sentinel, server)), Some((_, other))) = (lone(""), lone("")) else { return };
    let path = format!(
        "redis+sentinel://{0}/{NAME}?weight=1000000,redis://{1}",
        sentinel.name(),
        other.name()
    );
    let settings = Settings { replicas: 1, ..settings() };
    Process::of(&path, &settings).put(SHOP, b"kept");
    assert!(server.has(SHOP));
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    // By whom the machine knows soon that it is down.
    let quick = Settings { connect_timeout: Duration::from_millis(50), ..settings.clone() };
    let open = || Process::of(&path, &settings).request().open(SHOP);
    thread::scope(|scope| {
        let first = scope.spawn(open);
        let second = scope.spawn(|| Process::of(&path, &quick).request().open(SHOP));
        let greetings = || server.info("total_commands_processed").parse::<u64>().expect("number");
        let before = greetings();
        wait_until("many tries", || greetings() > before + 300);
        let third = scope.spawn(open);
        wait_until("more tries", || greetings() > before + 600);
        server.cli(&["REPLICAOF", "NO", "ONE"]);
        for reading in [first, third] {
            assert_eq!(reading.join().expect("a session"), b"kept");
        }
        assert_eq!(second.join().expect("a session"), b"kept");
    });
    assert!(!other.has(SHOP));
    // When it has been waited for long enough, they do.
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let impatient = Settings {
        connect_timeout: Duration::from_millis(50),
        lock_wait: Duration::ZERO,
        ..settings
    };
    assert_eq!(Process::of(&path, &impatient).request().open(SHOP), b"");
}

/// The old primary takes writes for 8 s more, which nobody would see again.
#[test]
fn a_primary_that_is_none_any_more_is_left_at_once() {
    let Some(site) = Sentinels::start() else { return };
    let process = Process::of(&site.url(), &settings());
    process.put(SHOP, b"before");
    // The lock is not deleted for those who wait, and they wait at the old primary.
    let mut holder = process.request();
    assert_eq!(holder.open(SHOP), b"before");
    let old = site.primary();
    thread::scope(|scope| {
        let url = site.url();
        let waiter = scope.spawn(move || {
            let process = Process::of(&url, &settings());
            let data = process.request().open(SHOP);
            (data, process.count(Counter::ConnectFailures))
        });
        let count = |server: usize| site.servers[server].cli(&["LLEN", &key("sc:q:", SHOP)]);
        wait_until("a waiter", || count(old) == "1");
        let new = site.failover();
        assert!(site.servers[old].cli(&["ROLE"]).starts_with("master"), "it is alone");
        holder.write(SHOP, b"after").expect("saved");
        holder.close();
        let started = Instant::now();
        assert_eq!(waiter.join().expect("no panic"), (b"after".to_vec(), 0));
        assert!(started.elapsed() < settings().lock_lease / 4, "{:?}", started.elapsed());
        let record = |server: usize| site.servers[server].cli(&["GET", &key("sc:r:", SHOP)]);
        assert!(record(new).ends_with("after"), "{}", record(new));
        assert!(record(old).ends_with("before"), "{}", record(old));
    });
}

/// It may be what others have stored on a new primary since, which never had what was read.
#[test]
fn an_older_record_is_not_replaced_where_replicas_are_waited_for() {
    let Some((sentinel, server)) = lone("") else { return };
    let Some(_replica) = server.start_replica(&[]) else { return };
    let path = path(&[&sentinel.name()]);
    for redis_wait in [0, 1] {
        let process = Process::of(&path, &Settings { redis_wait, ..settings() });
        process.put(SHOP, b"older");
        let record = key("sc:r:", SHOP);
        let Reply::Text(older) = server.client().call(&["GET", &record]) else { unreachable!() };
        process.put(SHOP, b"newer");
        let mut request = process.request();
        assert_eq!(request.open(SHOP), b"newer");
        server.client().call(&[b"SET", record.as_bytes(), &older]).ok();
        // Nor is the lock watched on a new primary.
        server.cli(&["EXPIRE", &key("sc:l:", SHOP), "60"]);
        let result = request.write(SHOP, b"mine");
        request.close();
        let (is_kept, data) = (redis_wait == 0, process.request().peek(SHOP));
        assert_eq!(data, if is_kept { &b"mine"[..] } else { b"older" });
        match result {
            Ok(()) => assert!(is_kept),
            Err(error) => assert!(!is_kept && error.kind() == ErrorKind::LeaseLost, "{error}"),
        }
    }
}

/// A sentinel's user who may not listen learns it from the old primary.
#[test]
fn a_primary_that_has_become_a_replica_is_left() {
    let user = "user web on >sesame allcommands -subscribe";
    let Some(site) = Sentinels::start_with(2, &[], user) else { return };
    let (_folder, settings) = credentials(&format!("sentinel:{NAME} web sesame\n"), &settings());
    let process = Process::of(&site.url(), &settings);
    process.put(SHOP, b"before");
    let old = site.primary();
    let new = site.failover();
    let port = site.servers[new].port().to_string();
    site.servers[old].cli(&["REPLICAOF", "127.0.0.1", &port]);
    site.servers[old].wait_for_link();
    process.put(SHOP, b"after");
    assert_eq!(process.request().peek(SHOP), b"after");
    assert_eq!(process.count(Counter::Reconnects), 1);
}
