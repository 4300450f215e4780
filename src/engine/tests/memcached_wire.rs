//! The meta protocol against a real memcached: what it answers is what we take it for.

mod support;

use sessclust_engine::limits::{MEMCACHED_ITEM_OVERHEAD_BYTES, MEMCACHED_SPAN_S_MAX};
use sessclust_engine::wire::Decoded;
use sessclust_engine::wire::memcached::meta::{
    Condition, Flags, Limits, Opaque, Reply, Request, Wants, decode, encode, is_spoken,
};
use sessclust_engine::wire::memcached::{Cas, Key, ServerError, Ttl};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime};
use support::memcached::Memcached;

/// A connection that never reads a byte more than the reply has at least. Were a reply shorter than
/// the codec says, it would wait in vain.
struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
    next: Opaque,
}

impl Connection {
    fn new(server: &Memcached) -> Self {
        Self { stream: server.connect(), input: Vec::new(), next: Opaque(0) }
    }

    fn opaque(&mut self) -> Opaque {
        self.next.0 += 1;
        self.next
    }

    fn get(&mut self, name: &'static str) -> Request<'static> {
        Request::Get { key: key(name), wants: Wants::Life, opaque: self.opaque() }
    }

    fn touch(&mut self, name: &'static str, ttl: Ttl) -> Request<'static> {
        Request::Touch { key: key(name), ttl, opaque: self.opaque() }
    }

    fn add<'a>(&mut self, name: &'static str, value: &'a [u8], ttl: Ttl) -> Request<'a> {
        let condition = Condition::Absent;
        Request::Set { key: key(name), value, ttl, condition, opaque: self.opaque() }
    }

    fn replace<'a>(&mut self, name: &'static str, cas: Cas, value: &'a [u8]) -> Request<'a> {
        let (ttl, condition) = (Ttl::UNLIMITED, Condition::Unchanged(cas));
        Request::Set { key: key(name), value, ttl, condition, opaque: self.opaque() }
    }

    fn delete(&mut self, name: &'static str, cas: Cas, is_quiet: bool) -> Request<'static> {
        Request::Delete { key: key(name), cas, is_quiet, opaque: self.opaque() }
    }

    /// Sends all requests in one write.
    fn send(&mut self, requests: &[Request<'_>]) {
        let mut output = Vec::new();
        requests.iter().for_each(|request| encode(request, &mut output));
        self.send_bytes(&output);
    }

    fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("memcached reads");
    }

    /// The next reply.
    fn receive(&mut self) -> Reply<'_> {
        self.input.clear();
        while let Decoded::Incomplete { at_least } = self.decoded() {
            let start = self.input.len();
            self.input.resize(at_least, 0);
            self.stream.read_exact(&mut self.input[start..]).expect("memcached writes");
        }
        match self.decoded() {
            Decoded::Reply { reply, consumed } => {
                assert_eq!(consumed, self.input.len());
                reply
            }
            Decoded::Incomplete { .. } => unreachable!("read above"),
        }
    }

    fn decoded(&self) -> Decoded<Reply<'_>> {
        decode(&self.input, &Limits::default()).expect("memcached writes replies")
    }

    /// The reply to a request.
    fn ask(&mut self, request: Request<'_>) -> Reply<'_> {
        self.send(&[request]);
        let reply = self.receive();
        assert!(reply.answers(&request), "{reply:?} to {request:?}");
        reply
    }

    /// The CAS with which a request succeeds.
    #[track_caller]
    fn ask_cas(&mut self, request: Request<'_>) -> Cas {
        match self.ask(request) {
            Reply::Hd(flags) => flags.cas.expect("a CAS"),
            other => panic!("{other:?} to {request:?}"),
        }
    }

    /// The value of an item, and what is known of it.
    #[track_caller]
    fn value(&mut self, name: &'static str) -> Option<(Vec<u8>, Flags)> {
        let get = self.get(name);
        match self.ask(get) {
            Reply::Va { value, flags } => Some((value.to_vec(), flags)),
            Reply::En(_) => None,
            other => panic!("{other:?}"),
        }
    }

    /// One of the server's settings.
    fn setting(&mut self, wanted: &str) -> Option<String> {
        let mut found = None;
        self.send(&[Request::Settings]);
        loop {
            let reply = self.receive();
            assert!(reply.answers(&Request::Settings), "{reply:?}");
            match reply {
                Reply::Stat { name, text } if name == wanted.as_bytes() => {
                    found = Some(String::from_utf8(text.to_vec()).expect("ASCII"));
                }
                Reply::End => return found,
                _ => {}
            }
        }
    }
}

fn key(name: &str) -> Key<'_> {
    Key::new(name.as_bytes()).expect("a key")
}

fn cas(number: u64) -> Cas {
    Cas::new(number).expect("not 0")
}

const UNKNOWN_CAS: u64 = 1 << 60;

#[test]
fn a_server_says_who_it_is() {
    let Some(server) = Memcached::start(&[]) else { return };
    let mut connection = Connection::new(&server);
    connection.send(&[Request::Version, Request::Noop]);
    let Reply::Version(version) = connection.receive() else { panic!("no version") };
    let version = version.to_vec();
    assert!(version.starts_with(b"1."), "{}", version.escape_ascii());
    assert!(is_spoken(&Reply::Version(&version), &connection.receive()));
    assert_eq!(connection.setting("item_size_max").as_deref(), Some("1048576"));
    assert_eq!(connection.ask(Request::Noop), Reply::Mn);
}

#[test]
fn an_item_is_added_once() {
    let Some(server) = Memcached::start(&[]) else { return };
    let mut connection = Connection::new(&server);
    assert_eq!(connection.value("a"), None);
    let add = connection.add("a", b"one", Ttl::UNLIMITED);
    let first = connection.ask_cas(add);
    let add = connection.add("a", b"two", Ttl::UNLIMITED);
    assert!(matches!(connection.ask(add), Reply::Ns(Flags { cas: None, .. })));
    let (value, flags) = connection.value("a").expect("an item");
    assert_eq!((&value[..], flags.cas), (&b"one"[..], Some(first)));
    assert_eq!(flags.time_left, Some(Duration::MAX));
}

#[test]
fn an_item_is_replaced_by_those_who_know_it() {
    let Some(server) = Memcached::start(&[]) else { return };
    let mut connection = Connection::new(&server);
    let replace = connection.replace("a", cas(UNKNOWN_CAS), b"one");
    assert!(matches!(connection.ask(replace), Reply::Nf(_)));
    let add = connection.add("a", b"one", Ttl::UNLIMITED);
    let first = connection.ask_cas(add);
    // A value may have any bytes and none at all.
    let replace = connection.replace("a", first, b"\r\nmn\r\nEN\0\xff");
    let second = connection.ask_cas(replace);
    assert_ne!(first, second);
    let replace = connection.replace("a", first, b"late");
    assert!(matches!(connection.ask(replace), Reply::Ex(_)));
    assert_eq!(connection.value("a").expect("an item").0, b"\r\nmn\r\nEN\0\xff");
    let replace = connection.replace("a", second, b"");
    connection.ask_cas(replace);
    assert_eq!(connection.value("a").expect("an item").0, b"");
}

#[test]
fn a_touch_changes_the_ttl_and_not_the_cas() {
    let Some(server) = Memcached::start(&[]) else { return };
    let mut connection = Connection::new(&server);
    let touch = connection.touch("a", Ttl::UNLIMITED);
    assert!(matches!(connection.ask(touch), Reply::En(_)));
    let add = connection.add("a", b"one", Ttl::UNLIMITED);
    let stored = connection.ask_cas(add);
    let touch = connection.touch("a", Ttl::new(Duration::from_secs(1000), SystemTime::now));
    assert_eq!(connection.ask_cas(touch), stored);
    let (_, flags) = connection.value("a").expect("an item");
    assert_eq!(flags.cas, Some(stored));
    let left = flags.time_left.expect("a time");
    assert!((900..=1000).contains(&left.as_secs()), "{left:?}");
}

#[test]
fn an_item_is_deleted_by_those_who_know_it() {
    let Some(server) = Memcached::start(&[]) else { return };
    let mut connection = Connection::new(&server);
    let add = connection.add("a", b"one", Ttl::UNLIMITED);
    let stored = connection.ask_cas(add);
    let delete = connection.delete("a", cas(UNKNOWN_CAS), false);
    assert!(matches!(connection.ask(delete), Reply::Ex(_)));
    let delete = connection.delete("a", stored, false);
    assert!(matches!(connection.ask(delete), Reply::Hd(_)));
    let delete = connection.delete("a", stored, false);
    assert!(matches!(connection.ask(delete), Reply::Nf(_)));
}

#[test]
fn a_quiet_delete_tells_only_what_went_wrong() {
    let Some(server) = Memcached::start(&[]) else { return };
    let mut connection = Connection::new(&server);
    let add = connection.add("a", b"one", Ttl::UNLIMITED);
    let stored = connection.ask_cas(add);
    let refused = connection.delete("a", cas(UNKNOWN_CAS), true);
    let done = connection.delete("a", stored, true);
    let missed = connection.delete("a", stored, true);
    connection.send(&[refused, done, missed, Request::Noop]);
    let reply = connection.receive();
    assert!(matches!(reply, Reply::Ex(_)) && reply.answers(&refused), "{reply:?}");
    let reply = connection.receive();
    assert!(matches!(reply, Reply::Nf(_)), "{reply:?}");
    assert!(reply.answers(&missed) && !reply.answers(&done), "{reply:?}");
    assert_eq!(connection.receive(), Reply::Mn);
}

#[test]
fn requests_of_one_write_are_answered_in_order() {
    let Some(server) = Memcached::start(&[]) else { return };
    let mut connection = Connection::new(&server);
    // As a session is opened: the lock and the record.
    let lock = connection.add("lock", b"token", Ttl::new(Duration::from_secs(5), SystemTime::now));
    let get = connection.get("record");
    connection.send(&[lock, get]);
    let reply = connection.receive();
    assert!(matches!(reply, Reply::Hd(_)), "{reply:?}");
    assert!(reply.answers(&lock) && !reply.answers(&get));
    let reply = connection.receive();
    assert!(matches!(reply, Reply::En(_)), "{reply:?}");
    assert!(reply.answers(&get) && !reply.answers(&lock));
}

#[test]
fn the_size_of_an_item_is_known_beforehand() {
    const LIMIT: usize = 1 << 20;
    let Some(server) = Memcached::start(&["-I", "1m"]) else { return };
    let mut connection = Connection::new(&server);
    let bytes = vec![b'x'; LIMIT];
    let largest = LIMIT - MEMCACHED_ITEM_OVERHEAD_BYTES - "a".len();
    assert_eq!(key("a").item_bytes(largest), LIMIT);
    let add = connection.add("a", &bytes[..largest], Ttl::UNLIMITED);
    connection.ask_cas(add);
    assert!(connection.value("a").expect("an item").0 == bytes[..largest]);
    // What is added to the overhead for later versions is little.
    let add = connection.add("b", &bytes[..largest + 8], Ttl::UNLIMITED);
    match connection.ask(add) {
        Reply::ServerError(text) => assert_eq!(ServerError::of(text), ServerError::TooLarge),
        other => panic!("{other:?}"),
    }
    assert_eq!(connection.ask(Request::Noop), Reply::Mn, "the connection is as good as before");
}

/// Why nothing is sent that is known to be too large.
#[test]
fn a_set_that_is_too_large_removes_what_it_may_not_even_replace() {
    let Some(server) = Memcached::start(&["-I", "1m"]) else { return };
    let mut connection = Connection::new(&server);
    let too_large = vec![b'x'; 1 << 20];
    for condition in [Condition::Absent, Condition::Unchanged(cas(UNKNOWN_CAS))] {
        let add = connection.add("a", b"somebody's", Ttl::UNLIMITED);
        connection.ask_cas(add);
        let (key, value, ttl) = (key("a"), &too_large[..], Ttl::UNLIMITED);
        let set = Request::Set { key, value, ttl, condition, opaque: connection.opaque() };
        assert!(matches!(connection.ask(set), Reply::ServerError(_)));
        assert_eq!(connection.value("a"), None);
    }
}

#[test]
fn a_full_server_says_so_and_removes_what_it_could_not_replace() {
    let Some(server) = Memcached::start(&["-m", "2", "-M"]) else { return };
    let mut connection = Connection::new(&server);
    let add = connection.add("a", b"somebody's", Ttl::UNLIMITED);
    connection.ask_cas(add);
    let value = vec![b'x'; 500_000];
    let names: Vec<String> = (0..20).map(|number| format!("item-{number}")).collect();
    let is_full = names.iter().any(|name| {
        let (key, ttl, condition) = (key(name), Ttl::UNLIMITED, Condition::Absent);
        let set = Request::Set { key, value: &value, ttl, condition, opaque: connection.opaque() };
        matches!(connection.ask(set), Reply::ServerError(_))
    });
    assert!(is_full);
    let replace = connection.replace("a", cas(UNKNOWN_CAS), &value);
    match connection.ask(replace) {
        Reply::ServerError(text) => assert_eq!(ServerError::of(text), ServerError::OutOfMemory),
        other => panic!("{other:?}"),
    }
    assert_eq!(connection.value("a"), None);
}

#[test]
fn a_ttl_is_what_the_server_understands() {
    let Some(server) = Memcached::start(&[]) else { return };
    let mut connection = Connection::new(&server);
    let now = SystemTime::now();
    let until_2038 = (SystemTime::UNIX_EPOCH + Duration::from_secs(i32::MAX as u64))
        .duration_since(now)
        .unwrap_or_default();
    let month = Duration::from_secs(MEMCACHED_SPAN_S_MAX);
    for span in
        [Duration::from_secs(100), month, month + Duration::from_secs(1), month * 12, Duration::MAX]
    {
        let add = connection.add("a", b"", Ttl::new(span, || now));
        let stored = connection.ask_cas(add);
        let (_, flags) = connection.value("a").expect("an item that has not ended");
        let left = flags.time_left.expect("a time");
        let expected = span.min(until_2038.max(month));
        // A server's clock ticks once a second, and a test may be held up.
        let least = expected.saturating_sub(Duration::from_secs(60));
        let most = expected + Duration::from_secs(2);
        assert!((least..=most).contains(&left), "{span:?}: {left:?} left");
        let delete = connection.delete("a", stored, false);
        assert!(matches!(connection.ask(delete), Reply::Hd(_)));
    }
}

/// What [`Ttl`] is there for: taken as they stand, such numbers end an item at once.
#[test]
fn a_large_number_of_seconds_is_in_the_past() {
    let Some(server) = Memcached::start(&[]) else { return };
    let mut connection = Connection::new(&server);
    for seconds in [MEMCACHED_SPAN_S_MAX + 1, i32::MAX as u64 + 1] {
        connection.send_bytes(format!("ms a 0 T{seconds} c\r\n\r\n").as_bytes());
        assert!(matches!(connection.receive(), Reply::Hd(_)));
        assert_eq!(connection.value("a"), None, "{seconds} s");
    }
}

#[test]
fn a_server_without_cas_gives_none() {
    let Some(server) = Memcached::start(&["-C"]) else { return };
    let mut connection = Connection::new(&server);
    let add = connection.add("a", b"one", Ttl::UNLIMITED);
    assert!(matches!(connection.ask(add), Reply::Hd(Flags { cas: None, .. })));
    assert_eq!(connection.value("a").expect("an item").1.cas, None);
}

#[test]
fn a_request_that_is_none_is_an_error() {
    let Some(server) = Memcached::start(&[]) else { return };
    let mut connection = Connection::new(&server);
    connection.send_bytes(b"nonsense\r\n");
    assert_eq!(connection.receive(), Reply::Error(b""));
    let long_key = "k".repeat(251);
    connection.send_bytes(format!("mg {long_key} v\r\n").as_bytes());
    let reply = connection.receive();
    assert!(matches!(reply, Reply::ClientError(_)), "{reply:?}");
    assert_eq!(connection.ask(Request::Noop), Reply::Mn);
}

#[test]
fn a_server_with_too_many_connections_says_so() {
    const CONNECTIONS_MAX: usize = 40;
    let Some(server) = Memcached::start(&["-c", &CONNECTIONS_MAX.to_string()]) else { return };
    let mut connections = Vec::new();
    let is_full = (0..CONNECTIONS_MAX).any(|_| {
        let mut connection = Connection::new(&server);
        // It may be closed by now; what was said before can be read all the same.
        let _ = connection.stream.write_all(b"mn\r\n");
        let is_refused = match connection.receive() {
            Reply::Mn => false,
            Reply::Error(text) => text == b"Too many open connections",
            other => panic!("{other:?}"),
        };
        connections.push(connection);
        is_refused
    });
    assert!(is_full, "{} connections", connections.len());
}
