//! A real Redis or Valkey for a test, gone with its value, and a client that speaks to it behind
//! the back of the product. `SESSCLUST_REDIS_SERVER` names the program; default: redis-server.
//!
//! Every server listens on a Unix socket, on which the tests talk to it whatever else it asks of
//! its clients. The end-to-end tests include this file too.

use super::PATIENCE;
use super::certificates::Certificates;
use rustix::process::{Pid, Signal, kill_process};
use sessclust_engine::session::id::SessionId;
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Whom the tests log in as, for all others may need a password or not be there at all.
const BACK_DOOR: &str = "back";

/// Where a server listens beside its Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    None,
    Tcp(u16),
    Tls(u16),
    Sentinel(u16),
}

/// A running Redis.
pub struct Redis {
    process: Child,
    folder: TempDir,
    port: Port,
}

impl Redis {
    /// Starts a Redis with these options on a Unix socket of its own. Where there is none, the test
    /// is skipped with a message; in CI (`CI` is set) it fails.
    #[track_caller]
    pub fn start(options: &[&str]) -> Option<Self> {
        Self::start_on(|_| Port::None, &configuration(options))
    }

    /// The same on a port of 127.0.0.1 as well.
    #[track_caller]
    pub fn start_tcp(options: &[&str]) -> Option<Self> {
        Self::start_on(Port::Tcp, &configuration(options))
    }

    /// The same on a port where it speaks TLS, with the server's certificate. Clients need none
    /// unless the options say `--tls-auth-clients yes`.
    #[track_caller]
    pub fn start_tls(certificates: &Certificates, options: &[&str]) -> Option<Self> {
        let file = |name| certificates.file(name).display().to_string();
        let [ca, certificate, key] = ["ca.pem", "server.pem", "server.key"].map(file);
        let own = ["--tls-ca-cert-file", &ca, "--tls-cert-file", &certificate];
        let more = ["--tls-key-file", &key, "--tls-auth-clients", "no"];
        Self::start_on(Port::Tls, &configuration(&[&own, &more, options].concat()))
    }

    /// A replica of this one, which has all that this one has.
    #[track_caller]
    pub fn start_replica(&self, options: &[&str]) -> Option<Self> {
        let port = self.port().to_string();
        let replica = Self::start_tcp(&[&["--replicaof", "127.0.0.1", &port], options].concat())?;
        replica.wait_for_link();
        Some(replica)
    }

    /// A sentinel with these lines of configuration, on a port of 127.0.0.1.
    #[track_caller]
    pub fn start_sentinel(lines: &str) -> Option<Self> {
        Self::start_on(Port::Sentinel, lines)
    }

    #[track_caller]
    fn start_on(port: fn(u16) -> Port, lines: &str) -> Option<Self> {
        // What is free now may be taken by others before the server has it.
        loop {
            let mut server = Self::start_at(port(free_port()), lines)?;
            if server.has_started() {
                return Some(server);
            }
        }
    }

    #[track_caller]
    fn start_at(port: Port, lines: &str) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("sessclust-redis-").tempdir();
        let folder = folder.expect("a temporary folder");
        // Workers of other users come here too.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let (tcp, tls) = match port {
            Port::None => (0, 0),
            Port::Tcp(port) | Port::Sentinel(port) => (port, 0),
            Port::Tls(port) => (0, port),
        };
        // A build without TLS knows no such port, not even 0.
        let tls = if tls > 0 { format!("tls-port {tls}\n") } else { String::new() };
        let own = format!(
            "bind 127.0.0.1\nport {tcp}\n{tls}unixsocket socket\nunixsocketperm 777\n\
             user {BACK_DOOR} on nopass ~* &* +@all\n{lines}"
        );
        fs::write(folder.path().join("conf"), own).expect("a file");
        match spawn(&folder, port) {
            Ok(process) => Some(Self { process, folder, port }),
            Err(error) => {
                let reason = format!("{} does not start: {error}", program());
                assert!(std::env::var_os("CI").is_none(), "{reason}");
                println!("skipped: {reason}");
                None
            }
        }
    }

    /// Waits until it answers; false if it has ended because its port was taken.
    #[track_caller]
    fn has_started(&mut self) -> bool {
        let mut has_ended = false;
        wait_until("redis-server", || {
            has_ended = self.process.try_wait().expect("a child").is_some();
            has_ended || self.answers()
        });
        let log = fs::read_to_string(self.folder.path().join("log")).expect("a log");
        assert!(!has_ended || log.contains("Failed listening on port"), "{log}");
        !has_ended
    }

    fn answers(&self) -> bool {
        // It listens some time before it is ready, but then it may end as well.
        let answer = self.try_connect().and_then(|mut stream| {
            stream.write_all(b"PING\r\n")?;
            stream.read(&mut [0])
        });
        matches!(answer, Ok(1))
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Kills it and starts it again at the same place, with no data. What a sentinel or a cluster
    /// has told it of others it still knows.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        self.process = spawn(&self.folder, self.port).expect("it has started before");
        assert!(self.has_started(), "its port is taken");
    }

    /// Makes it stand still, or go on: SIGSTOP, SIGCONT.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, signal).expect("it runs");
        if signal == Signal::STOP {
            wait_until("a server that stands still", || stands_still(pid));
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The port where it listens as well.
    pub fn port(&self) -> u16 {
        match self.port {
            Port::Tcp(port) | Port::Tls(port) | Port::Sentinel(port) => port,
            Port::None => panic!("it has no port"),
        }
    }

    /// How a warning names it.
    pub fn name(&self) -> String {
        match self.port {
            Port::None => self.socket().display().to_string(),
            Port::Tcp(port) | Port::Tls(port) | Port::Sentinel(port) => format!("127.0.0.1:{port}"),
        }
    }

    /// How a save path names it.
    pub fn url(&self) -> String {
        let scheme = match self.port {
            Port::None => "redis+unix",
            Port::Tcp(_) => "redis",
            Port::Tls(_) => "rediss",
            Port::Sentinel(_) => "redis+sentinel",
        };
        format!("{scheme}://{}", self.name())
    }

    fn try_connect(&self) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Whether it runs, or at least has not ended.
    pub fn listens(&self) -> bool {
        self.try_connect().is_ok()
    }

    /// A new connection to its socket, on which waiting ends after a while.
    pub fn connect(&self) -> UnixStream {
        self.try_connect().expect("redis-server listens")
    }

    /// A client whom it lets do all.
    pub fn client(&self) -> Client {
        self.try_client().expect("redis-server listens")
    }

    fn try_client(&self) -> io::Result<Client> {
        let mut client = Client(BufReader::new(self.try_connect()?));
        client.try_call(&["AUTH", BACK_DOOR, ""])?.ok();
        Ok(client)
    }

    /// What it says to one command, in lines; nothing for what is not there.
    pub fn cli(&self, command: &[&str]) -> String {
        self.try_cli(command).expect("a reply")
    }

    /// The same of a server that may be told to cut its connections: sentinels do that to one
    /// whose primary they change.
    pub fn try_cli(&self, command: &[&str]) -> io::Result<String> {
        Ok(self.try_client()?.try_call(command)?.to_string())
    }

    /// One line of `INFO`.
    pub fn info(&self, name: &str) -> String {
        let info = self.cli(&["INFO", "everything"]);
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in {info}")).to_owned()
    }

    /// How often it was told so.
    pub fn calls(&self, command: &str) -> u64 {
        let stats = self.cli(&["INFO", "commandstats"]);
        let count = stats.lines().find_map(|line| {
            line.strip_prefix(&format!("cmdstat_{command}:calls="))?.split(',').next()?.parse().ok()
        });
        count.unwrap_or(0)
    }

    /// Waits until it has all that its primary has.
    #[track_caller]
    pub fn wait_for_link(&self) {
        wait_until("a replica", || {
            let info = self.try_cli(&["INFO", "replication"]).unwrap_or_default();
            info.contains("role:slave") && info.contains("master_link_status:up")
        });
    }

    /// Whether it has the record of a session.
    pub fn has(&self, id: &str) -> bool {
        self.cli(&["EXISTS", &key("sc:r:", id)]) == "1"
    }

    /// Whether it has the lock of a session.
    pub fn has_lock(&self, id: &str) -> bool {
        self.cli(&["EXISTS", &key("sc:l:", id)]) == "1"
    }

    /// Locks a session for a minute, as another machine would.
    pub fn lock(&self, id: &str) {
        let value = "versions1 0 0 1 1 1 elsewhere /script.php";
        let command = ["SET", &key("sc:l:", id), value, "NX", "EX", "60"];
        assert_eq!(self.cli(&command), "OK");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The key of a session's item: the digest is in braces, by which Redis Cluster keeps all items of
/// a session in one place.
pub fn key(prefix: &str, id: &str) -> String {
    let digest = SessionId::parse(id.as_bytes()).expect("a valid id").digest().to_hex();
    format!("{prefix}{{{}}}", String::from_utf8_lossy(&digest))
}

/// Options as lines of a file, into which sentinels write whose replica the server is.
fn configuration(options: &[&str]) -> String {
    let own = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"];
    let text = |word: &&str| match word.strip_prefix("--") {
        Some(name) => format!("\n{name}"),
        None => format!(" \"{word}\""),
    };
    own.iter().chain(options).map(text).collect()
}

fn program() -> String {
    std::env::var("SESSCLUST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// Whether all threads of a process were stopped, which a signal only begins with. Source: proc(5),
/// the state behind the name in `stat`.
pub fn stands_still(pid: Pid) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).expect("it runs");
    tasks.flatten().all(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
    })
}

/// A port of 127.0.0.1 on which nobody listens now: redis-server cannot be told to take one.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

fn spawn(folder: &TempDir, port: Port) -> io::Result<Child> {
    let log = File::create(folder.path().join("log"))?;
    let mut command = Command::new(program());
    command.arg("conf").current_dir(folder.path());
    if matches!(port, Port::Sentinel(_)) {
        command.arg("--sentinel");
    }
    command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log).spawn()
}

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What a Redis said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Number(i64),
    Text(Vec<u8>),
    Error(String),
    List(Vec<Reply>),
}

impl Reply {
    /// Nothing else will do.
    #[track_caller]
    pub fn ok(self) {
        assert_eq!(self.to_string(), "OK");
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => Ok(()),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(&String::from_utf8_lossy(text)),
            Self::Error(text) => f.write_str(text),
            Self::List(list) => {
                let lines: Vec<String> = list.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

/// A connection to a Redis, in its protocol's version 2.
pub struct Client(BufReader<UnixStream>);

impl Client {
    /// The reply to a command.
    #[track_caller]
    pub fn call(&mut self, command: &[impl AsRef<[u8]>]) -> Reply {
        self.try_call(command).expect("a reply")
    }

    fn try_call(&mut self, command: &[impl AsRef<[u8]>]) -> io::Result<Reply> {
        let mut request = format!("*{}\r\n", command.len()).into_bytes();
        for word in command {
            let word = word.as_ref();
            request.extend(format!("${}\r\n", word.len()).bytes());
            request.extend([word, b"\r\n"].concat());
        }
        self.0.get_mut().write_all(&request)?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, text) = line.trim_end().split_at(1);
        let number = || text.parse::<i64>().expect("a number");
        Ok(match kind {
            "+" => Reply::Text(text.into()),
            "-" => Reply::Error(text.to_owned()),
            ":" => Reply::Number(number()),
            "$" | "*" if number() == -1 => Reply::Nil,
            "$" => {
                let length = number() as usize;
                let mut value = vec![0; length + b"\r\n".len()];
                self.0.read_exact(&mut value)?;
                value.truncate(length);
                Reply::Text(value)
            }
            "*" => Reply::List((0..number()).map(|_| self.reply()).collect::<io::Result<_>>()?),
            _ => panic!("no reply of Redis: {line}"),
        })
    }
}
