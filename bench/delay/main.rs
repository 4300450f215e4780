//! A link with a delay: passes bytes on between Unix sockets, each the same time after it came.
//!
//! ```text
//! delay MICROSECONDS SOCKET SERVER
//! ```
//!
//! Listens on SOCKET and connects each connection to SERVER. Both directions are delayed, so a
//! round trip takes twice as long more. What the threads here need on top of it, some tens of
//! microseconds, is the same for all that is compared.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes read at a time: more than a request or a reply has.
const PIECE_BYTES: usize = 256 * 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [delay, socket, server] = &arguments[..] else {
        panic!("usage: delay MICROSECONDS SOCKET SERVER")
    };
    let delay = Duration::from_micros(delay.parse().expect("a number of microseconds"));
    let listener = UnixListener::bind(socket).expect("a new socket");
    for client in listener.incoming() {
        let client = client.expect("a connection");
        let server = UnixStream::connect(server).expect("the server listens");
        for (from, to) in [(&client, &server), (&server, &client)] {
            let [from, to] = [from, to].map(|end| end.try_clone().expect("a descriptor"));
            pass_on(from, to, delay);
        }
    }
}

/// One direction of a connection: one thread notes when each piece came, another one waits for its
/// time.
fn pass_on(mut from: UnixStream, mut to: UnixStream, delay: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            if sender.send((Instant::now() + delay, piece[..length].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, piece) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        // Whoever still reads or writes at either end finds out.
        let _ = to.shutdown(Shutdown::Both);
    });
}
