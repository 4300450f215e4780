//! What two round trips to memcached cost at least: a worker like `under-test/cycle.php`, without
//! PHP and without a session handler.
//!
//! A cycle sends what sessclust's memcached pool sends for one, with a write for each of its two
//! steps, and reads the replies, on one blocking Unix socket:
//!
//! ```text
//! open    ms <lock> <bytes> T5 ME c O<n> + holder    HD c<cas> O<n>
//!         mg <record> v c t O<n>                     VA <bytes> c<cas> t<seconds> O<n> + record
//! commit  ms <record> <bytes> T1440 C<cas> c O<n>    HD c<cas> O<n>
//!         + record
//!         md <lock> C<cas> q O<n>                    nothing
//! ```
//!
//! With several servers, each step is sent to all of them before the replies of the first are read,
//! and the last line in a write of its own behind the replies to the store, as sessclust does for
//! several copies.
//!
//! Only that is timed. When the clock has stopped, the record that was read has to be the one that
//! was written last.

use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// Sessions that are gone through in turn, as in `under-test/cycle.php`.
const SESSIONS: usize = 32;

/// Bytes that sessclust keeps in front of a session's data.
const HEADER_BYTES: usize = 80;

/// About as long as what sessclust's lock says of its holder.
const HOLDER: [u8; 128] = [b'h'; 128];

/// Longer than any reply, of which the longest is a record of 105 KB: as few reads as can be.
const BUFFER_BYTES: usize = 256 * 1024;

/// Random bytes that the data are cut out of.
const NOISE_BYTES: usize = 120_000;

struct Session {
    lock: String,
    record: String,
    value: Vec<u8>,
}

struct Worker {
    servers: Vec<BufReader<UnixStream>>,
    /// Those of the size last asked for.
    sessions: Vec<Session>,
    size: usize,
    turn: usize,
    noise: Vec<u8>,
    /// State of the random numbers.
    random: u64,
    /// Number of the last request.
    opaque: u32,
}

/// Answers each line `["cycles", [size, untimed, count]]` of standard input with a line
/// `{"result": [nanoseconds, ...]}`. The arguments are the sockets of the servers.
fn main() {
    let sockets: Vec<String> = std::env::args().skip(1).collect();
    assert!(!sockets.is_empty(), "usage: raw SOCKET ...");
    let mut worker = Worker::connect(&sockets);
    for line in stdin().lines() {
        let line = line.expect("standard input");
        let digits = line.split(|c: char| !c.is_ascii_digit());
        let numbers: Vec<usize> = digits.filter_map(|digits| digits.parse().ok()).collect();
        let [size, untimed, count] = numbers[..] else { panic!("not a request: {line}") };
        worker.prepare(size);
        let times = (0..untimed + count).map(|_| worker.cycle()).skip(untimed);
        println!("{{\"result\":{:?}}}", times.collect::<Vec<u64>>());
    }
}

impl Worker {
    fn connect(sockets: &[String]) -> Self {
        let connect = |socket: &String| {
            let stream = UnixStream::connect(socket).expect("server");
            BufReader::with_capacity(BUFFER_BYTES, stream)
        };
        let mut worker = Self {
            servers: sockets.iter().map(connect).collect(),
            sessions: Vec::new(),
            size: 0,
            turn: 0,
            noise: Vec::new(),
            random: u64::from(std::process::id()),
            opaque: 0,
        };
        worker.noise = (0..NOISE_BYTES).map(|_| worker.random() as u8).collect();
        worker
    }

    /// Sees to it that there are sessions of `size` bytes.
    fn prepare(&mut self, size: usize) {
        if self.size == size {
            return;
        }
        self.size = size;
        self.sessions.clear();
        for i in 0..SESSIONS {
            let digest = format!("{:032x}{size:016x}{i:016x}", self.random());
            let (lock, record) = (format!("sc:l:{digest}"), format!("sc:r:{digest}"));
            let value = self.value();
            let mut request = format!("ms {record} {} ME\r\n", value.len()).into_bytes();
            request.extend_from_slice(&value);
            request.extend_from_slice(b"\r\n");
            for server in &mut self.servers {
                send(server, &request);
                assert_eq!(line(server), "HD");
            }
            self.sessions.push(Session { lock, record, value });
        }
    }

    /// One cycle of the session whose turn it is; the nanoseconds it took.
    fn cycle(&mut self) -> u64 {
        self.turn = (self.turn + 1) % SESSIONS;
        let next = self.value();
        let Session { lock, record, value } = &self.sessions[self.turn];
        let mut read = vec![0; value.len() + "\r\n".len()];
        let mut commit = Vec::with_capacity(next.len() + 512);
        let has_copies = self.servers.len() > 1;
        let mut held = Vec::with_capacity(self.servers.len());
        let [o1, o2, o3, o4] = [1, 2, 3, 4].map(|n| self.opaque + n);
        self.opaque = o4;
        let mut open = format!("ms {lock} {} T5 ME c O{o1}\r\n", HOLDER.len()).into_bytes();
        open.extend_from_slice(&HOLDER);
        open.extend_from_slice(format!("\r\nmg {record} v c t O{o2}\r\n").as_bytes());

        let start = Instant::now();
        self.servers.iter_mut().for_each(|server| send(server, &open));
        for server in &mut self.servers {
            held.push([line(server), line(server)]);
            server.read_exact(&mut read).expect("record");
        }
        for (server, [locked, found]) in self.servers.iter_mut().zip(&held) {
            commit.clear();
            write!(commit, "ms {record} {} T1440 C{} c O{o3}\r\n", next.len(), cas(found)).unwrap();
            commit.extend_from_slice(&next);
            commit.extend_from_slice(b"\r\n");
            if !has_copies {
                write!(commit, "md {lock} C{} q O{o4}\r\n", cas(locked)).unwrap();
            }
            send(server, &commit);
        }
        let mut is_stored = true;
        for server in &mut self.servers {
            is_stored &= line(server).starts_with("HD ");
        }
        if has_copies {
            for (server, [locked, _]) in self.servers.iter_mut().zip(&held) {
                send(server, format!("md {lock} C{} q O{o4}\r\n", cas(locked)).as_bytes());
            }
        }
        let time = start.elapsed();

        assert!(is_stored, "not stored");
        let session = &mut self.sessions[self.turn];
        assert_eq!(read.strip_suffix(b"\r\n"), Some(&session.value[..]), "not what was written");
        session.value = next;
        time.as_nanos() as u64
    }

    /// A record of about `size` bytes of data, up to 5 % more or less.
    fn value(&mut self) -> Vec<u8> {
        let spread = self.random() as usize % (self.size / 10 + 1);
        let length = HEADER_BYTES + self.size - self.size / 20 + spread;
        let from = self.random() as usize % (NOISE_BYTES - length);
        self.noise[from..from + length].to_vec()
    }

    /// Marsaglia's xorshift.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

fn send(server: &mut BufReader<UnixStream>, request: &[u8]) {
    server.get_mut().write_all(request).expect("server");
}

/// The next line of a server's replies, without its end.
fn line(server: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    server.read_line(&mut line).expect("server");
    line.trim_end().to_owned()
}

/// The CAS in a line of a reply.
fn cas(line: &str) -> &str {
    let flag = line.split(' ').find_map(|word| word.strip_prefix('c'));
    flag.unwrap_or_else(|| panic!("no CAS: {line}"))
}
