//! A network link before a server, whatever protocol is spoken on it: bytes pass as they come, or
//! late, or are cut off in the middle of a reply, or nobody is there.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often a thread that has nothing to pass on looks for a new state.
const TICK: Duration = Duration::from_millis(10);

/// While replies are cut, one of this many is. A link carries some hundred in a second.
const CUT_EVERY: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    Up,
    /// Replies come this much later.
    Late(Duration),
    /// Some connections end in the middle of a reply.
    Cutting,
    /// All connections are cut, new ones refused.
    Down,
    /// The link is taken away.
    Ended,
}

/// Where a server listens.
#[derive(Clone)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    pub fn connect(&self) -> io::Result<File> {
        Ok(File::from(match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                OwnedFd::from(stream)
            }
            Self::Unix(path) => UnixStream::connect(path)?.into(),
        }))
    }
}

/// Listens on a port from the kernel until it is dropped.
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    server: Address,
    state: Mutex<State>,
    replies: AtomicUsize,
}

impl Link {
    pub fn new(server: Address) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Mutex::new(State::Up);
        let shared = Arc::new(Shared { server, state, replies: AtomicUsize::new(0) });
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.serve(listener)
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, state: State) {
        *self.shared.state.lock().unwrap() = state;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.set(State::Ended);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))) || thread::panicking(), "the link has panicked");
    }
}

impl Shared {
    fn state(&self) -> State {
        *self.state.lock().unwrap()
    }

    fn serve(&self, listener: TcpListener) {
        let address = listener.local_addr().unwrap();
        let mut listener = Some(listener);
        thread::scope(|scope| {
            loop {
                match (self.state(), &listener) {
                    (State::Ended, _) => return,
                    (State::Down, _) => {
                        listener = None;
                        thread::sleep(TICK);
                    }
                    (_, None) => listener = Some(TcpListener::bind(address).unwrap()),
                    (_, Some(open)) => {
                        if wait([open], TICK)[0] {
                            let (client, _) = open.accept().unwrap();
                            scope.spawn(|| self.pass(client));
                        }
                    }
                }
            }
        });
    }

    /// Serves a connection until one side ends it. Requests are passed on before their end is seen.
    fn pass(&self, client: TcpStream) {
        client.set_nodelay(true).unwrap();
        let Ok(mut server) = self.server.connect() else { return };
        let mut client = File::from(OwnedFd::from(client));
        // Replies on their way, and when they arrive.
        let mut replies: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
        let mut chunk = vec![0; 1 << 16];
        loop {
            let state = self.state();
            if matches!(state, State::Down | State::Ended) {
                return;
            }
            while replies.front().is_some_and(|(due, _)| *due <= Instant::now()) {
                let (_, reply) = replies.pop_front().expect("a first one");
                if client.write_all(&reply).is_err() {
                    return;
                }
            }
            let until =
                replies.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
            let [asked, answered] = wait([&client, &server], until.unwrap_or(TICK).min(TICK));
            if asked {
                let Ok(bytes @ 1..) = client.read(&mut chunk) else { return };
                if server.write_all(&chunk[..bytes]).is_err() {
                    return;
                }
            }
            if answered {
                let Ok(bytes @ 1..) = server.read(&mut chunk) else { return };
                let number = self.replies.fetch_add(1, Ordering::Relaxed);
                if state == State::Cutting && number.is_multiple_of(CUT_EVERY) {
                    let _ = client.write_all(&chunk[..bytes / 2]);
                    return;
                }
                let late = if let State::Late(late) = state { late } else { Duration::ZERO };
                replies.push_back((Instant::now() + late, chunk[..bytes].to_vec()));
            }
        }
    }
}

/// Waits until there is something to read, or a while; says from which.
fn wait<const N: usize>(from: [&impl AsFd; N], at_most: Duration) -> [bool; N] {
    let mut polled = from.map(|source| PollFd::new(source, PollFlags::IN));
    let limit = Timespec::try_from(at_most).unwrap();
    // An error is an interruption: nothing there yet.
    let _ = poll(&mut polled, Some(&limit));
    polled.map(|source| !source.revents().is_empty())
}
