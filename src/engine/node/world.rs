//! What the engine takes from outside, so that a simulated network and clock can drive the same
//! code: time, randomness and connections. Delays and timeouts are tokio's, which can be simulated
//! itself.

use super::socket::Socket;
use crate::config::save_path::Endpoint;
use crate::machine::process_id;
use rustix::net::sockopt;
use rustix::process::Pid;
use rustix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Bytes to and from a server.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// How long from now on reading and writing may take altogether. A stream that returns while it
    /// waits need not know: whoever waits for it stops in time.
    fn set_patience(&mut self, _patience: Duration) {}

    /// Whether there is something to read, as far as can be told without waiting.
    fn has_input(&self) -> bool {
        false
    }
}

impl Stream for tokio::io::DuplexStream {}

/// A connection in the making.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// Time, randomness and connections.
pub trait World: Send + Sync {
    /// The time of day. The machines of a cluster agree about it within some seconds.
    fn now(&self) -> SystemTime;

    /// Time that never jumps, the same for all processes of a machine. It goes on while the machine
    /// sleeps.
    fn uptime(&self) -> Duration;

    /// Random bits, never the same twice, not in a fork either. They tell things apart, and keep no
    /// secret.
    fn random(&self) -> u128;

    /// Connects to a server.
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a>;
}

/// The real one.
#[derive(Debug)]
pub struct System;

/// Idle time after which the kernel asks whether the other end of a TCP connection is still there,
/// and the time between two such questions: a firewall forgets idle connections, often after some
/// minutes, and says nothing to either end.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

impl World for System {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn uptime(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    fn random(&self) -> u128 {
        thread_local! {
            static SOURCE: RefCell<Option<(Pid, fastrand::Rng)>> = const { RefCell::new(None) };
        }
        SOURCE.with_borrow_mut(|source| {
            let own = process_id();
            // A fork would go on with the numbers of its parent.
            match source.as_mut().filter(|(owner, _)| *owner == own) {
                Some((_, numbers)) => numbers.u128(..),
                None => {
                    let numbers = fastrand::Rng::with_seed(seed());
                    source.insert((own, numbers)).1.u128(..)
                }
            }
        })
    }

    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move {
            // Connecting can be given up, which a blocking connect cannot.
            match endpoint {
                Endpoint::Unix(path) => {
                    let socket = UnixStream::connect(path).await?.into_std()?;
                    socket.set_nonblocking(false)?;
                    Ok(Box::new(Socket::new(socket)) as Box<dyn Stream>)
                }
                Endpoint::Tcp { host, port } => {
                    let socket = connect_tcp(host, *port).await?.into_std()?;
                    socket.set_nonblocking(false)?;
                    Ok(Box::new(Socket::new(socket)) as Box<dyn Stream>)
                }
            }
        })
    }
}

/// 64 bits of the system's random source.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    // So few bytes come whole, source: getrandom(2). A system without it is none that PHP itself
    // could draw session ids on.
    got.expect("the kernel's random source");
    u64::from_le_bytes(bytes)
}

/// Connects to the first address of a host that takes the connection.
///
/// Names are resolved by the C library, which blocks and has timeouts of its own; the operator's
/// `/etc/hosts` or a local cache is the place for names of nodes, or addresses in the save path.
async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let addresses: Vec<SocketAddr> = (bare, port).to_socket_addrs()?.collect();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                sockopt::set_socket_keepalive(&stream, true)?;
                sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
                sockopt::set_tcp_keepintvl(&stream, KEEP_ALIVE)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
