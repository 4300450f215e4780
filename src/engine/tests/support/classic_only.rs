//! A proxy before a memcached that makes it an old one: it knows no meta command any more. It also
//! counts what the server is asked.

use super::memcached::Memcached;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;

/// Commands of the meta protocol.
const META: [&str; 6] = ["mg", "ms", "md", "mn", "ma", "me"];

/// Commands with a value on the next line, whose length is their fifth word.
const STORAGE: [&str; 6] = ["set", "add", "replace", "append", "prepend", "cas"];

/// How often which command was sent, by its first word.
pub type Commands = BTreeMap<String, usize>;

/// A proxy on a Unix socket of its own. Its thread ends with the test program.
pub struct ClassicOnly {
    folder: TempDir,
    commands: Arc<Mutex<Commands>>,
}

impl ClassicOnly {
    pub fn before(server: &Memcached) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let proxy = Self { folder, commands: Arc::default() };
        let listener = UnixListener::bind(proxy.socket()).expect("a socket");
        let (socket, commands) = (server.socket(), Arc::clone(&proxy.commands));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is gone looks gone to the client, whose connection ends here.
                if let Ok(server) = UnixStream::connect(&socket) {
                    connect(client, server, Arc::clone(&commands));
                }
            }
        });
        proxy
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// A new connection through the proxy.
    pub fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).expect("the proxy listens")
    }

    /// What has been sent so far through all connections.
    pub fn commands(&self) -> Commands {
        self.commands.lock().expect("no panic").clone()
    }
}

/// Forwards in both directions until one side closes.
fn connect(client: UnixStream, server: UnixStream, commands: Arc<Mutex<Commands>>) {
    let clone = |stream: &UnixStream| stream.try_clone().expect("a file descriptor");
    let (mut replies, mut to_client) = (clone(&server), clone(&client));
    thread::spawn(move || {
        let _ = io::copy(&mut replies, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = forward(BufReader::new(client), &server, &commands);
        let _ = server.shutdown(Shutdown::Write);
    });
}

/// Forwards the commands of a client. A meta command becomes a word that memcached does not know
/// either, so that its `ERROR` comes in its turn. As with an old server, a value behind such a line
/// is taken for a command.
fn forward(
    mut client: impl BufRead,
    mut server: impl Write,
    commands: &Mutex<Commands>,
) -> io::Result<()> {
    let mut line = Vec::new();
    while client.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let command = words.first().copied().unwrap_or_default();
        *commands.lock().expect("no panic").entry(command.to_owned()).or_default() += 1;
        if META.contains(&command) {
            server.write_all(b"unknown\r\n")?;
        } else {
            server.write_all(&line)?;
        }
        if STORAGE.contains(&command) {
            // A client that was cut off in the middle has nothing more to say.
            let Some(value_bytes) = words.get(4).and_then(|word| word.parse::<u64>().ok()) else {
                return Ok(());
            };
            let value = &mut client.by_ref().take(value_bytes + b"\r\n".len() as u64);
            io::copy(value, &mut server)?;
        }
        line.clear();
    }
    Ok(())
}
