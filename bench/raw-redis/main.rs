//! What redis-rs adds to the round trips of a session: a worker without PHP and without a session
//! handler, once with the engine's codec on a blocking socket and twice with redis-rs.
//!
//! A cycle is what sessclust sends a Redis for a request, in two writes, on a Unix socket:
//!
//! ```text
//! open    SET <lock> <CAS + holder> NX PX 5000, GET <record>    OK, CAS + record
//! commit  EVALSHA <commit.lua> 4 <record> <lock> <list> <count> 1
//!         <CAS> <CAS + record> EX 1440 <lock's CAS> <grant> 5
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

/// As in the engine's `node/redis/mod.rs`.
const COMMIT: &str = concat!(
    include_str!("../../src/engine/node/redis/common.lua"),
    include_str!("../../src/engine/node/redis/commit.lua")
);

fn main() {
    let server = Server::start();
    let mut own = Own::connect(&server.socket);
    let script = own.load();
    let mut ways: [(&str, Box<dyn Way>); 3] = [
        ("own", Box::new(own)),
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
                let mut session = Session::new(name, bytes, &script);
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
struct Session<'a> {
    script: &'a [u8],
    /// Record, lock, list and count.
    keys: [String; 4],
    record: Vec<u8>,
    cycles: u64,
}

impl<'a> Session<'a> {
    fn new(name: &str, bytes: usize, script: &'a [u8]) -> Self {
        let keys =
            ["r", "l", "w", "q"].map(|kind| format!("sc:{kind}:{{{name}-{bytes}{:039}}}", 0));
        Self { script, keys, record: vec![b'r'; CAS_BYTES + HEADER_BYTES + bytes], cycles: 0 }
    }

    /// The microseconds that a cycle took.
    fn cycle(&mut self, way: &mut dyn Way) -> f64 {
        self.cycles += 1;
        let cas = self.cycles.to_le_bytes();
        let lock = [&cas[..], &HOLDER].concat();
        let old = self.record.clone();
        let mut next = old.clone();
        next[..CAS_BYTES].copy_from_slice(&cas);
        let [record_key, lock_key, list_key, count_key] =
            self.keys.each_ref().map(|key| key.as_bytes());

        let start = Instant::now();
        let (is_locked, found) =
            way.open(&[b"SET", lock_key, &lock, b"NX", b"PX", b"5000"], &[b"GET", record_key]);
        // In the first cycle of a round, the record of the round before or none.
        let expected = found.as_deref().map_or(&b""[..], |found| &found[..CAS_BYTES]);
        let stored = way.commit(&[
            b"EVALSHA",
            self.script,
            b"4",
            record_key,
            lock_key,
            list_key,
            count_key,
            expected,
            &next,
            b"EX",
            b"1440",
            &cas,
            &lock,
            b"5",
        ]);
        let time = start.elapsed();

        assert!(is_locked && stored == 1, "{is_locked} {stored}");
        assert!(self.cycles == 1 || found == Some(old), "not what was written");
        self.record = next;
        time.as_nanos() as f64 / 1000.0
    }
}

/// How a Redis is spoken with.
trait Way {
    /// Sends both in one write: whether the lock was had, and the record.
    fn open(&mut self, set: &[&[u8]], get: &[&[u8]]) -> (bool, Option<Vec<u8>>);

    /// What the script answers.
    fn commit(&mut self, evalsha: &[&[u8]]) -> i64;
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

    /// What the server calls the script.
    fn load(&mut self) -> Vec<u8> {
        encode(&[b"SCRIPT", b"LOAD", COMMIT.as_bytes()], &mut self.output);
        self.flush();
        self.reply(|reply| match reply {
            Reply::Bulk(name) => name.to_vec(),
            other => panic!("{other:?}"),
        })
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
    fn open(&mut self, set: &[&[u8]], get: &[&[u8]]) -> (bool, Option<Vec<u8>>) {
        encode(set, &mut self.output);
        encode(get, &mut self.output);
        self.flush();
        let is_locked = self.reply(|reply| reply == Reply::Simple(b"OK"));
        let record = self.reply(|reply| match reply {
            Reply::Bulk(record) => Some(record.to_vec()),
            _ => None,
        });
        (is_locked, record)
    }

    fn commit(&mut self, evalsha: &[&[u8]]) -> i64 {
        encode(evalsha, &mut self.output);
        self.flush();
        self.reply(|reply| match reply {
            Reply::Integer(stored) => stored,
            other => panic!("{other:?}"),
        })
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

fn pipeline(set: &[&[u8]], get: &[&[u8]]) -> redis::Pipeline {
    let mut pipeline = redis::Pipeline::new();
    pipeline.add_command(command(set)).add_command(command(get));
    pipeline
}

/// redis-rs on a blocking socket.
struct Sync(redis::Connection);

impl Sync {
    fn connect(socket: &Path) -> Self {
        Self(client(socket).get_connection().expect("the server listens"))
    }
}

impl Way for Sync {
    fn open(&mut self, set: &[&[u8]], get: &[&[u8]]) -> (bool, Option<Vec<u8>>) {
        pipeline(set, get).query(&mut self.0).expect("replies")
    }

    fn commit(&mut self, evalsha: &[&[u8]]) -> i64 {
        command(evalsha).query(&mut self.0).expect("a reply")
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
    fn open(&mut self, set: &[&[u8]], get: &[&[u8]]) -> (bool, Option<Vec<u8>>) {
        let pipeline = pipeline(set, get);
        self.1.block_on(pipeline.query_async(&mut self.0)).expect("replies")
    }

    fn commit(&mut self, evalsha: &[&[u8]]) -> i64 {
        self.1.block_on(command(evalsha).query_async(&mut self.0)).expect("a reply")
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
