//! Real memcached servers, on Unix sockets of their own or on ports from the kernel.

use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Signal, kill_process};
use sessclust_engine::session::id::SessionId;
use tempfile::TempDir;

use super::{PATIENCE, Process, folder, program, wait_for};

/// A running memcached, gone with its value.
pub struct Memcached {
    program: PathBuf,
    folder: TempDir,
    address: Address,
    options: &'static [&'static str],
    process: Process,
}

enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

pub trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Memcached {
    /// On a Unix socket.
    pub fn start() -> Option<Self> {
        let folder = folder();
        let address = Address::Unix(folder.path().join("socket"));
        Self::start_on(address, folder, &[])
    }

    /// On a free port of this address.
    pub fn start_tcp(ip: impl Into<IpAddr>) -> Option<Self> {
        Self::start_tcp_with(ip, &[])
    }

    /// As [`Self::start_tcp`], with options of memcached that win over ours.
    pub fn start_tcp_with(ip: impl Into<IpAddr>, options: &'static [&'static str]) -> Option<Self> {
        Self::start_on(Address::Tcp(SocketAddr::new(ip.into(), 0)), folder(), options)
    }

    fn start_on(
        address: Address,
        folder: TempDir,
        options: &'static [&'static str],
    ) -> Option<Self> {
        let program = program(&["memcached"])?;
        let process = Process::start(address.command(&program, &folder).args(options));
        let mut server = Self { program, folder, address, options, process };
        if let Address::Tcp(address) = &mut server.address {
            let port = wait_for("memcached's port", || {
                // "TCP INET6: 36149"; the file gets its name when it is complete.
                let ports = fs::read_to_string(server.folder.path().join("ports")).ok()?;
                ports.split_whitespace().nth(2)?.parse().ok()
            });
            address.set_port(port);
        }
        server.wait();
        Some(server)
    }

    fn wait(&self) {
        wait_for("memcached", || self.connect().ok());
    }

    /// How a warning names it.
    pub fn name(&self) -> String {
        match &self.address {
            Address::Unix(path) => path.display().to_string(),
            Address::Tcp(address) => address.to_string(),
        }
    }

    /// How a save path names it.
    fn url(&self) -> String {
        match &self.address {
            Address::Unix(_) => format!("memcached+unix://{}", self.name()),
            Address::Tcp(_) => format!("memcached://{}", self.name()),
        }
    }

    /// Ends it, with all that it holds.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, at the same address and empty.
    pub fn restart(&mut self) {
        let mut command = self.address.command(&self.program, &self.folder);
        self.process = Process::start(command.args(self.options));
        self.wait();
    }

    /// Makes it stand still, or go on: SIGSTOP, SIGCONT.
    pub fn signal(&self, signal: Signal) {
        let pid = self.process.pid();
        kill_process(pid, signal).unwrap();
        if signal == Signal::STOP {
            // The signal only begins with that. Source: proc(5), the state behind the name.
            wait_for("a memcached that stands still", || {
                let tasks = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).unwrap();
                let has_stopped = |task: fs::DirEntry| {
                    let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
                };
                tasks.flatten().all(has_stopped).then_some(())
            });
        }
    }

    /// One of its statistics.
    pub fn stat(&self, name: &str) -> usize {
        let stats = self.ask("stats");
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("STAT {name} ")));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} in {stats}"))
    }

    /// Whether it has the record of a session.
    pub fn has(&self, id: &str) -> bool {
        self.has_key(&key("sc:r:", id))
    }

    /// Whether it has the lock of a session.
    pub fn has_lock(&self, id: &str) -> bool {
        self.has_key(&key("sc:l:", id))
    }

    /// Locks a session for a minute, as another machine would.
    pub fn lock(&self, id: &str) {
        let value = "1 0 0 1 1 1 elsewhere /script.php";
        let answer =
            self.ask(&format!("ms {} {} ME T60\r\n{value}", key("sc:l:", id), value.len()));
        assert_eq!(answer, "HD\r\n");
    }

    /// Gives a session's lock back, as another machine would.
    pub fn unlock(&self, id: &str) {
        assert_eq!(self.ask(&format!("md {}", key("sc:l:", id))), "HD\r\n");
    }

    fn has_key(&self, key: &str) -> bool {
        let answer = self.ask(&format!("mg {key}"));
        assert!(matches!(&*answer, "HD\r\n" | "EN\r\n"), "{answer}");
        answer == "HD\r\n"
    }

    fn ask(&self, command: &str) -> String {
        let mut stream = self.connect().unwrap();
        write!(stream, "{command}\r\nquit\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        })
    }
}

impl Address {
    fn command(&self, program: &Path, folder: &TempDir) -> Command {
        let mut command = Process::command(program);
        // The user counts only where root starts it, which memcached refuses without one.
        command.args(["-u", "root", "-t", "1", "-m", "64"]);
        match self {
            // For workers of other users too.
            Self::Unix(path) => command.args(["-a", "0777", "-s"]).arg(path),
            Self::Tcp(address) => {
                // -1: any port that is free.
                let port = if address.port() == 0 { -1 } else { i32::from(address.port()) };
                command
                    .args(["-l", &address.ip().to_string(), "-p", &port.to_string()])
                    .env("MEMCACHED_PORT_FILENAME", folder.path().join("ports"))
            }
        };
        command
    }
}

/// The key of a session's item.
fn key(prefix: &str, id: &str) -> String {
    let digest = SessionId::parse(id.as_bytes()).unwrap().digest().to_hex();
    format!("{prefix}{}", String::from_utf8_lossy(&digest))
}

/// The save path of a pool of these nodes.
pub fn save_path(nodes: &[Memcached]) -> String {
    nodes.iter().map(Memcached::url).collect::<Vec<_>>().join(",")
}
