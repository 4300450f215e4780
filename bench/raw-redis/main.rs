//! What redis-rs adds to the round trips of a session: a worker without PHP and without a session
//! handler, once with the engine's codec on a blocking socket and twice with redis-rs.
//!
//! A cycle is what sessclust sends a Redis for a request, in two writes, on a Unix socket:
//!
//! ```text
//! open    SET <lock> <CAS + holder> NX EX 5, WATCH <lock>, GET <record>
//! commit  MULTI, SET <record> <CAS + record> EX 1440, DEL <lock> <list>, LMOVE <queue> <lock>,
//!         EXPIRE <lock>, COPY <lock> <list>, EXEC
//! ```
//!
//! The three take turns, round by round, on one server. Prints JSON: for each size the medians of
//! the rounds' medians in microseconds; per way with redis-rs the median of its ratios to the codec
//! in the same round, and the share that it has in its own cycle, in percent.
//!
//! usage: cargo run --release --manifest-path bench/raw-redis/Cargo.toml

use redis::aio::MultiplexedConnection;
use sessclust_engine::wire::Decoded;
use sessclust_engine::wire::redis::resp::{Limits, Reply, decode, encode};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};

/// Bytes of a session's data: a login, a cart.
const SIZES: [(&str, usize); 2] = [("100 B", 100), ("4 KB", 4096)];

/// Bytes that sessclust keeps in front of a session's data.
const HEADER_BYTES: usize = 80;

/// About as long as what sessclust's lock says of its holder, behind its CAS.
const HOLDER: [u8; 128] = [b'h'; 128];

const CAS_BYTES: usize = 8;

/// Rounds that count, after some that do not, and cycles of each way in each of them.
const ROUNDS: usize = 60;
const WARM_UP: usize = 5;
const CYCLES: usize = 200;

fn main() {
    let server = Server::start();
    let mut ways: [(&str, Box<dyn Way>); 3] = [
        ("own", Box::new(Own::connect(&server.socket))),
        ("redis_rs_sync", Box::new(Sync::connect(&server.socket))),
        ("redis_rs_multiplexed", Box::new(Multiplexed::connect(&server.socket))),
    ];
    let sizes = SIZES.map(|(size, bytes)| {
        let mut medians = [const { Vec::new() }; 3];
        for round in 0..WARM_UP + ROUNDS {
            // Who begins differs from round to round.
            for turn in 0..ways.len() {
                let index = (round + turn) % ways.len();
                let (name, way) = &mut ways[index];
                let mut session = Session::new(name, bytes);
                let times = (0..CYCLES).map(|_| session.cycle(way.as_mut())).collect();
                if round >= WARM_UP {
                    medians[index].push(median(times));
                }
            }
        }
        let own = medians[0].clone();
        let results = ways.iter().zip(medians).map(|((name, _), medians)| {
            let ratio = median(medians.iter().zip(&own).map(|(one, own)| one / own).collect());
            let share = (1.0 - 1.0 / ratio) * 100.0;
            let us = median(medians);
            let parts =
                format!("\"us\":{us:.1},\"of_own\":{ratio:.3},\"share_percent\":{share:.1}");
            format!("\"{name}\":{{{parts}}}")
        });
        format!("\"{size}\":{{{}}}", results.collect::<Vec<_>>().join(","))
    });
    println!("{{{}}}", sizes.join(","));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One session, and what is sent for it.
struct Session {
    /// Record, lock, queue and list.
    keys: [String; 4],
    record: Vec<u8>,
    cycles: u64,
}

impl Session {
    fn new(name: &str, bytes: usize) -> Self {
        let keys =
            ["r", "l", "q", "w"].map(|kind| format!("sc:{kind}:{{{name}-{bytes}{:039}}}", 0));
        Self { keys, record: vec![b'r'; CAS_BYTES + HEADER_BYTES + bytes], cycles: 0 }
    }

    /// The microseconds that a cycle took.
    fn cycle(&mut self, way: &mut dyn Way) -> f64 {
        self.cycles += 1;
        let cas = self.cycles.to_le_bytes();
        let lock = [&cas[..], &HOLDER].concat();
        let old = self.record.clone();
        let mut next = old.clone();
        next[..CAS_BYTES].copy_from_slice(&cas);
        let [record_key, lock_key, queue, list] = self.keys.each_ref().map(|key| key.as_bytes());

        let start = Instant::now();
        let (is_locked, found) = way.open([
            &[b"SET", lock_key, &lock, b"NX", b"EX", b"5"],
            &[b"WATCH", lock_key],
            &[b"GET", record_key],
        ]);
        let is_stored = way.commit([
            &[b"SET", record_key, &next, b"EX", b"1440"],
            &[b"DEL", lock_key, list],
            &[b"LMOVE", queue, lock_key, b"RIGHT", b"LEFT"],
            &[b"EXPIRE", lock_key, b"5"],
            &[b"COPY", lock_key, list],
        ]);
        let time = start.elapsed();

        assert!(is_locked && is_stored, "{is_locked} {is_stored}");
        // In the first cycle of a round, the record of the round before or none.
        assert!(self.cycles == 1 || found == Some(old), "not what was written");
        self.record = next;
        time.as_nanos() as f64 / 1000.0
    }
}

/// A command.
type Words<'a> = &'a [&'a [u8]];

/// How a Redis is spoken with.
trait Way {
    /// Sends all in one write: whether the lock was had, and the record.
    fn open(&mut self, commands: [Words; 3]) -> (bool, Option<Vec<u8>>);

    /// Sends all as a transaction: whether it was done.
    fn commit(&mut self, commands: [Words; 5]) -> bool;
}

/// The engine's codec.
struct Own {
    stream: UnixStream,
    output: Vec<u8>,
    input: Vec<u8>,
    filled: usize,
}

impl Own {
    fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the server listens");
        Self { stream, output: Vec::new(), input: vec![0; 16 * 1024], filled: 0 }
    }

    fn flush(&mut self) {
        self.stream.write_all(&self.output).expect("the server reads");
        self.output.clear();
    }

    fn reply<T>(&mut self, take: impl FnOnce(Reply<'_>) -> T) -> T {
        loop {
            match decode(&self.input[..self.filled], &Limits::default()).expect("a reply") {
                Decoded::Reply { reply, consumed } => {
                    let taken = take(reply);
                    self.input.copy_within(consumed..self.filled, 0);
                    self.filled -= consumed;
                    return taken;
                }
                Decoded::Incomplete { .. } => {
                    let read = self.stream.read(&mut self.input[self.filled..]);
                    self.filled += read.expect("the server writes");
                }
            }
        }
    }
}

impl Way for Own {
    fn open(&mut self, commands: [Words; 3]) -> (bool, Option<Vec<u8>>) {
        commands.iter().for_each(|words| encode(words, &mut self.output));
        self.flush();
        let is_ok = |reply: Reply<'_>| reply == Reply::Simple(b"OK");
        let is_locked = self.reply(is_ok) & self.reply(is_ok);
        let record = self.reply(|reply| match reply {
            Reply::Bulk(record) => Some(record.to_vec()),
            Reply::Nil => None,
            other => panic!("{other:?}"),
        });
        (is_locked, record)
    }

    fn commit(&mut self, commands: [Words; 5]) -> bool {
        encode(&[b"MULTI"], &mut self.output);
        commands.iter().for_each(|words| encode(words, &mut self.output));
        encode(&[b"EXEC"], &mut self.output);
        self.flush();
        for _ in 0..=commands.len() {
            self.reply(|reply| assert!(matches!(reply, Reply::Simple(_)), "{reply:?}"));
        }
        self.reply(|reply| matches!(reply, Reply::Array(_)))
    }
}

fn client(socket: &Path) -> redis::Client {
    redis::Client::open(format!("redis+unix://{}", socket.display())).expect("a path")
}

fn command(words: &[&[u8]]) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    words.iter().for_each(|word| _ = command.arg(word));
    command
}

fn pipeline(commands: &[Words]) -> redis::Pipeline {
    let mut pipeline = redis::Pipeline::new();
    commands.iter().for_each(|words| _ = pipeline.add_command(command(words)));
    pipeline
}

fn transaction(commands: &[Words]) -> redis::Pipeline {
    let mut pipeline = pipeline(commands);
    pipeline.atomic();
    pipeline
}

/// What an open is answered: to `SET`, to `WATCH`, and the record.
type Opened = (bool, (), Option<Vec<u8>>);

/// What a transaction is answered, unless it was not done.
type Committed = Option<((), i64, Option<Vec<u8>>, i64, i64)>;

/// redis-rs on a blocking socket.
struct Sync(redis::Connection);

impl Sync {
    fn connect(socket: &Path) -> Self {
        Self(client(socket).get_connection().expect("the server listens"))
    }
}

impl Way for Sync {
    fn open(&mut self, commands: [Words; 3]) -> (bool, Option<Vec<u8>>) {
        let (is_locked, (), record): Opened =
            pipeline(&commands).query(&mut self.0).expect("replies");
        (is_locked, record)
    }

    fn commit(&mut self, commands: [Words; 5]) -> bool {
        let committed = transaction(&commands).query::<Committed>(&mut self.0);
        committed.expect("replies").is_some()
    }
}

/// redis-rs on tokio, on this thread.
struct Multiplexed(MultiplexedConnection, Runtime);

impl Multiplexed {
    fn connect(socket: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = client(socket);
        let connection = runtime.block_on(client.get_multiplexed_async_connection());
        Self(connection.expect("the server listens"), runtime)
    }
}

impl Way for Multiplexed {
    fn open(&mut self, commands: [Words; 3]) -> (bool, Option<Vec<u8>>) {
        let pipeline = pipeline(&commands);
        let opened = self.1.block_on(pipeline.query_async(&mut self.0));
        let (is_locked, (), record): Opened = opened.expect("replies");
        (is_locked, record)
    }

    fn commit(&mut self, commands: [Words; 5]) -> bool {
        let transaction = transaction(&commands);
        let committed = self.1.block_on(transaction.query_async::<Committed>(&mut self.0));
        committed.expect("replies").is_some()
    }
}

/// A redis-server that ends with its value, and its folder with it.
struct Server {
    process: Child,
    folder: PathBuf,
    socket: PathBuf,
}

impl Server {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("sessclust-raw-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder");
        let socket = folder.join("socket");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]);
        let process = command.arg(&socket).stdout(Stdio::null()).spawn().expect("redis-server");
        let server = Self { process, folder, socket };
        while UnixStream::connect(&server.socket).is_err() {
            std::thread::yield_now();
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
