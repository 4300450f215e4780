//! A real memcached for a test: on a Unix socket of its own, and gone with its value.

use super::wait_for;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running memcached.
pub struct Memcached {
    process: Child,
    folder: TempDir,
}

impl Memcached {
    /// Starts a memcached with these options. Where there is none, the test is skipped with a
    /// message; in CI (`CI` is set) it fails.
    #[track_caller]
    pub fn start(options: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("memcached");
        // The user counts only where root starts it, which memcached refuses without one.
        command.args(["-u", "root", "-t", "1", "-s"]).arg(folder.path().join("socket"));
        match command.args(options).stdin(Stdio::null()).spawn() {
            Ok(process) => {
                let server = Self { process, folder };
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

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn try_connect(&self) -> std::io::Result<UnixStream> {
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
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
