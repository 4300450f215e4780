//! The classic protocol against a real memcached that knows nothing else, and against servers that
//! say what no server should.

mod support;

use sessclust_engine::limits::{MEMCACHED_ITEM_OVERHEAD_BYTES, MEMCACHED_SPAN_S_MAX};
use sessclust_engine::node::Answer;
use sessclust_engine::node::classic::Classic;
use sessclust_engine::wire::Decoded;
use sessclust_engine::wire::memcached::meta::{
    Condition, Limits, Opaque, Reply, Request, Wants, decode, encode, is_spoken,
};
use sessclust_engine::wire::memcached::{Cas, Key, ServerError, Ttl};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, SystemTime};
use support::classic_only::ClassicOnly;
use support::memcached::Memcached;
use tokio::runtime::{Builder, Runtime};

const OPAQUE: Opaque = Opaque(7);
const UNKNOWN_CAS: u64 = u64::MAX;

fn cas(number: u64) -> Cas {
    Cas::new(number).expect("not 0")
}

fn ttl(seconds: u64) -> Ttl {
    Ttl::new(Duration::from_secs(seconds), SystemTime::now)
}

fn key(name: &str) -> Key<'_> {
    Key::new(name.as_bytes()).expect("a key")
}

fn get(name: &str) -> Request<'_> {
    Request::Get { key: key(name), wants: Wants::Life, opaque: OPAQUE }
}

fn touch(name: &str, ttl: Ttl) -> Request<'_> {
    Request::Touch { key: key(name), ttl, opaque: OPAQUE }
}

fn set<'a>(name: &'a str, value: &'a [u8], ttl: Ttl, condition: Condition) -> Request<'a> {
    Request::Set { key: key(name), value, ttl, condition, opaque: OPAQUE }
}

fn add<'a>(name: &'a str, value: &'a [u8]) -> Request<'a> {
    set(name, value, Ttl::UNLIMITED, Condition::Absent)
}

fn replace<'a>(name: &'a str, cas: Cas, value: &'a [u8]) -> Request<'a> {
    set(name, value, Ttl::UNLIMITED, Condition::Unchanged(cas))
}

fn delete(name: &str, cas: Cas) -> Request<'_> {
    Request::Delete { key: key(name), cas, is_quiet: false, opaque: OPAQUE }
}

/// A connection, and the runtime that drives it.
struct Client {
    runtime: Runtime,
    classic: Classic<tokio::net::UnixStream>,
    limits: Limits,
}

impl Client {
    fn new(stream: UnixStream) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let stream = runtime.block_on(async {
            stream.set_nonblocking(true).expect("a socket");
            tokio::net::UnixStream::from_std(stream).expect("a socket")
        });
        Self { runtime, classic: Classic::new(stream), limits: Limits::default() }
    }

    fn try_ask(&mut self, request: &Request<'_>) -> io::Result<Answer> {
        let answer = async {
            let answer = self.classic.execute(request, &self.limits);
            tokio::time::timeout(support::PATIENCE, answer).await.expect("an answer in time")
        };
        self.runtime.block_on(answer)
    }

    #[track_caller]
    fn ask(&mut self, request: &Request<'_>) -> Answer {
        self.try_ask(request).expect("an answer")
    }

    /// The CAS that a request has made.
    #[track_caller]
    fn ask_cas(&mut self, request: &Request<'_>) -> Cas {
        match self.ask(request) {
            Answer::Done { cas: Some(cas) } => cas,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn value(&mut self, name: &str) -> (Vec<u8>, Cas) {
        match self.ask(&get(name)) {
            Answer::Value { bytes, cas: Some(cas), .. } => (bytes, cas),
            other => panic!("{other:?}"),
        }
    }
}

/// A memcached that knows classic commands only, and a connection to it.
fn old_server(options: &[&str]) -> Option<(Memcached, ClassicOnly, Client)> {
    let server = Memcached::start(options)?;
    let proxy = ClassicOnly::before(&server);
    let client = Client::new(proxy.connect());
    Some((server, proxy, client))
}

/// What the server says for itself about the time that an item has left, in seconds; -1 for no end.
fn seconds_left(server: &Memcached, name: &str) -> i64 {
    let mut stream = server.connect();
    write!(stream, "mg {name} t\r\n").expect("memcached reads");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("memcached answers");
    let seconds = line.strip_prefix("HD t").map(str::trim_end);
    seconds.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn an_item_lives_through_all_requests_by_acknowledged_commands_only() {
    let Some((_server, proxy, mut client)) = old_server(&[]) else { return };
    let first = client.ask_cas(&add("a", b"one"));
    assert_eq!(client.value("a"), (b"one".to_vec(), first));
    let second = client.ask_cas(&replace("a", first, b"two"));
    assert_eq!(client.value("a"), (b"two".to_vec(), second));
    let third = client.ask_cas(&touch("a", Ttl::UNLIMITED));
    assert_eq!(client.value("a"), (b"two".to_vec(), third));
    assert!(first != second && second != third);
    assert_eq!(client.ask(&delete("a", third)), Answer::Done { cas: None });
    assert_eq!(client.ask(&get("a")), Answer::Missing);
    let commands = [("add", 1), ("cas", 3), ("gets", 8)];
    assert_eq!(proxy.commands(), commands.map(|(word, count)| (word.to_owned(), count)).into());
}

#[test]
fn nothing_is_done_to_an_item_that_is_not_there() {
    let Some((_server, _proxy, mut client)) = old_server(&[]) else { return };
    let requests = [
        get("a"),
        touch("a", Ttl::UNLIMITED),
        replace("a", cas(UNKNOWN_CAS), b"new"),
        delete("a", cas(UNKNOWN_CAS)),
    ];
    for request in requests {
        assert_eq!(client.ask(&request), Answer::Missing, "{request:?}");
    }
    assert_eq!(client.ask(&get("a")), Answer::Missing);
}

#[test]
fn nothing_is_done_to_an_item_that_is_not_as_it_should_be() {
    let Some((_server, _proxy, mut client)) = old_server(&[]) else { return };
    let stored = client.ask_cas(&add("a", b"somebody's"));
    let requests =
        [add("a", b"ours"), replace("a", cas(UNKNOWN_CAS), b"ours"), delete("a", cas(UNKNOWN_CAS))];
    for request in requests {
        assert_eq!(client.ask(&request), Answer::Refused, "{request:?}");
        assert_eq!(client.value("a"), (b"somebody's".to_vec(), stored));
    }
}

#[test]
fn a_deleted_item_is_gone_at_once_and_can_be_added_again() {
    let Some((server, proxy, mut client)) = old_server(&[]) else { return };
    let mut other = Client::new(proxy.connect());
    for is_quiet in [false, true] {
        let stored = client.ask_cas(&add("a", b"one"));
        let delete = Request::Delete { key: key("a"), cas: stored, is_quiet, opaque: OPAQUE };
        assert_eq!(client.ask(&delete), Answer::Done { cas: None });
        // Also for those who ask in other ways.
        let mut stream = server.connect();
        stream.write_all(b"mg a v\r\n").expect("memcached reads");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("memcached answers");
        assert_eq!(line, "EN\r\n");
        let again = other.ask_cas(&add("a", b"two"));
        assert_eq!(client.ask(&delete), Answer::Refused);
        assert_eq!(client.ask(&self::delete("a", again)), Answer::Done { cas: None });
    }
}

#[test]
fn a_value_may_hold_any_bytes() {
    let Some((_server, _proxy, mut client)) = old_server(&[]) else { return };
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let values: [&[u8]; 10] = [
        b"",
        b"x",
        b"\r\n",
        b"\r\nEND\r\n",
        b"END\r\n",
        b"VALUE a 0 1 1\r\nx\r\nEND\r\n",
        b"SERVER_ERROR out of memory\r\n",
        b"\0",
        b"mn\r\n",
        &all,
    ];
    let mut stored = client.ask_cas(&add("a", b"first"));
    for value in values {
        let added = client.ask_cas(&add("b", value));
        assert_eq!(client.value("b"), (value.to_vec(), added), "{}", value.escape_ascii());
        stored = client.ask_cas(&replace("a", stored, value));
        assert_eq!(client.value("a"), (value.to_vec(), stored), "{}", value.escape_ascii());
        stored = client.ask_cas(&touch("a", Ttl::UNLIMITED));
        assert_eq!(client.value("a"), (value.to_vec(), stored), "{}", value.escape_ascii());
        assert_eq!(client.ask(&delete("b", added)), Answer::Done { cas: None });
    }
}

#[test]
fn a_value_may_be_as_large_as_the_server_allows() {
    const LIMIT: usize = 1 << 20;
    let Some((_server, _proxy, mut client)) = old_server(&["-I", "1m"]) else { return };
    let largest = LIMIT - MEMCACHED_ITEM_OVERHEAD_BYTES - "a".len();
    for length in [1, 4095, 4096, 4097, 65_536, largest] {
        let value = support::bytes(length as u64, length);
        let added = client.ask_cas(&add("a", &value));
        assert!(client.value("a") == (value.clone(), added), "{length} bytes");
        let replaced = client.ask_cas(&replace("a", added, &value));
        let touched = client.ask_cas(&touch("a", Ttl::UNLIMITED));
        assert!(client.value("a") == (value, touched) && touched != replaced, "{length} bytes");
        assert_eq!(client.ask(&delete("a", touched)), Answer::Done { cas: None });
    }
    let too_large = support::bytes(1, LIMIT);
    let ask_too_large = |client: &mut Client, condition| match client.ask(&set(
        "a",
        &too_large,
        Ttl::UNLIMITED,
        condition,
    )) {
        Answer::ServerError(ServerError::TooLarge, text) => {
            assert_eq!(text, "object too large for cache");
        }
        other => panic!("{other:?}"),
    };
    ask_too_large(&mut client, Condition::Absent);
    assert_eq!(client.ask(&get("a")), Answer::Missing);
    // Unlike `ms`, `add` and `cas` leave alone what they may not replace.
    let stored = client.ask_cas(&add("a", b"small"));
    ask_too_large(&mut client, Condition::Absent);
    ask_too_large(&mut client, Condition::Unchanged(stored));
    assert_eq!(client.value("a"), (b"small".to_vec(), stored));
}

#[test]
fn a_full_server_says_so_and_goes_on() {
    let Some((_server, _proxy, mut client)) = old_server(&["-m", "2", "-M"]) else { return };
    let stored = client.ask_cas(&add("a", b"small"));
    let value = vec![b'x'; 500_000];
    let names: Vec<String> = (0..20).map(|number| format!("item-{number}")).collect();
    let refusal = names
        .iter()
        .map(|name| client.ask(&add(name, &value)))
        .find(|answer| !matches!(answer, Answer::Done { cas: Some(_) }));
    let Some(Answer::ServerError(ServerError::OutOfMemory, text)) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(text, "out of memory storing object");
    assert_eq!(client.value("a"), (b"small".to_vec(), stored));
}

#[test]
fn an_item_lives_as_long_as_it_is_told() {
    let Some((server, _proxy, mut client)) = old_server(&[]) else { return };
    let year = 365 * 24 * 60 * 60;
    for seconds in [100, MEMCACHED_SPAN_S_MAX, MEMCACHED_SPAN_S_MAX + 100, year] {
        // A server's clock ticks once a second, and a test may be held up.
        let expected = seconds as i64 - 60..=seconds as i64 + 2;
        let added = client.ask_cas(&set("a", b"one", ttl(seconds), Condition::Absent));
        assert!(expected.contains(&seconds_left(&server, "a")), "{seconds}");
        let replaced = client.ask_cas(&replace("a", added, b"two"));
        assert_eq!(seconds_left(&server, "a"), -1);
        let condition = Condition::Unchanged(replaced);
        client.ask_cas(&set("a", b"three", ttl(seconds), condition));
        assert!(expected.contains(&seconds_left(&server, "a")), "{seconds}");
        client.ask_cas(&touch("a", Ttl::UNLIMITED));
        assert_eq!(seconds_left(&server, "a"), -1);
        let touched = client.ask_cas(&touch("a", ttl(seconds)));
        assert!(expected.contains(&seconds_left(&server, "a")), "{seconds}");
        assert_eq!(client.ask(&delete("a", touched)), Answer::Done { cas: None });
    }
}

#[test]
fn a_key_may_be_as_long_and_odd_as_keys_can_be() {
    let Some((_server, _proxy, mut client)) = old_server(&[]) else { return };
    let odd: String = ('!'..='~').collect();
    for name in ["x", &odd, &"k".repeat(250)] {
        let added = client.ask_cas(&add(name, name.as_bytes()));
        let touched = client.ask_cas(&touch(name, Ttl::UNLIMITED));
        assert_eq!(client.value(name), (name.as_bytes().to_vec(), touched));
        assert_eq!(client.ask(&delete(name, added)), Answer::Refused);
    }
}

#[test]
fn a_server_without_cas_is_noticed() {
    let Some((_server, _proxy, mut client)) = old_server(&["-C"]) else { return };
    for request in [add("a", b"one"), get("a"), touch("a", Ttl::UNLIMITED)] {
        let error = client.try_ask(&request).expect_err("no CAS");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "the server has no CAS (is it started with -C?)");
    }
}

#[test]
fn a_server_that_knows_no_meta_command_is_told_apart_and_goes_on() {
    let Some(server) = Memcached::start(&[]) else { return };
    let proxy = ClassicOnly::before(&server);
    for (stream, is_meta) in [(server.connect(), true), (proxy.connect(), false)] {
        let mut sent = Vec::new();
        encode(&Request::Version, &mut sent);
        encode(&Request::Noop, &mut sent);
        (&stream).write_all(&sent).expect("the server reads");
        let mut lines = BufReader::new(&stream).split(b'\n').map(|line| {
            let line = [&line.expect("an answer")[..], b"\n"].concat();
            match decode(&line, &Limits::default()) {
                Ok(Decoded::Reply { reply: Reply::Version(_), .. }) => Reply::Version(b"1.6.18"),
                Ok(Decoded::Reply { reply: Reply::Mn, .. }) => Reply::Mn,
                Ok(Decoded::Reply { reply: Reply::Error(b""), .. }) => Reply::Error(b""),
                other => panic!("{other:?}"),
            }
        });
        let (version, noop) = (lines.next().expect("a line"), lines.next().expect("a line"));
        drop(lines);
        assert_eq!(is_spoken(&version, &noop), is_meta);
        let mut client = Client::new(stream);
        client.ask_cas(&add(if is_meta { "a" } else { "b" }, b"one"));
    }
}

/// A server that gives these replies, each when something has been asked, and then closes. What it
/// was asked comes back with the answer.
fn scripted(request: &Request<'_>, replies: &[&[u8]]) -> (io::Result<Answer>, Vec<String>) {
    scripted_within(request, replies, Limits::default())
}

fn scripted_within(
    request: &Request<'_>,
    replies: &[&[u8]],
    limits: Limits,
) -> (io::Result<Answer>, Vec<String>) {
    let (near, mut far) = UnixStream::pair().expect("a socket");
    far.set_read_timeout(Some(support::PATIENCE)).expect("a timeout");
    thread::scope(|scope| {
        let server = scope.spawn(move || {
            let mut asked = Vec::new();
            for reply in replies {
                // A command comes in one write.
                let mut command = [0; 4096];
                let count = far.read(&mut command).expect("a command in time");
                asked.push(command[..count].escape_ascii().to_string());
                // The client may have gone in the middle of it.
                let _ = far.write_all(reply);
            }
            asked
        });
        let mut client = Client::new(near);
        client.limits = limits;
        let answer = client.try_ask(request);
        drop(client);
        (answer, server.join().expect("no panic"))
    })
}

/// A request, the replies to its commands, its answer, and the commands.
type Exchange<'a> = (Request<'a>, &'a [&'a [u8]], Answer, &'a [&'a str]);

#[test]
fn a_command_is_one_write_of_the_bytes_that_the_protocol_asks_for() {
    const VALUE: &[u8] = b"VALUE a 0 3 9\r\none\r\nEND\r\n";
    let span = ttl(100);
    let done = |number| Answer::Done { cas: Cas::new(number) };
    let value = Answer::Value { bytes: b"one".to_vec(), cas: Cas::new(9), time_left: None };
    let cases: [Exchange<'_>; 6] = [
        (get("a"), &[VALUE], value, &["gets a\\r\\n"]),
        (
            set("a", b"one", span, Condition::Absent),
            &[b"STORED\r\n", VALUE],
            done(9),
            &["add a 0 100 3\\r\\none\\r\\n", "gets a\\r\\n"],
        ),
        (
            set("a", b"one", span, Condition::Unchanged(cas(8))),
            &[b"STORED\r\n", VALUE],
            done(9),
            &["cas a 0 100 3 8\\r\\none\\r\\n", "gets a\\r\\n"],
        ),
        (
            touch("a", span),
            &[b"VALUE a 0 3 8\r\none\r\nEND\r\n", b"STORED\r\n", VALUE],
            done(9),
            &["gets a\\r\\n", "cas a 0 100 3 8\\r\\none\\r\\n", "gets a\\r\\n"],
        ),
        (
            delete("a", cas(UNKNOWN_CAS)),
            &[b"STORED\r\n"],
            done(0),
            &["cas a 0 2592001 0 18446744073709551615\\r\\n\\r\\n"],
        ),
        // What memcached's protocol allows, though its own `cas` never says so.
        (
            replace("a", cas(8), b""),
            &[b"NOT_STORED\r\n"],
            Answer::Refused,
            &["cas a 0 0 0 8\\r\\n\\r\\n"],
        ),
    ];
    for (request, replies, answer, commands) in cases {
        let (found, asked) = scripted(&request, replies);
        assert_eq!(found.expect("an answer"), answer, "{request:?}");
        assert_eq!(asked, commands, "{request:?}");
    }
}

#[test]
fn who_is_overtaken_after_a_set_does_not_take_the_cas_of_another() {
    const OTHERS: &[u8] = b"VALUE a 0 6 9\r\nothers\r\nEND\r\n";
    let stored: &[u8] = b"STORED\r\n";
    for after in [OTHERS, b"END\r\n"] {
        let (answer, _) = scripted(&add("a", b"ours"), &[stored, after]);
        assert_eq!(answer.expect("an answer"), Answer::Refused);
        let (answer, _) = scripted(&replace("a", cas(8), b"ours"), &[stored, after]);
        assert_eq!(answer.expect("an answer"), Answer::Done { cas: None });
        let ours = b"VALUE a 0 4 8\r\nours\r\nEND\r\n";
        let (answer, _) = scripted(&touch("a", Ttl::UNLIMITED), &[ours, stored, after]);
        assert_eq!(answer.expect("an answer"), Answer::Done { cas: None });
    }
}

#[test]
fn a_touch_that_is_overtaken_is_tried_again_three_times_in_all() {
    const VALUES: [&[u8]; 3] = [
        b"VALUE a 0 1 7\r\n1\r\nEND\r\n",
        b"VALUE a 0 1 8\r\n2\r\nEND\r\n",
        b"VALUE a 0 1 9\r\n3\r\nEND\r\n",
    ];
    let touch = touch("a", Ttl::UNLIMITED);
    let exists: &[u8] = b"EXISTS\r\n";
    let (answer, asked) =
        scripted(&touch, &[VALUES[0], exists, VALUES[1], exists, VALUES[2], exists]);
    assert_eq!(answer.expect("an answer"), Answer::Refused);
    let commands = ["cas a 0 0 1 7\\r\\n1\\r\\n", "cas a 0 0 1 8\\r\\n2\\r\\n"];
    assert_eq!([&asked[1], &asked[3]], commands);
    let (answer, _) = scripted(&touch, &[VALUES[0], exists, VALUES[1], b"STORED\r\n", VALUES[1]]);
    assert_eq!(answer.expect("an answer"), Answer::Done { cas: Cas::new(8) });
    // The item may go while it is touched.
    let (answer, _) = scripted(&touch, &[VALUES[0], exists, b"END\r\n"]);
    assert_eq!(answer.expect("an answer"), Answer::Missing);
    let (answer, _) = scripted(&touch, &[VALUES[0], b"NOT_FOUND\r\n"]);
    assert_eq!(answer.expect("an answer"), Answer::Missing);
}

/// In MySQL NDB Cluster an item that has ended goes when somebody asks for it.
#[test]
fn an_item_that_has_ended_and_is_in_the_way_is_asked_for_once() {
    const OURS: &[u8] = b"VALUE a 0 4 9\r\nours\r\nEND\r\n";
    let (refused, none): (&[u8], &[u8]) = (b"NOT_STORED\r\n", b"END\r\n");
    let (answer, asked) = scripted(&add("a", b"ours"), &[refused, none, b"STORED\r\n", OURS]);
    assert_eq!(answer.expect("an answer"), Answer::Done { cas: Cas::new(9) });
    let add_line = "add a 0 0 4\\r\\nours\\r\\n";
    assert_eq!(asked, [add_line, "gets a\\r\\n", add_line, "gets a\\r\\n"]);
    let (answer, asked) = scripted(&add("a", b"ours"), &[refused, none, refused]);
    assert_eq!(answer.expect("an answer"), Answer::Refused);
    assert_eq!(asked.len(), 3);
    // Equal bytes are ours only where we have stored them.
    let (answer, asked) = scripted(&add("a", b"ours"), &[refused, OURS]);
    assert_eq!(answer.expect("an answer"), Answer::Refused);
    assert_eq!(asked.len(), 2);
}

#[test]
fn what_a_server_could_not_do_is_an_answer_and_what_it_does_not_know_an_error() {
    let full = |text: &str| Answer::ServerError(ServerError::OutOfMemory, text.to_owned());
    for request in [get("a"), add("a", b""), replace("a", cas(8), b""), delete("a", cas(8))] {
        let answer = |reply: &[u8]| scripted(&request, &[reply]).0;
        let text = b"SERVER_ERROR out of memory, says \"\t\"\r\n";
        assert_eq!(answer(text).expect("an answer"), full("out of memory, says \\\"\\t\\\""));
        let error = answer(b"SERVER_ERROR\r\n").expect_err("no text");
        assert_eq!(error.to_string(), "the server says SERVER_ERROR");
        for text in ["ERROR", "ERROR Too many open connections", "CLIENT_ERROR line too long"] {
            let error = answer(format!("{text}\r\n").as_bytes()).expect_err("an error");
            assert_eq!(error.to_string(), format!("the server says {text}"));
        }
        // memcache-async reads UTF-8.
        let error = answer(b"SERVER_ERROR \xff\r\n").expect_err("an error");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
    // It is stored, so that the server could not is no answer any more.
    let (answer, _) = scripted(&add("a", b""), &[b"STORED\r\n", b"SERVER_ERROR out of memory\r\n"]);
    assert!(answer.expect_err("unknown").to_string().starts_with("stored, but then"));
}

#[test]
fn nonsense_is_an_error() {
    let to_gets: [&[u8]; 28] = [
        b"\r\n",
        b"\n",
        b"garbage\r\n",
        b"END\n",
        b"ENDE\r\n",
        b"END \r\n",
        b"END\r\nEND\r\n",
        b"STORED\r\n",
        b"ERRORS\r\n",
        b"ERROR\r\nEND\r\n",
        b"VALUE\r\n",
        b"VALUE \r\n",
        b"VALUE a\r\n",
        b"VALUE a 0 1 9 9\r\nx\r\nEND\r\n",
        b"VALUE a 0  9\r\nx\r\nEND\r\n",
        b"VALUE a 0 x 9\r\nx\r\nEND\r\n",
        b"VALUE a 0 -1 9\r\nx\r\nEND\r\n",
        b"VALUE a 0 1 x\r\nx\r\nEND\r\n",
        b"VALUE a 0 1 18446744073709551616\r\nx\r\nEND\r\n",
        b"VALUE a 0 1 9\r\nx\r\nEND\n\n",
        b"VALUE a 0 1 9\r\nxx\r\nEND\r\n",
        b"VALUE a 0 2 9\r\nx\r\nEND\r\n_",
        b"VALUE a 0 1 9\r\nx\r\nEND\r\nEND\r\n",
        b"VALUE a 0 1 9\r\nx\r\nVALUE a 0 1 9\r\nx\r\nEND\r\n",
        b"VALUE b 0 1 9\r\nx\r\nEND\r\n",
        b"VALUE \xff 0 1 9\r\nx\r\nEND\r\n",
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\n",
    ];
    for reply in to_gets {
        let error = scripted(&get("a"), &[reply]).0.expect_err("nonsense");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{}", reply.escape_ascii());
    }
    let to_add: [&[u8]; 8] = [
        b"END\r\n",
        b"EXISTS\r\n",
        b"NOT_FOUND\r\n",
        b"STORED\r\nSTORED\r\n",
        b"STORED \r\n",
        b"OK\r\n",
        b"+OK\r\n",
        b"VALUE a 0 1 9\r\nx\r\nEND\r\n",
    ];
    for reply in to_add {
        let error = scripted(&add("a", b""), &[reply]).0.expect_err("nonsense");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{}", reply.escape_ascii());
    }
    for reply in [&b"END\r\n"[..], b"NOT FOUND\r\n", b"STOREDx\r\n", b"HD\r\n"] {
        let error = scripted(&delete("a", cas(8)), &[reply]).0.expect_err("nonsense");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{}", reply.escape_ascii());
    }
    for reply in [&b"VALUE a 0 1\r\nx\r\nEND\r\n"[..], b"VALUE a 0 1 0\r\nx\r\nEND\r\n"] {
        let error = scripted(&get("a"), &[reply]).0.expect_err("no CAS");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", reply.escape_ascii());
    }
}

#[test]
fn a_reply_that_is_cut_anywhere_is_an_error() {
    let cases: [(Request<'_>, &[u8]); 6] = [
        (get("a"), b"END\r\n"),
        (get("a"), b"VALUE a 0 7 9\r\n\r\nEND\r\n\r\nEND\r\n"),
        (get("a"), b"SERVER_ERROR out of memory\r\n"),
        (delete("a", cas(8)), b"STORED\r\n"),
        (replace("a", cas(8), b""), b"EXISTS\r\n"),
        (delete("a", cas(8)), b"NOT_FOUND\r\n"),
    ];
    for (request, reply) in cases {
        for end in 0..reply.len() {
            let error = scripted(&request, &[&reply[..end]]).0.expect_err("a cut reply");
            let cut = reply[..end].escape_ascii();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{cut} to {request:?}");
        }
        assert!(scripted(&request, &[reply]).0.is_ok(), "{}", reply.escape_ascii());
    }
}

#[test]
fn a_value_has_a_limit() {
    let limits = Limits { value_bytes_max: 100, ..Limits::default() };
    for (length, is_allowed) in [(99, true), (100, true), (101, false)] {
        let value = "x".repeat(length);
        let reply = format!("VALUE a 0 {length} 9\r\n{value}\r\nEND\r\n");
        let (answer, _) = scripted_within(&get("a"), &[reply.as_bytes()], limits);
        assert_eq!(answer.is_ok(), is_allowed, "{length}: {answer:?}");
    }
    // Refused for what is announced: nothing has to come, and no memory is asked for.
    for length in [101, 1 << 40, i64::MAX as u64, u64::MAX] {
        let line = format!("VALUE a 0 {length} 9\r\n");
        let (answer, _) = scripted_within(&get("a"), &[line.as_bytes()], limits);
        assert_eq!(answer.expect_err("too large").to_string(), "too large a value", "{length}");
    }
}

#[test]
fn a_line_has_a_limit() {
    let limits = Limits { line_bytes_max: 100, ..Limits::default() };
    for (length, is_allowed) in [(99, true), (100, true), (101, false)] {
        let text = "x".repeat(length - "SERVER_ERROR ".len());
        let reply = format!("SERVER_ERROR {text}\r\n");
        let (answer, _) = scripted_within(&get("a"), &[reply.as_bytes()], limits);
        assert_eq!(answer.is_ok(), is_allowed, "{length}: {answer:?}");
    }
    // A line without an end is not waited for.
    let endless = vec![b'x'; 1 << 24];
    for request in [get("a"), add("a", b""), delete("a", cas(8))] {
        let error = scripted(&request, &[&endless]).0.expect_err("a line without an end");
        assert_eq!(error.to_string(), "too long a line");
    }
}

#[test]
fn random_replies_are_errors_or_what_they_say() {
    let mut random = support::seeded();
    let pieces: [&[u8]; 16] = [
        b"VALUE a 0 3 9\r\n",
        b"VALUE a 0 ",
        b"VALUE ",
        b"END",
        b"\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"STORED",
        b"EXISTS",
        b"3",
        b" ",
        b" 9",
        b"one",
        b"\xff",
        b"SERVER_ERROR ",
    ];
    for _ in 0..2000 {
        let reply: Vec<u8> = (0..random.usize(1..8))
            .flat_map(|_| pieces[random.usize(..pieces.len())])
            .copied()
            .collect();
        let shown = reply.escape_ascii();
        match scripted(&get("a"), &[&reply]).0 {
            Ok(Answer::Value { bytes, cas: Some(cas), .. }) => {
                let line = format!("VALUE a 0 {} {cas}\r\n", bytes.len());
                assert_eq!(reply, [line.as_bytes(), &bytes, b"\r\nEND\r\n"].concat(), "{shown}");
            }
            Ok(Answer::Missing) => assert_eq!(reply, b"END\r\n"),
            Ok(Answer::ServerError(..)) => assert!(reply.starts_with(b"SERVER_ERROR "), "{shown}"),
            Ok(other) => panic!("{other:?} of {shown}"),
            Err(_) => {}
        }
    }
}

#[test]
fn a_request_about_no_item_is_not_sent() {
    for request in [Request::Noop, Request::Version, Request::Settings, Request::Statistics] {
        let (answer, asked) = scripted(&request, &[]);
        assert_eq!(answer.expect_err("no item").kind(), ErrorKind::InvalidInput);
        assert!(asked.is_empty());
    }
}
