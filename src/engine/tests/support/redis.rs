//! A real Redis or Valkey for a test, gone with its value, and a client that speaks to it behind
//! the back of the product. `SESSCLUST_REDIS_SERVER` names the program; default: redis-server.
//!
//! Every server listens on a Unix socket, on which the tests talk to it whatever else it asks of
//! its clients. The end-to-end tests include this file too.

use super::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Whom the tests log in as, because others may need a password or not be there at all.
const BACK_DOOR: &str = "back";

/// A running Redis.
pub struct Redis {
    process: Child,
    folder: TempDir,
    options: Vec<String>,
    port: u16,
}

impl Redis {
    /// Starts a Redis with these options on a Unix socket of its own. Where there is none, the test
    /// is skipped with a message; in CI (`CI` is set) it fails.
    #[track_caller]
    pub fn start(options: &[&str]) -> Option<Self> {
        Self::start_on(options, 0)
    }

    fn start_on(options: &[&str], port: u16) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("sessclust-redis-").tempdir();
        let folder = folder.expect("a temporary folder");
        // Workers of other users come here too.
        let open = Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("it is ours");
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        match spawn(&folder, port, &options) {
            Ok(process) => {
                let mut server = Self { process, folder, options, port };
                server.wait();
                Some(server)
            }
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "redis-server does not start: {error}");
                println!("skipped: redis-server does not start: {error}");
                None
            }
        }
    }

    /// Waits until it takes commands.
    #[track_caller]
    fn wait(&mut self) {
        wait_until("redis-server", || {
            let ended = self.process.try_wait().expect("a child");
            assert!(ended.is_none(), "redis-server has ended: {}", self.log());
            self.try_connect().is_ok()
        });
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Kills it and starts it again at the same place, with nothing in it.
    pub fn restart(&mut self) {
        self.kill();
        let _ = fs::remove_file(self.socket());
        self.process =
            spawn(&self.folder, self.port, &self.options).expect("it has started before");
        self.wait();
    }

    /// Makes it stand still, or go on: SIGSTOP, SIGCONT.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it runs");
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn try_connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.socket())
    }

    /// A new connection to it, on which waiting ends after a while.
    pub fn connect(&self) -> UnixStream {
        let stream = self.try_connect().expect("redis-server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// A client whom it lets do all.
    pub fn client(&self) -> Client {
        let mut client = Client(BufReader::new(self.connect()));
        assert_eq!(client.call(&["AUTH", BACK_DOOR, ""]), Reply::Text(b"OK".to_vec()));
        client
    }

    /// What it says to one command, as redis-cli prints it where nobody looks: a line for each
    /// element, nothing for what is not there.
    pub fn cli(&self, command: &[&str]) -> String {
        self.client().call(command).to_string()
    }

    /// One line of `INFO`.
    pub fn info(&self, name: &str) -> String {
        let info = self.cli(&["INFO", "everything"]);
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in {info}")).to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> String {
    std::env::var("SESSCLUST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

fn spawn(folder: &TempDir, port: u16, options: &[String]) -> io::Result<Child> {
    let log = File::create(folder.path().join("log"))?;
    Command::new(program())
        .current_dir(folder.path())
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--unixsocket", "socket", "--unixsocketperm", "777"])
        .args(["--save", "", "--appendonly", "no"])
        .args(["--user", BACK_DOOR, "on", "nopass", "~*", "&*", "+@all"])
        .args(options)
        .stdin(Stdio::null())
        .stderr(log.try_clone()?)
        .stdout(log)
        .spawn()
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

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
    pub fn call(&mut self, command: &[impl AsRef<[u8]>]) -> Reply {
        let mut request = format!("*{}\r\n", command.len()).into_bytes();
        for word in command {
            let word = word.as_ref();
            request.extend(format!("${}\r\n", word.len()).bytes());
            request.extend([word, b"\r\n"].concat());
        }
        self.0.get_mut().write_all(&request).expect("redis-server listens");
        self.reply()
    }

    fn reply(&mut self) -> Reply {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a reply");
        let (kind, text) = line.trim_end().split_at(1);
        let number = || text.parse::<i64>().expect("a number");
        match kind {
            "+" => Reply::Text(text.into()),
            "-" => Reply::Error(text.to_owned()),
            ":" => Reply::Number(number()),
            "$" | "*" if number() == -1 => Reply::Nil,
            "$" => {
                let length = number() as usize;
                let mut value = vec![0; length + b"\r\n".len()];
                self.0.read_exact(&mut value).expect("a value");
                value.truncate(length);
                Reply::Text(value)
            }
            "*" => Reply::List((0..number()).map(|_| self.reply()).collect()),
            _ => panic!("no reply of Redis: {line}"),
        }
    }
}
