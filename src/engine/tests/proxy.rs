//! The fault proxy of the tests: each fault does what it says, and all else passes unchanged.

mod support;

use rustix::net::{AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use support::memcached::Memcached;
use support::proxy::{Address, Counts, Fault, Place, Proxy, Stream};
use support::redis::Redis;
use support::{Child, bytes, seeded, wait_for};

/// Three items, `a`, `b` and `c` with the values 1, 22 and 333, are there.
const SETS: &[u8] = b"ms a 1\r\n1\r\nms b 2\r\n22\r\nms c 3\r\n333\r\n";
const GET_A: &[u8] = b"mg a v\r\n";
const GET_B: &[u8] = b"mg b v\r\n";
const GET_ALL: &[u8] = b"mg a v\r\nmg b v\r\nmg c v\r\n";
const VALUE_A: &str = "VA 1\r\n1\r\n";
const VALUE_B: &str = "VA 2\r\n22\r\n";
const VALUE_C: &str = "VA 3\r\n333\r\n";

fn address(server: &Memcached) -> Address {
    let peer = server.connect().peer_addr().expect("connected");
    Address::Unix(peer.as_pathname().expect("a path").to_owned())
}

/// A memcached with the three items.
fn server() -> Option<Memcached> {
    let server = Memcached::start(&["-I", "2m"])?;
    let mut direct = server.connect();
    direct.write_all(SETS).expect("a write");
    direct.read_exact(&mut [0; 12]).expect("HD three times");
    Some(server)
}

/// A memcached with the three items and a proxy before it.
fn site() -> Option<(Memcached, Proxy)> {
    let server = server()?;
    let proxy = Proxy::unix(address(&server));
    Some((server, proxy))
}

fn send(mut stream: &Stream, request: &[u8]) {
    stream.write_all(request).expect("a write");
}

/// Reads exactly what is expected.
#[track_caller]
fn expect(mut stream: &Stream, expected: &str) {
    let mut found = vec![0; expected.len()];
    stream.read_exact(&mut found).expect("a reply");
    assert_eq!(found.escape_ascii().to_string(), expected.escape_default().to_string());
}

/// Reads to the end of the connection.
#[track_caller]
fn rest(mut stream: &Stream) -> String {
    let mut found = String::new();
    stream.read_to_string(&mut found).expect("the end of the connection");
    found
}

/// Asks for `a`, `b` and `c` in one write and reads what comes until the end of the connection,
/// which this ends by ending the requests, if nothing else does.
fn get_all(proxy: &Proxy) -> String {
    let stream = proxy.connect();
    send(&stream, GET_ALL);
    stream.shutdown(Shutdown::Write);
    rest(&stream)
}

#[test]
fn replies_meet_their_faults() {
    let Some((_server, proxy)) = site() else { return };
    let all = [VALUE_A, VALUE_B, VALUE_C].concat();
    let cases = [
        (Fault::CutBefore, VALUE_A.to_owned()),
        (Fault::CutInside(7), format!("{VALUE_A}VA 2\r\n2")),
        (Fault::CutInside(usize::MAX), format!("{VALUE_A}{VALUE_B}")),
        (Fault::CutAfter, format!("{VALUE_A}{VALUE_B}")),
        (Fault::Duplicate, format!("{VALUE_A}{VALUE_B}{VALUE_B}{VALUE_C}")),
        (Fault::Swap, format!("{VALUE_A}{VALUE_C}{VALUE_B}")),
        (Fault::Replace(b"+OK\r\n".to_vec()), format!("{VALUE_A}+OK\r\n{VALUE_C}")),
        (Fault::Swallow, format!("{VALUE_A}{VALUE_C}")),
        (Fault::Stall(7), format!("{VALUE_A}VA 2\r\n2")),
        (Fault::Stall(0), VALUE_A.to_owned()),
        (Fault::Delay(Duration::ZERO), all.clone()),
    ];
    for (fault, expected) in cases {
        proxy.reset();
        proxy.plan(Place::Reply(1), fault.clone());
        assert_eq!(get_all(&proxy), expected, "{fault:?}");
        assert_eq!(proxy.faults(), [fault]);
        // It happens once.
        assert_eq!(get_all(&proxy), all);
    }
}

/// A value with line breaks, a list with another in it, and an error.
#[test]
fn what_is_said_to_a_redis_and_by_it_is_split_as_it_does() {
    let Some(server) = Redis::start(&[]) else { return };
    let proxy = Proxy::unix(Address::Unix(server.socket()));
    let script = "return {KEYS[1], {1, redis.call('GET', KEYS[1])}}";
    let requests = [
        "*3\r\n$3\r\nset\r\n$1\r\na\r\n$4\r\n\r\n$\n\r\n".to_owned(),
        "*2\r\n$3\r\nGET\r\n$1\r\na\r\n".to_owned(),
        "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n".to_owned(),
        format!("*4\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n1\r\n$1\r\na\r\n", script.len()),
        "*2\r\n$4\r\nLLEN\r\n$1\r\na\r\n".to_owned(),
        "*2\r\n$6\r\nEXISTS\r\n$1\r\na\r\n".to_owned(),
    ];
    let replies = [
        "+OK\r\n",
        "$4\r\n\r\n$\n\r\n",
        "$-1\r\n",
        "*2\r\n$1\r\na\r\n*2\r\n:1\r\n$4\r\n\r\n$\n\r\n",
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        ":1\r\n",
    ];
    for swallowed in 0..replies.len() {
        proxy.reset();
        proxy.plan(Place::Reply(swallowed), Fault::Swallow);
        let stream = proxy.connect();
        send(&stream, requests.concat().as_bytes());
        stream.shutdown(Shutdown::Write);
        let others: String = replies
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != swallowed)
            .map(|(_, reply)| *reply)
            .collect();
        assert_eq!(rest(&stream), others);
        assert_eq!(proxy.counts().replies, replies.len());
        assert_eq!(proxy.log(), ["SET a", "GET a", "GET b", "EVAL a", "LLEN a", "EXISTS a"]);
    }
}

#[test]
fn requests_meet_their_faults() {
    let Some((_server, proxy)) = site() else { return };
    let all = [VALUE_A, VALUE_B, VALUE_C].concat();
    let cases = [
        (Fault::CutBefore, VALUE_A.to_owned()),
        (Fault::CutInside(7), VALUE_A.to_owned()),
        (Fault::Duplicate, format!("{VALUE_A}{VALUE_B}{VALUE_B}{VALUE_C}")),
        (Fault::Swap, format!("{VALUE_A}{VALUE_C}{VALUE_B}")),
        (Fault::Replace(b"mn\r\n".to_vec()), format!("{VALUE_A}MN\r\n{VALUE_C}")),
        (Fault::Swallow, format!("{VALUE_A}{VALUE_C}")),
        (Fault::Stall(7), VALUE_A.to_owned()),
        (Fault::Delay(Duration::ZERO), all.clone()),
    ];
    for (fault, expected) in cases {
        proxy.reset();
        proxy.plan(Place::Request(1), fault.clone());
        assert_eq!(get_all(&proxy), expected, "{fault:?}");
        assert_eq!(proxy.faults(), [fault]);
        assert_eq!(get_all(&proxy), all);
    }
}

/// Each fault with what it leaves of the request to store something: whether it was done, and
/// whether its reply came.
#[test]
fn when_the_client_sees_a_cut_the_server_has_done_what_was_forwarded() {
    let Some((server, proxy)) = site() else { return };
    let mut direct = server.connect();
    let cases = [
        (Place::Request(1), Fault::CutBefore, false, ""),
        (Place::Request(1), Fault::CutInside(9), false, ""),
        (Place::Request(1), Fault::CutAfter, true, ""),
        (Place::Reply(1), Fault::CutBefore, true, ""),
        (Place::Reply(1), Fault::CutInside(3), true, "HD\r"),
        (Place::Reply(1), Fault::CutAfter, true, "HD\r\n"),
    ];
    for (number, (place, fault, is_done, last)) in cases.into_iter().enumerate() {
        proxy.plan(place, fault.clone());
        let stream = proxy.connect();
        send(&stream, b"mn\r\n");
        expect(&stream, "MN\r\n");
        send(&stream, format!("ms new{number} 5\r\nhello\r\n").as_bytes());
        assert_eq!(rest(&stream), last, "{fault:?}");

        write!(direct, "mg new{number}\r\n").expect("a write");
        let mut found = [0; 4];
        direct.read_exact(&mut found).expect("a reply");
        assert_eq!(found, if is_done { *b"HD\r\n" } else { *b"EN\r\n" }, "{fault:?}");
    }
}

#[test]
fn a_fault_on_every_message_stays_until_it_is_healed() {
    let Some((_server, proxy)) = site() else { return };
    let all = [VALUE_A, VALUE_B, VALUE_C].concat();
    for place in [Place::EveryRequest, Place::EveryReply] {
        proxy.plan(place, Fault::Swallow);
        assert_eq!((get_all(&proxy), get_all(&proxy)), Default::default(), "{place:?}");
        proxy.heal();
        assert_eq!(get_all(&proxy), all);

        proxy.plan(place, Fault::Swap);
        assert_eq!(get_all(&proxy), [VALUE_B, VALUE_A].concat(), "no third to swap with");
        proxy.heal();
    }
}

#[test]
fn a_delayed_reply_comes_later_and_the_next_after_it() {
    let Some((_server, proxy)) = site() else { return };
    let delay = Duration::from_millis(30);
    for place in [Place::Request(1), Place::Reply(1)] {
        proxy.plan(place, Fault::Delay(delay));
        let stream = proxy.connect();
        send(&stream, GET_A);
        expect(&stream, VALUE_A);
        let start = Instant::now();
        send(&stream, &[GET_B, GET_A].concat());
        expect(&stream, VALUE_B);
        assert!(start.elapsed() >= delay, "{:?}", start.elapsed());
        expect(&stream, VALUE_A);
    }
}

#[test]
fn a_held_reply_waits_for_its_release() {
    let Some((_server, proxy)) = site() else { return };
    for place in [Place::Request(1), Place::Reply(1)] {
        proxy.reset();
        proxy.plan(place, Fault::Hold);
        let stream = proxy.connect();
        send(&stream, GET_ALL);
        expect(&stream, VALUE_A);
        proxy.wait_for("the fault", |counts| counts.faults == 1);
        assert!(!is_readable(&stream));
        // Others go on.
        assert_eq!(get_all(&proxy), [VALUE_A, VALUE_B, VALUE_C].concat());
        assert!(!is_readable(&stream));
        proxy.release();
        expect(&stream, VALUE_B);
        expect(&stream, VALUE_C);
    }
    // That a client gives up is seen while its reply is held.
    proxy.wait_for("the last clients to be gone", |counts| counts.open == 0);
    proxy.plan(Place::Reply(0), Fault::Hold);
    let stream = proxy.connect();
    send(&stream, GET_A);
    proxy.wait_for("the fault", |counts| counts.faults == 2);
    assert_eq!(proxy.counts().open, 1);
    drop(stream);
    proxy.wait_for("the client to be gone", |counts| counts.open == 0);
    // What comes after a release is not held, planned before it as it was.
    proxy.plan(Place::Reply(0), Fault::Hold);
    proxy.plan(Place::EveryRequest, Fault::Hold);
    proxy.release();
    assert_eq!(get_all(&proxy), [VALUE_A, VALUE_B, VALUE_C].concat());
}

fn is_readable(stream: &Stream) -> bool {
    let Stream::Unix(stream) = stream else { panic!("a Unix socket is asked") };
    stream.set_nonblocking(true).expect("a flag");
    let read = (&*stream).read(&mut [0]);
    stream.set_nonblocking(false).expect("a flag");
    !matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn faults_count_over_all_connections() {
    let Some((_server, proxy)) = site() else { return };
    proxy.plan(Place::Reply(1), Fault::CutBefore);
    proxy.plan(Place::Reply(2), Fault::Replace(b"HD\r\n".to_vec()));
    let [first, second] = [proxy.connect(), proxy.connect()];
    send(&first, GET_A);
    expect(&first, VALUE_A);
    send(&second, GET_A);
    assert_eq!(rest(&second), "");
    send(&first, GET_A);
    expect(&first, "HD\r\n");
}

#[test]
fn a_list_is_one_reply() {
    let Some((_server, proxy)) = site() else { return };
    proxy.plan(Place::Reply(0), Fault::Swallow);
    proxy.plan(Place::Reply(2), Fault::Swallow);
    let stream = proxy.connect();
    send(&stream, b"stats settings\r\nmn\r\nget a b\r\nmn\r\n");
    stream.shutdown(Shutdown::Write);
    assert_eq!(rest(&stream), "MN\r\nMN\r\n");
    assert_eq!(proxy.counts().replies, 4);
}

#[test]
fn requests_replies_and_waits_are_counted() {
    let Some((_server, proxy)) = site() else { return };
    let stream = proxy.connect();
    // Two requests in one write are one wait.
    send(&stream, b"ms x 2 T60 ME\r\nmn\r\nmg x v\r\n");
    expect(&stream, "HD\r\nVA 2\r\nmn\r\n");
    // A quiet request is none.
    send(&stream, b"md x q\r\n");
    send(&stream, b"mg x v\r\n");
    expect(&stream, "EN\r\n");
    let other = proxy.connect();
    send(&other, b"set y 0 0 4\r\nmg z\r\n");
    expect(&other, "STORED\r\n");
    send(&other, b"mn\r\n");
    expect(&other, "MN\r\n");
    drop(other);
    proxy.wait_for("the end of a connection", |counts| counts.open == 1);

    let log = ["ms x", "mg x", "md x", "mg x", "set y", "mn"];
    assert_eq!(proxy.log(), log);
    let words = |words: &[(&str, usize)]| {
        words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
    };
    let first = Counts {
        connections: 1,
        open: 1,
        requests: words(&[("ms", 1), ("mg", 2), ("md", 1)]),
        replies: 3,
        waits: 2,
        faults: 0,
    };
    let second = Counts {
        connections: 1,
        open: 0,
        requests: words(&[("set", 1), ("mn", 1)]),
        replies: 2,
        waits: 2,
        faults: 0,
    };
    assert_eq!(proxy.counts_of_each(), [first, second]);
    let total = proxy.counts();
    assert_eq!((total.connections, total.replies, total.waits), (2, 5, 4));
    assert_eq!((total.of("mg"), total.of("mn"), total.of("ma")), (2, 1, 0));

    proxy.reset();
    assert_eq!(proxy.counts(), Counts { open: 1, ..Counts::default() });
    assert!(proxy.log().is_empty());
    send(&stream, b"mn\r\n");
    expect(&stream, "MN\r\n");
    assert_eq!((proxy.counts().waits, proxy.log()), (1, vec!["mn".to_owned()]));
}

/// The same conversation with and without a proxy: a thousand requests in one pipeline, among them
/// values of a megabyte that look like replies.
#[test]
fn without_faults_all_passes_unchanged() {
    let Some(server) = server() else { return };
    let mut requests = Vec::new();
    for number in 0..1000 {
        match number % 100 {
            7 => {
                let mut value = bytes(number, 1 << 20);
                value[..8].copy_from_slice(b"\r\nMN\r\nEN");
                write!(requests, "ms large{number} {}\r\n", value.len()).expect("a Vec");
                requests.extend(value);
                requests.extend(b"\r\n");
            }
            9 => write!(requests, "mg large{} v s\r\n", number - 2).expect("a Vec"),
            11 => requests.extend(b"nonsense \0\xff\r\n"),
            _ => write!(requests, "ms k{number} 2\r\n\r\n\r\nmg k{number} v\r\n").expect("a Vec"),
        }
    }
    let talk = |stream: &Stream| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                send(stream, &requests);
                stream.shutdown(Shutdown::Write);
            });
            let mut found = Vec::new();
            (&mut &*stream).read_to_end(&mut found).expect("the end of the connection");
            found
        })
    };
    let direct = talk(&Stream::Unix(server.connect()));
    assert!(direct.len() > 10 << 20, "{} bytes", direct.len());
    for proxy in [Proxy::unix(address(&server)), Proxy::tcp(address(&server))] {
        assert!(talk(&proxy.connect()) == direct, "{:?}", proxy.address());
        assert_eq!(proxy.counts().of("nonsense"), 10);
        // A proxy before a proxy: the server's address may be a port.
        let outer = Proxy::unix(proxy.address().clone());
        assert!(talk(&outer.connect()) == direct);
    }
}

#[test]
fn what_is_half_when_it_ends_passes_too() {
    let Some((_server, proxy)) = site() else { return };
    let inner = Proxy::unix(proxy.address().clone());
    proxy.plan(Place::Reply(1), Fault::CutInside(5));
    assert_eq!(get_all(&inner), format!("{VALUE_A}VA 2\r"));
}

#[test]
fn latency_delays_all_and_slows_down_nothing() {
    let Some((_server, proxy)) = site() else { return };
    let each_way = Duration::from_millis(50);
    proxy.latency(each_way);
    let stream = proxy.connect();
    let start = Instant::now();
    for _ in 0..100 {
        // Each its own write, all on their way together.
        send(&stream, GET_A);
    }
    expect(&stream, VALUE_A);
    assert!(start.elapsed() >= 2 * each_way, "{:?}", start.elapsed());
    expect(&stream, &VALUE_A.repeat(99));
    assert!(start.elapsed() < 20 * each_way, "{:?}", start.elapsed());
}

#[test]
fn a_closed_door_refuses_and_an_open_one_takes_again() {
    let Some(server) = server() else { return };
    for proxy in [Proxy::unix(address(&server)), Proxy::tcp(address(&server))] {
        let stream = proxy.connect();
        for _ in 0..3 {
            send(&stream, GET_A);
            expect(&stream, VALUE_A);
            proxy.refuse();
            let refused = match proxy.address() {
                Address::Unix(path) => std::os::unix::net::UnixStream::connect(path).err(),
                Address::Tcp(address) => TcpStream::connect(address).err(),
            };
            let kind = refused.map(|error| error.kind());
            assert_eq!(kind, Some(ErrorKind::ConnectionRefused), "{:?}", proxy.address());
            // Who is connected stays so.
            send(&stream, GET_A);
            expect(&stream, VALUE_A);
            proxy.accept();
            assert_eq!(get_all(&proxy), [VALUE_A, VALUE_B, VALUE_C].concat());
        }
    }
}

#[test]
fn a_clogged_door_lets_nobody_in() {
    let Some(server) = server() else { return };
    for proxy in [Proxy::unix(address(&server)), Proxy::tcp(address(&server))] {
        proxy.clog();
        match proxy.address() {
            Address::Unix(path) => {
                let flags = SocketFlags::NONBLOCK;
                let kind = SocketType::STREAM;
                let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None);
                let address = SocketAddrUnix::new(path).expect("a short path");
                let connected = rustix::net::connect(socket.expect("a socket"), &address);
                assert_eq!(connected, Err(rustix::io::Errno::AGAIN));
            }
            Address::Tcp(address) => {
                let timeout = Duration::from_millis(100);
                let error = TcpStream::connect_timeout(address, timeout).expect_err("no room");
                assert_eq!(error.kind(), ErrorKind::TimedOut);
            }
        }
        assert_eq!(proxy.counts().connections, 0);
        proxy.accept();
        assert_eq!(get_all(&proxy), [VALUE_A, VALUE_B, VALUE_C].concat());
    }
}

/// A process that is being started has all descriptors until it is its own program.
#[test]
fn a_door_opens_again_while_others_are_being_started() {
    let Some(server) = server() else { return };
    let proxies = [Proxy::unix(address(&server)), Proxy::tcp(address(&server))];
    let others = thread::spawn(|| {
        for _ in 0..100 {
            assert!(Command::new("true").status().expect("coreutils").success());
        }
    });
    while !others.is_finished() {
        for proxy in &proxies {
            proxy.clog();
            proxy.accept();
            proxy.refuse();
            proxy.accept();
        }
    }
    others.join().expect("they start");
    for proxy in &proxies {
        assert_eq!(get_all(proxy), [VALUE_A, VALUE_B, VALUE_C].concat());
    }
}

#[test]
fn a_cut_ends_all_connections_and_new_ones_work() {
    let Some((_server, proxy)) = site() else { return };
    let streams: Vec<Stream> = (0..5).map(|_| proxy.connect()).collect();
    proxy.plan(Place::Reply(0), Fault::Hold);
    proxy.plan(Place::Reply(1), Fault::Delay(Duration::from_secs(3600)));
    send(&streams[0], GET_A);
    send(&streams[1], GET_A);
    proxy.wait_for("connections and faults", |counts| counts.open == 5 && counts.faults == 2);
    proxy.cut();
    for stream in &streams {
        assert_eq!(rest(stream), "");
    }
    proxy.wait_for("their ends", |counts| counts.open == 0);
    assert_eq!(get_all(&proxy), [VALUE_A, VALUE_B, VALUE_C].concat());
}

#[test]
fn a_server_that_is_gone_ends_the_connection() {
    let Some((server, proxy)) = site() else { return };
    let stream = proxy.connect();
    send(&stream, GET_A);
    expect(&stream, VALUE_A);
    drop(server);
    assert_eq!(rest(&stream), "");
    assert_eq!(rest(&proxy.connect()), "");
}

/// The replies of one conversation under random faults, and the faults.
fn random_talk(server: &Memcached, seed: u64, share: f64) -> (Vec<Vec<u8>>, Vec<Fault>) {
    let proxy = Proxy::unix(address(server));
    proxy.random(seed, share, Duration::from_micros(100));
    let replies = (0..40).map(|_| {
        let stream = proxy.connect();
        send(&stream, &GET_ALL.repeat(3));
        stream.shutdown(Shutdown::Write);
        let mut found = Vec::new();
        (&mut &stream).read_to_end(&mut found).expect("the end of the connection");
        found
    });
    (replies.collect(), proxy.faults())
}

#[test]
fn random_faults_come_from_the_seed() {
    let Some(server) = server() else { return };
    let mut random = seeded();
    let seed = random.u64(..);
    let (replies, faults) = random_talk(&server, seed, 0.3);
    assert!(!faults.is_empty());
    assert_eq!(random_talk(&server, seed, 0.3), (replies.clone(), faults));
    assert_ne!(random_talk(&server, seed ^ 1, 0.3).0, replies);

    let (replies, faults) = random_talk(&server, seed, 0.0);
    let all = [VALUE_A, VALUE_B, VALUE_C].concat().repeat(3).into_bytes();
    assert_eq!((replies, faults), (vec![all; 40], vec![]));
}

#[test]
fn all_random_faults_happen() {
    let Some(server) = server() else { return };
    let kinds = |faults: &[Fault]| {
        let kind = |fault: &Fault| std::mem::discriminant(fault);
        faults.iter().map(kind).collect::<std::collections::HashSet<_>>().len()
    };
    let (_, faults) = random_talk(&server, 1, 1.0);
    assert_eq!(kinds(&faults), 9, "{faults:?}");
}

/// In a fork, whose threads are its own and those of the proxy.
#[test]
fn no_thread_survives_its_proxy() {
    let Some(server) = server() else { return };
    let address = address(&server);
    let threads = || fs::read_dir("/proc/self/task").expect("/proc").count();
    let mut fork = Child::start(|parent| {
        for start in [Proxy::unix, Proxy::tcp] {
            let proxy = start(address.clone());
            // One is held, one delayed, one does not read, one says nothing and one is gone.
            let streams: Vec<Stream> = (0..4).map(|_| proxy.connect()).collect();
            drop(proxy.connect());
            proxy.plan(Place::Reply(0), Fault::Hold);
            proxy.plan(Place::Reply(1), Fault::Delay(Duration::from_secs(3600)));
            send(&streams[0], GET_A);
            send(&streams[1], GET_A);
            proxy.wait_for("the faults", |counts| counts.faults == 2);
            send(&streams[2], b"ms full 1000000\r\n");
            send(&streams[2], &vec![0; 1_000_000]);
            send(&streams[2], b"\r\n");
            send(&streams[2], &b"mg full v\r\n".repeat(100));
            proxy.wait_for("the connections", |counts| {
                (counts.connections, counts.open, counts.of("mg")) == (5, 4, 102)
            });
            assert!(threads() > 17, "{} threads", threads());
            drop(proxy);
            for stream in &streams {
                // What was sent before the end may still be there, a reset may be the end.
                let _ = (&mut &*stream).read_to_end(&mut Vec::new());
            }
            wait_for("the end of the threads", || threads() == 1);
        }
        parent.say("done");
    });
    assert_eq!(fork.line(), "done");
}
