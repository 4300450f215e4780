//! A real memcached for a test: on a Unix socket of its own, and gone with its value.

use super::wait_for;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running memcached.
pub struct Memcached {
    process: Child,
    folder: TempDir,
    options: Vec<String>,
}

impl Memcached {
    /// Starts a memcached with these options. Where there is none, the test is skipped with a
    /// message; in CI (`CI` is set) it fails.
    #[track_caller]
    pub fn start(options: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        match spawn(&folder, &options) {
            Ok(process) => {
                let server = Self { process, folder, options };
                wait_for("memcached", || server.try_connect().is_ok());
                Some(server)
            }
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "memcached does not start: {error}");
                println!("skipped: memcached does not start: {error}");
                None
            }
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Kills it and starts it again on the same socket, with nothing in it.
    pub fn restart(&mut self) {
        self.kill();
        self.process = spawn(&self.folder, &self.options).expect("it has started before");
        wait_for("memcached", || self.try_connect().is_ok());
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
        let stream = self.try_connect().expect("memcached listens");
        stream.set_read_timeout(Some(super::PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(super::PATIENCE)).expect("a timeout");
        stream
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &TempDir, options: &[String]) -> io::Result<Child> {
    // The user counts only where root starts it, which memcached refuses without one.
    Command::new("memcached")
        .args(["-u", "root", "-t", "1", "-s"])
        .arg(folder.path().join("socket"))
        .args(options)
        .stdin(Stdio::null())
        .spawn()
}
