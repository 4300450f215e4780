//! A node against servers that are none, or not what they should be: whatever they say, or do not
//! say, a request ends in time with the right cause, and leaves neither memory nor descriptors.
//!
//! First real sockets and servers that follow a script. Then many exchanges over streams in memory
//! with a server that makes random mistakes.
#![allow(unsafe_code, reason = "an allocator that counts has to be one")]

mod support;

use sessclust_engine::config::save_path::{Endpoint, NodeAddress};
use sessclust_engine::node::{Answer, Cause, Connecting, Node, System, Timeouts, World};
use sessclust_engine::wire::memcached::Key;
use sessclust_engine::wire::memcached::meta::{Opaque, Request, Wants};
use std::alloc::{GlobalAlloc, Layout, System as SystemAllocator};
use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU32;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use support::{PATIENCE, seeded, wait_for};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_io().enable_time().build().expect("a runtime")
}

fn node(socket: &Path) -> Node {
    Node::new(NodeAddress::memcached(Endpoint::Unix(socket.into()), NonZeroU32::MIN))
}

fn get(key: &str) -> Request<'_> {
    Request::Get {
        key: Key::new(key.as_bytes()).expect("a key"),
        wants: Wants::Value,
        opaque: Opaque(0),
    }
}

// ---- Scripts over sockets ----

/// How long a server is waited for that is expected to say nothing. All others are waited for as
/// long as it takes.
const TIMEOUT: Duration = Duration::from_millis(50);

/// What a good server says to a new connection.
const GREETING: &[u8] = b"VERSION 1.6.18\r\nMN\r\nSTAT item_size_max 1048576\r\nEND\r\n";

/// What a server does with a connection.
#[derive(Clone, Copy)]
enum Script {
    /// Says this as soon as it is connected to, and listens.
    Greets(&'static [u8]),
    /// Is a good server up to the first request, to which it says this, and listens.
    Answers(&'static [u8]),
    /// The same, and closes the connection.
    AnswersAndCloses(&'static [u8]),
    /// Closes at once.
    Closes,
    /// Says the first part of its greeting and closes.
    ClosesWithin,
    /// Is a good server up to the first request, and says this again and again from then on.
    Repeats(&'static [u8]),
    /// The same in its greeting, after `VERSION` and `MN`.
    RepeatsInGreeting(&'static [u8]),
    /// Says one byte of its answer now and then.
    Drips,
}

/// Serves one connection. Errors are ends: the client has left.
fn serve(stream: UnixStream, script: Script) -> std::io::Result<()> {
    let mut requests = BufReader::new(&stream);
    let mut says = &stream;
    let mut line = String::new();
    match script {
        Script::Closes => return Ok(()),
        Script::ClosesWithin => return says.write_all(&GREETING[..20]),
        Script::Greets(bytes) => says.write_all(bytes)?,
        Script::RepeatsInGreeting(bytes) => {
            says.write_all(b"VERSION 1.6.18\r\nMN\r\n")?;
            return repeat(says, bytes);
        }
        Script::Answers(_) | Script::AnswersAndCloses(_) | Script::Repeats(_) | Script::Drips => {
            while line != "stats settings\r\n" {
                line.clear();
                requests.read_line(&mut line)?;
            }
            says.write_all(GREETING)?;
            requests.read_line(&mut line)?;
            match script {
                Script::Repeats(bytes) => return repeat(says, bytes),
                Script::AnswersAndCloses(bytes) => return says.write_all(bytes),
                Script::Answers(bytes) => says.write_all(bytes)?,
                _ => {
                    for byte in b"VA 1000 O0\r\n".iter().chain([b'x'; 1000].iter()) {
                        says.write_all(&[*byte])?;
                        thread::sleep(TIMEOUT / 20);
                    }
                }
            }
        }
    }
    // Until the client leaves.
    requests.read_to_end(&mut Vec::new()).map(|_| ())
}

fn repeat(mut says: &UnixStream, bytes: &[u8]) -> std::io::Result<()> {
    let bytes = bytes.repeat(1000);
    loop {
        says.write_all(&bytes)?;
    }
}

/// Each script, and what comes of the first request.
const SCRIPTS: [(&str, Script, Cause); 25] = [
    ("nonsense", Script::Greets(b"\xff\xfe\0\0\0\0"), Cause::Connect),
    ("HTTP", Script::Greets(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"), Cause::Connect),
    ("Redis", Script::Greets(b"-ERR unknown command 'version'\r\n"), Cause::Connect),
    ("MySQL", Script::Greets(b"J\0\0\0\x0a8.0.36\0\x08\0\0\0"), Cause::Connect),
    ("SSH", Script::Greets(b"SSH-2.0-OpenSSH_9.2p1\r\n"), Cause::Connect),
    ("silence", Script::Greets(b""), Cause::Connect),
    ("half a line", Script::Greets(b"VERS"), Cause::Connect),
    ("full", Script::Greets(b"ERROR Too many open connections\r\n"), Cause::Connect),
    (
        "no CAS",
        Script::Greets(b"VERSION 1.6.18\r\nMN\r\nSTAT cas_enabled no\r\nEND\r\n"),
        Cause::Connect,
    ),
    ("a password", Script::Greets(b"CLIENT_ERROR unauthenticated\r\n"), Cause::Connect),
    ("closes at once", Script::Closes, Cause::Connect),
    ("closes in its greeting", Script::ClosesWithin, Cause::Connect),
    ("settings without end", Script::RepeatsInGreeting(b"STAT a b\r\n"), Cause::Connect),
    ("ends without end", Script::RepeatsInGreeting(b"END\r\n"), Cause::Connect),
    ("a greeting line without end", Script::RepeatsInGreeting(b"STAT aaaaaaaa"), Cause::Connect),
    ("silence later", Script::Answers(b""), Cause::Timeout),
    ("half an answer", Script::Answers(b"VA 10 O0\r\n12345"), Cause::Timeout),
    ("an answer in drops", Script::Drips, Cause::Timeout),
    (
        "a value that would take all memory",
        Script::Answers(b"VA 1073741824 O0\r\nx"),
        Cause::Timeout,
    ),
    (
        "a value that no memory can hold",
        Script::Answers(b"VA 18446744073709551615 O0\r\n"),
        Cause::Nonsense,
    ),
    ("another request's answer", Script::Answers(b"VA 1 O1\r\nx\r\n"), Cause::Nonsense),
    ("nobody's miss", Script::Answers(b"EN\r\n"), Cause::Nonsense),
    ("a line without end", Script::Repeats(b"VA 1 aaaaaaaaaaaaaaaaaaaaaaaaa"), Cause::Nonsense),
    ("half an answer and the end", Script::AnswersAndCloses(b"VA 10 O0\r\n12345"), Cause::Cut),
    ("the end", Script::AnswersAndCloses(b""), Cause::Cut),
];

/// One request on a new node, which is expected to end like this.
fn ask(runtime: &Runtime, socket: &Path, name: &str, expected: Cause) {
    let mut node = node(socket);
    let limit = |is_expected| if is_expected { TIMEOUT } else { PATIENCE };
    let timeouts = Timeouts {
        connect: limit(expected == Cause::Connect),
        request: limit(expected == Cause::Timeout),
        failover: Duration::ZERO,
    };
    let started = Instant::now();
    let result = runtime.block_on(node.exchange(&System, &timeouts, &[get("a")]));
    let spent = started.elapsed();
    let failure = result.expect_err(name);
    assert_eq!(failure.cause, expected, "{name}: {failure}");
    assert!(failure.to_string().len() < 500, "{name}: {failure}");
    assert!(node.link().is_none(), "{name}: still connected after {failure}");
    // What has no end has none either for those who wait for its end.
    assert!(spent < TIMEOUT + Duration::from_secs(5), "{name}: {failure} after {spent:?}");
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}

/// Counts what each thread has of the system's allocator.
struct Counting;

thread_local! {
    /// Bytes that this thread has, and the most that it had; what it frees for others counts too.
    static MEMORY: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: isize) {
    // A thread that is going down has no count any more.
    let _ = MEMORY.try_with(|memory| {
        let (now, peak) = memory.get();
        memory.set((now + bytes, peak.max(now + bytes)));
    });
}

// SAFETY: all is left to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { SystemAllocator.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: likewise.
        unsafe { SystemAllocator.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread has asked for and not given back.
fn memory() -> isize {
    MEMORY.get().0
}

/// The most that it had at a time.
fn peak_memory() -> isize {
    MEMORY.get().1
}

/// A thousand requests to servers that are none. The client is this thread, so the memory that is
/// counted is what they make a client take, whether it uses it or not.
///
/// The streams of the other test are in memory, so the descriptors are those of this one, but for
/// those of a runtime.
#[test]
fn servers_that_are_none_are_given_up_in_time_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rounds = 1000_usize.div_ceil(SCRIPTS.len() + 3);
    let sockets: Vec<PathBuf> =
        (0..SCRIPTS.len()).map(|index| folder.path().join(index.to_string())).collect();
    for (socket, (_, script, _)) in sockets.iter().zip(SCRIPTS) {
        let listener = UnixListener::bind(socket).expect("a socket");
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // An error says that the client was faster.
                let _ = serve(stream, script);
            }
        });
    }
    // One that refuses, none at all, and one whose queue is full.
    let [refusing, missing, full] =
        ["refusing", "missing", "full"].map(|name| folder.path().join(name));
    drop(UnixListener::bind(&refusing).expect("a socket"));
    let listener = UnixListener::bind(&full).expect("a socket");
    rustix::net::listen(&listener, 0).expect("a shorter queue");
    let _waiting = UnixStream::connect(&full).expect("room for one");

    let runtime = runtime();
    let descriptors = open_descriptors();
    let mut left = None;
    for _ in 0..rounds {
        for (socket, (name, _, expected)) in sockets.iter().zip(SCRIPTS) {
            ask(&runtime, socket, name, expected);
        }
        for (socket, name) in
            [(&refusing, "refuses"), (&missing, "is not there"), (&full, "is full")]
        {
            ask(&runtime, socket, name, Cause::Connect);
        }
        // The first round makes what is kept.
        left.get_or_insert_with(memory);
    }
    assert!(peak_memory() < 1 << 20, "{} bytes at a time", peak_memory());
    let left = memory() - left.expect("a round");
    assert!(left < 16 << 10, "{left} bytes were left behind");
    // The servers close theirs a moment later.
    wait_for("all connections to be closed", || open_descriptors() <= descriptors);
}

// ---- Random mistakes over streams in memory ----

/// Connects to servers that make mistakes, tasks of this runtime.
struct Mistakes {
    seeds: AtomicU64,
}

impl World for Mistakes {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO
    }

    fn random(&self) -> u128 {
        u128::from(self.seeds.load(SeqCst))
    }

    fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> Connecting<'a> {
        let random = fastrand::Rng::with_seed(self.seeds.fetch_add(1, SeqCst));
        // Small, so that replies come in pieces.
        let (client, server) = duplex(64);
        tokio::spawn(make_mistakes(server, random));
        Box::pin(async move { Ok(Box::new(client) as _) })
    }
}

/// A server that has a value for each key that does not begin with `no`: the key. One connection in
/// two is served well to its end; in the others each reply may be a wrong one.
async fn make_mistakes(mut stream: DuplexStream, mut random: fastrand::Rng) -> Option<()> {
    let is_good = random.bool();
    let (mut input, mut earlier) = (Vec::new(), Vec::new());
    loop {
        let line = read_line(&mut stream, &mut input).await?;
        let words: Vec<&str> = line.split(' ').collect();
        let mut reply = match words[..] {
            ["version"] => "VERSION 1.6.18\r\n".into(),
            ["mn"] => "MN\r\n".into(),
            ["stats", "settings"] => "STAT item_size_max 1048576\r\nEND\r\n".into(),
            ["mg", key, .., number] if key.starts_with("no") => format!("EN {number}\r\n"),
            ["mg", key, .., number] => {
                format!("VA {} c1 t-1 {number}\r\n{key}\r\n", key.len())
            }
            _ => panic!("the node sent {line:?}"),
        }
        .into_bytes();
        let right = reply.clone();
        if !is_good && random.u8(..4) == 0 {
            match random.u8(..9) {
                0 => reply.clear(),
                1 => reply = [reply.as_slice(), &reply].concat(),
                2 => reply = earlier.clone(),
                3 => reply = [earlier.as_slice(), &reply].concat(),
                4 => reply.truncate(random.usize(..reply.len())),
                5 => reply[0] ^= 1 << random.u8(..8),
                6 => reply = b"EN\r\n".to_vec(),
                7 => reply.splice(..0, b"\r\n".to_vec()).for_each(drop),
                _ => return None,
            }
        }
        earlier = right;
        stream.write_all(&reply).await.ok()?;
    }
}

async fn read_line(stream: &mut DuplexStream, input: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = input.windows(2).position(|bytes| bytes == b"\r\n") {
            let line = String::from_utf8(input[..end].to_vec()).expect("text");
            input.drain(..end + 2);
            return Some(line);
        }
        (stream.read_buf(input).await.ok()? > 0).then_some(())?;
    }
}

/// Whatever a server mistakes, an answer is to the request that it is given for.
#[test]
fn answers_are_never_taken_for_those_of_other_requests() {
    let mut random = seeded();
    let world = Mistakes { seeds: AtomicU64::new(random.u64(..)) };
    let timeout = Duration::from_millis(5);
    let timeouts = Timeouts { connect: timeout, request: timeout, failover: Duration::ZERO };
    let mut node = node(Path::new("/nowhere"));
    let (mut done, mut causes) = (0, Vec::new());
    runtime().block_on(async {
        for request in 0..20_000 {
            let keys: Vec<String> = (0..random.usize(1..4))
                .map(|index| {
                    let kind = if random.bool() { "no" } else { "yes" };
                    format!("{kind}-{request}-{index}")
                })
                .collect();
            let requests: Vec<Request<'_>> = keys.iter().map(|key| get(key)).collect();
            match node.exchange(&world, &timeouts, &requests).await {
                Ok(answers) => {
                    assert_eq!(answers.len(), keys.len());
                    for (key, answer) in keys.iter().zip(answers) {
                        match answer {
                            Answer::Missing => assert!(key.starts_with("no"), "{key} is missing"),
                            Answer::Value { bytes, .. } => assert_eq!(bytes, key.as_bytes()),
                            answer => panic!("{key}: {answer:?}"),
                        }
                    }
                    done += 1;
                }
                Err(failure) => {
                    assert!(node.link().is_none(), "{failure}: still connected");
                    causes.push(failure.cause);
                }
            }
            // Some begin anew, so that not all stay with a good server.
            if random.u8(..20) == 0 {
                node = self::node(Path::new("/nowhere"));
            }
        }
    });
    println!("{done} done, {} failed", causes.len());
    assert!(done > 1000, "{done} done");
    for cause in [Cause::Connect, Cause::Stale, Cause::Cut, Cause::Timeout, Cause::Nonsense] {
        assert!(causes.contains(&cause), "no {cause:?}");
    }
}
