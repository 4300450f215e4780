//! The servers that sessions are on: memcached or Redis, each with a link of ours before it where a
//! fault needs one.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::Ipv4Addr,
    os::unix::net::UnixStream,
    path::PathBuf,
};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use super::link::{Address, Link};
use crate::support::{PATIENCE, Process, folder, memcached::Memcached, program, wait_for};

/// Lengths of values whose items lie in ten neighbouring slab classes of memcached, so that all
/// that a session handler stores in them has no room: from 96 to 944 bytes with key and header.
const SLAB_VALUES: [usize; 10] = [10, 40, 70, 110, 160, 220, 300, 400, 520, 680];

/// As a whole memory is filled quickly.
const LARGE_VALUE: usize = 100_000;

/// Items that are stored in one write.
const BATCH: usize = 100;

/// Batches of each size, ten times a second, that press a full memcached to evict: all items of a
/// size are new within a second or so.
const PRESSURE: usize = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Memcached,
    Redis,
}

pub enum Server {
    Memcached(Memcached),
    Redis(Redis),
}

/// A redis-server on a Unix socket that keeps nothing on disk.
pub struct Redis {
    program: PathBuf,
    folder: TempDir,
    process: Process,
}

impl Redis {
    fn start() -> Option<Self> {
        let program = program(&["redis-server"])?;
        let folder = folder();
        let process = Self::spawn(&program, &folder);
        Some(Self { program, folder, process })
    }

    fn spawn(program: &PathBuf, folder: &TempDir) -> Process {
        let socket = folder.path().join("socket");
        let mut command = Process::command(program);
        command.args(["--port", "0", "--unixsocketperm", "777", "--save", "", "--logfile"]);
        command.arg(folder.path().join("log")).arg("--unixsocket").arg(&socket);
        let process = Process::start(&mut command);
        wait_for("redis-server", || UnixStream::connect(&socket).ok());
        process
    }

    /// Carries out commands; their answers say nothing that counts.
    fn tell(&self, commands: &[&str]) -> io::Result<()> {
        let mut stream = UnixStream::connect(self.folder.path().join("socket"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all((commands.join("\r\n") + "\r\n").as_bytes())?;
        let mut replies = BufReader::new(stream).lines();
        commands.iter().try_for_each(|_| replies.next().unwrap_or(Ok(String::new())).map(drop))
    }
}

impl Server {
    /// A memcached `without_evictions` refuses what it has no room for.
    pub fn start(kind: Kind, without_evictions: bool) -> Option<Self> {
        Some(match kind {
            Kind::Memcached => {
                let options: &[_] =
                    if without_evictions { &["-M", "-m", "8"] } else { &["-m", "8"] };
                Self::Memcached(Memcached::start_tcp_with(Ipv4Addr::LOCALHOST, options)?)
            }
            Kind::Redis => Self::Redis(Redis::start()?),
        })
    }

    pub fn address(&self) -> Address {
        match self {
            Self::Memcached(server) => Address::Tcp(server.name().parse().unwrap()),
            Self::Redis(server) => Address::Unix(server.folder.path().join("socket")),
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        match self {
            Self::Memcached(server) => server.kill(),
            Self::Redis(server) => server.process.kill(),
        }
    }

    /// Starts it again after [`Self::kill`], empty.
    pub fn restart(&mut self) {
        match self {
            Self::Memcached(server) => server.restart(),
            Self::Redis(server) => server.process = Redis::spawn(&server.program, &server.folder),
        }
    }

    pub fn signal(&self, signal: Signal) {
        match self {
            Self::Memcached(server) => server.signal(signal),
            Self::Redis(server) => kill_process(server.process.pid(), signal).unwrap(),
        }
    }

    /// Leaves no room for anything, in a server that does not evict.
    pub fn fill(&self) -> io::Result<()> {
        match self {
            Self::Memcached(server) => {
                let mut lengths = SLAB_VALUES.into_iter().chain([LARGE_VALUE]).rev();
                lengths.try_for_each(|length| {
                    while store(server, length)? {}
                    Ok(())
                })
            }
            Self::Redis(server) => server.tell(&["CONFIG SET maxmemory 1"]),
        }
    }

    /// Stores so much that a server which evicts has to.
    pub fn press(&self) -> io::Result<()> {
        match self {
            Self::Memcached(server) => {
                while store(server, LARGE_VALUE)? && server.stat("evictions") == 0 {}
                let mut lengths = SLAB_VALUES.into_iter().flat_map(|length| [length; PRESSURE]);
                lengths.try_for_each(|length| store(server, length).map(drop))
            }
            Self::Redis(server) => {
                let value = "x".repeat(200);
                let sets: Vec<String> = (0..BATCH * PRESSURE)
                    .map(|_| format!("SET filler-{} {value}", fastrand::u64(..)))
                    .collect();
                let limit = ["CONFIG SET maxmemory-policy allkeys-lru", "CONFIG SET maxmemory 3mb"];
                server.tell(
                    &[&limit[..], &sets.iter().map(String::as_str).collect::<Vec<_>>()].concat(),
                )
            }
        }
    }
}

/// Stores a batch of items that nobody reads; whether there was room for all.
fn store(server: &Memcached, length: usize) -> io::Result<bool> {
    let mut stream = server.connect()?;
    let value = "x".repeat(length);
    let items: String = (0..BATCH)
        .map(|_| format!("set filler-{:016x} 0 0 {length}\r\n{value}\r\n", fastrand::u64(..)))
        .collect();
    stream.write_all(items.as_bytes())?;
    let mut replies = BufReader::new(stream).lines();
    let mut all = true;
    for _ in 0..BATCH {
        all &=
            replies.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))? == "STORED";
    }
    Ok(all)
}

/// A server and what is before it.
pub struct Node {
    pub server: Server,
    pub link: Option<Link>,
}

impl Node {
    pub fn start(kind: Kind, without_evictions: bool, with_link: bool) -> Option<Self> {
        let server = Server::start(kind, without_evictions)?;
        let link = with_link.then(|| Link::new(server.address()));
        Some(Self { server, link })
    }

    /// How a save path names it, whose TCP addresses begin with `prefix`.
    pub fn url(&self, prefix: &str) -> String {
        match (&self.link, self.server.address()) {
            (Some(link), _) => format!("{prefix}{}", link.address()),
            (None, Address::Tcp(address)) => format!("{prefix}{address}"),
            (None, Address::Unix(path)) => format!("unix://{}", path.display()),
        }
    }
}
