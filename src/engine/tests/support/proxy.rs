//! A proxy before a memcached or a Redis that does to replies and requests what networks and
//! servers do when they fail, at the place that a test names.
//!
//! Both streams are split into messages, requests and replies, which are counted over all
//! connections. A [`Fault`] happens to a message at its [`Place`]; all others pass unchanged. A
//! message is passed on when it is complete, so half of one never waits for the other half at the
//! peer unless a fault says so. `STAT` and `VALUE` lines up to their `END` are one reply. What
//! begins as Redis has it is split as Redis does.
//!
//! Each connection has four threads: per direction one that reads, splits and applies the faults,
//! and one that delivers, because delivering may have to wait. All threads end with the value.
//!
//! The proxy's own promise about cuts: when the client sees the end of its connection, the server
//! has carried out what was forwarded to it and has closed its side. Only [`Proxy::cut`] does not
//! wait for that.

use super::PATIENCE;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType};
use rustix::net::{bind, getsockname, listen, shutdown, socket_with};
use sessclust_engine::wire::Decoded;
use sessclust_engine::wire::memcached::meta::{Limits, Reply, decode};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What happens to a message, which is a request or a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It comes this much later, and what follows it not before it.
    Delay(Duration),
    /// It waits for [`Proxy::release`], and what follows it as well.
    Hold,
    /// The connection ends before it. What came before is still delivered, replies to earlier
    /// requests too.
    CutBefore,
    /// The connection ends after this many of its bytes, otherwise as [`Fault::CutBefore`].
    CutInside(usize),
    /// The connection ends after it. After a request: the server has done it, and neither its reply
    /// nor any other that is still on its way arrives.
    CutAfter,
    /// It comes twice.
    Duplicate,
    /// It comes after the next one, to which nothing else happens. Without a next one it never
    /// comes.
    Swap,
    /// These bytes come instead.
    Replace(Vec<u8>),
    /// It never comes.
    Swallow,
    /// This many of its bytes come and then nothing more in this direction. The connection stays.
    Stall(usize),
}

/// Where a fault happens. The numbers count from the moment of planning, over all connections: 0 is
/// the next message to come. What a cut or stalled connection drops is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The request that so many others precede.
    Request(usize),
    /// The reply that so many others precede.
    Reply(usize),
    /// Each request for which nothing else is planned. A [`Fault::Swallow`] here makes a server
    /// that takes connections and stays silent.
    EveryRequest,
    /// Each reply for which nothing else is planned.
    EveryReply,
}

/// What has come by, in total or on one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that clients opened.
    pub connections: usize,
    /// Connections that neither side has ended, whatever is still to be delivered on others.
    pub open: usize,
    /// Requests by their first word, which is in capitals if it is one of Redis.
    pub requests: BTreeMap<String, usize>,
    /// Replies of the server, whatever happened to them here.
    pub replies: usize,
    /// Replies that a client, as far as one can see from here, has waited for: those that were the
    /// first to be sent back after bytes had come. A pipeline in one write is one. Whether somebody
    /// really waits, only [`Fault::Hold`] shows.
    pub waits: usize,
    /// Faults that have happened.
    pub faults: usize,
}

impl Counts {
    /// How many requests began with this word.
    pub fn of(&self, word: &str) -> usize {
        self.requests.get(word).copied().unwrap_or_default()
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Address {
    /// How a save path names it; `service` is `memcached` or `redis`.
    pub fn url(&self, service: &str) -> String {
        match self {
            Self::Unix(path) => format!("{service}+unix://{}", path.display()),
            Self::Tcp(address) => format!("{service}://{address}"),
        }
    }

    fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
            Self::Tcp(address) => Stream::tcp(TcpStream::connect(address)?),
        }
    }

    fn listen(&self) -> Listener {
        match self {
            Self::Unix(path) => {
                // An earlier listener leaves its file, so that connecting to it is refused.
                let _ = fs::remove_file(path);
                Listener::Unix(UnixListener::bind(path).expect("a Unix socket"))
            }
            Self::Tcp(address) => Listener::Tcp(TcpListener::bind(address).expect("a TCP port")),
        }
    }
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
            Self::Tcp(listener) => Stream::tcp(listener.accept()?.0),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// A connection of either kind.
pub enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true).map(|()| Self::Tcp(stream))
    }

    /// Ends one direction of the connection, or both.
    pub fn shutdown(&self, how: Shutdown) {
        // An error says that the peer was faster.
        let _ = match self {
            Self::Unix(stream) => shutdown(stream, how),
            Self::Tcp(stream) => shutdown(stream, how),
        };
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => (&*stream).read(buffer),
            Stream::Tcp(stream) => (&*stream).read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => (&*stream).write(bytes),
            Stream::Tcp(stream) => (&*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A running proxy. It accepts connections from the start.
pub struct Proxy {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    _own: Own,
}

/// What is a proxy's as long as it lives, whether it listens or not.
enum Own {
    Folder(#[expect(dead_code)] TempDir),
    Port(#[expect(dead_code)] OwnedFd),
}

/// A socket that has a port of 127.0.0.1, which nobody else gets from the kernel then, and does not
/// listen.
fn reserve_port() -> OwnedFd {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let socket = socket.expect("a socket");
    // A `TcpListener` says the same and may then have the port as well.
    set_socket_reuseaddr(&socket, true).expect("a setting");
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a TCP port");
    socket
}

impl Proxy {
    /// A proxy that listens on a Unix socket of its own.
    pub fn unix(server: Address) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = Address::Unix(folder.path().join("socket"));
        Self::start(address, server, Own::Folder(folder))
    }

    /// A proxy that listens on a TCP port that the kernel chooses.
    pub fn tcp(server: Address) -> Self {
        let port = reserve_port();
        let address = getsockname(&port).expect("bound").try_into().expect("of IP");
        Self::start(Address::Tcp(address), server, Own::Port(port))
    }

    fn start(address: Address, server: Address, own: Own) -> Self {
        let state = State {
            door: Door::Open(Arc::new(address.listen())),
            is_ended: false,
            live: Vec::new(),
            plans: Default::default(),
            random: None,
            latency: Duration::ZERO,
            releases: 0,
            total: Counts::default(),
            each: Vec::new(),
            log: Vec::new(),
            faults: Vec::new(),
        };
        let state = Mutex::new(state);
        let shared = Arc::new(Shared { address, server, state, changed: Condvar::new() });
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.serve()
        });
        Self { shared, thread: Some(thread), _own: own }
    }

    /// Where the proxy listens.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// A client's connection to the proxy, on which waiting ends after a while.
    pub fn connect(&self) -> Stream {
        let stream = self.shared.address.connect().expect("the proxy listens");
        match &stream {
            Stream::Unix(stream) => stream.set_read_timeout(Some(PATIENCE)),
            Stream::Tcp(stream) => stream.set_read_timeout(Some(PATIENCE)),
        }
        .expect("a timeout");
        stream
    }

    /// Plans a fault. What was planned for the same place before is forgotten.
    pub fn plan(&self, place: Place, fault: Fault) {
        let mut state = self.shared.state();
        let (side, offset) = match place {
            Place::Request(offset) => (Side::Requests, Some(offset)),
            Place::Reply(offset) => (Side::Replies, Some(offset)),
            Place::EveryRequest => (Side::Requests, None),
            Place::EveryReply => (Side::Replies, None),
        };
        let plan = &mut state.plans[side as usize];
        match offset {
            Some(offset) => _ = plan.single.insert(plan.passed + offset, fault),
            None => plan.every = Some(fault),
        }
    }

    /// Makes faults happen to this share of the replies for which nothing else is planned, from 0.0
    /// to 1.0: any but [`Fault::Hold`], with delays up to `delay_max`. They depend on `seed` and
    /// the order of the replies alone.
    pub fn random(&self, seed: u64, share: f64, delay_max: Duration) {
        let generator = fastrand::Rng::with_seed(seed);
        self.shared.state().random = Some(Random { generator, share, delay_max });
    }

    /// Forgets all faults that are planned, random ones too, and [releases](Self::release).
    pub fn heal(&self) {
        let mut state = self.shared.state();
        state.random = None;
        for plan in &mut state.plans {
            plan.single.clear();
            plan.every = None;
        }
        drop(state);
        self.release();
    }

    /// Lets go what is held, and holds nothing more of what is planned so far.
    pub fn release(&self) {
        let mut state = self.shared.state();
        state.releases += 1;
        for plan in &mut state.plans {
            plan.single.retain(|_, fault| *fault != Fault::Hold);
            plan.every.take_if(|fault| *fault == Fault::Hold);
        }
        self.shared.changed.notify_all();
    }

    /// Delivers each byte that comes from now on so much later, in either direction, however many
    /// are on their way.
    pub fn latency(&self, each_way: Duration) {
        self.shared.state().latency = each_way;
    }

    /// Cuts all connections now, wherever they are.
    pub fn cut(&self) {
        let state = self.shared.state();
        state.live.iter().for_each(|connection| connection.kill());
        self.shared.changed.notify_all();
    }

    /// Refuses new connections; those there are stay.
    pub fn refuse(&self) {
        self.shared.set_door(|_| Door::Shut);
    }

    /// Takes no new connections and lets them wait, as a server does whose queue of them is full;
    /// those there are stay. A Unix socket makes only a blocking connect wait; others fail at once.
    pub fn clog(&self) {
        self.shared.set_door(|address| {
            let listener = address.listen();
            let waiting = address.connect().expect("just listening");
            listen(&listener, 0).expect("a shorter queue");
            Door::Clogged { listener, _waiting: waiting }
        });
    }

    /// Accepts new connections again, after [`Proxy::refuse`] or [`Proxy::clog`].
    pub fn accept(&self) {
        self.shared.set_door(|address| Door::Open(Arc::new(address.listen())));
    }

    /// What has come by so far.
    pub fn counts(&self) -> Counts {
        self.shared.state().total.clone()
    }

    /// The same for each connection, in the order of their opening.
    pub fn counts_of_each(&self) -> Vec<Counts> {
        self.shared.state().each.clone()
    }

    /// The requests so far, each with its first two words: the command and, if it has one, the key.
    pub fn log(&self) -> Vec<String> {
        self.shared.state().log.clone()
    }

    /// The faults that have happened so far.
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.state().faults.clone()
    }

    /// Starts all counts and both logs again, except the number of open connections.
    pub fn reset(&self) {
        let state = &mut *self.shared.state();
        for counts in state.each.iter_mut().chain([&mut state.total]) {
            *counts = Counts { open: counts.open, ..Counts::default() };
        }
        state.log.clear();
        state.faults.clear();
    }

    /// Waits until the total fulfils `condition`.
    #[track_caller]
    pub fn wait_for(&self, what: &str, condition: impl Fn(&Counts) -> bool) {
        let state = self.shared.state();
        let wait = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !condition(&state.total));
        let (state, result) = wait.unwrap_or_else(PoisonError::into_inner);
        let total = state.total.clone();
        drop(state);
        assert!(!result.timed_out(), "waited {PATIENCE:?} for {what}: {total:?}");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().is_ended = true;
        self.refuse();
        self.cut();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))) || thread::panicking(), "the proxy has panicked");
    }
}

/// A direction, by what goes there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Requests,
    Replies,
}

/// Faults of one direction.
#[derive(Default)]
struct Plan {
    /// Messages so far.
    passed: usize,
    /// Faults by how many messages precede them.
    single: BTreeMap<usize, Fault>,
    every: Option<Fault>,
}

struct Random {
    generator: fastrand::Rng,
    share: f64,
    delay_max: Duration,
}

impl Random {
    /// What happens to the next reply, which has so many bytes.
    fn fault(&mut self, bytes: usize) -> Option<Fault> {
        // One number per reply: what a reply takes from the generator changes no other's fault.
        let mut random = self.generator.fork();
        if random.f64() >= self.share {
            return None;
        }
        const GARBAGE: [&[u8]; 5] =
            [b"\0", b"HD\r", b"\r\n\r\n", b"+OK\r\n", b"J\0\0\0\x0a8.0.36\0"];
        Some(match random.u8(..9) {
            0 => Fault::Delay(self.delay_max.mul_f64(random.f64())),
            1 => Fault::CutBefore,
            2 => Fault::CutInside(random.usize(..bytes)),
            3 => Fault::CutAfter,
            4 => Fault::Duplicate,
            5 => Fault::Swap,
            6 => Fault::Replace(GARBAGE[random.usize(..GARBAGE.len())].to_vec()),
            7 => Fault::Swallow,
            _ => Fault::Stall(random.usize(..bytes)),
        })
    }
}

/// How new connections are met.
enum Door {
    Open(Arc<Listener>),
    Shut,
    Clogged { listener: Listener, _waiting: Stream },
}

struct State {
    door: Door,
    is_ended: bool,
    live: Vec<Arc<Connection>>,
    plans: [Plan; 2],
    random: Option<Random>,
    latency: Duration,
    /// Calls of [`Proxy::release`].
    releases: usize,
    total: Counts,
    each: Vec<Counts>,
    log: Vec<String>,
    faults: Vec<Fault>,
}

impl State {
    fn count(&mut self, connection: &Connection, count: impl Fn(&mut Counts)) {
        count(&mut self.total);
        count(&mut self.each[connection.number]);
    }

    /// Counts a message.
    fn meet(&mut self, connection: &Connection, side: Side, message: &[u8]) {
        self.plans[side as usize].passed += 1;
        if side == Side::Replies {
            return self.count(connection, |counts| counts.replies += 1);
        }
        let (word, key) = words(message);
        self.log.push(format!("{word} {key}").trim_end().to_owned());
        self.count(connection, |counts| *counts.requests.entry(word.clone()).or_default() += 1);
    }

    /// What happens to the message that was met last.
    fn fault(&mut self, connection: &Connection, side: Side, bytes: usize) -> Option<Fault> {
        let plan = &mut self.plans[side as usize];
        let random = self.random.as_mut().filter(|_| side == Side::Replies);
        // Each reply takes its number, so that a plan beside it does not shift the random faults.
        let random = random.and_then(|random| random.fault(bytes));
        let single = plan.single.remove(&(plan.passed - 1));
        let fault = single.or_else(|| plan.every.clone()).or(random)?;
        self.count(connection, |counts| counts.faults += 1);
        self.faults.push(fault.clone());
        Some(fault)
    }
}

/// Bytes to deliver; [`None`] ends the stream.
type Parcel = Option<(Vec<u8>, Due)>;

/// When a parcel may be delivered.
#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    /// How many releases there have to be.
    releases: usize,
}

/// A client's connection and the one to the server that belongs to it.
struct Connection {
    number: usize,
    client: Stream,
    server: Stream,
    /// To the deliverers of both directions.
    parcels: [Sender<Parcel>; 2],
    /// Nothing that comes in this direction is passed on any more.
    is_silenced: [AtomicBool; 2],
    /// The client has said something since the last reply.
    is_waiting: AtomicBool,
    /// Nothing is waited for any more.
    is_dead: AtomicBool,
}

impl Connection {
    fn send(&self, side: Side, parcel: Parcel) {
        // An error says that the deliverer has seen the end of the stream.
        let _ = self.parcels[side as usize].send(parcel);
    }

    fn silence(&self, side: Side) {
        self.is_silenced[side as usize].store(true, SeqCst);
    }

    fn is_silenced(&self, side: Side) -> bool {
        self.is_silenced[side as usize].load(SeqCst)
    }

    /// Ends both connections. To be called under the lock, so that no deliverer misses it.
    fn kill(&self) {
        self.is_dead.store(true, SeqCst);
        self.client.shutdown(Shutdown::Both);
        self.server.shutdown(Shutdown::Both);
    }
}

struct Shared {
    address: Address,
    server: Address,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops listening and then does what `door` says.
    fn set_door(&self, door: impl FnOnce(&Address) -> Door) {
        let mut state = self.state();
        // Wakes the thread that accepts, and refuses connections already now. To close it would not
        // do: a process that is just being started has it as well, until it is its own program.
        match std::mem::replace(&mut state.door, Door::Shut) {
            Door::Open(listener) => shutdown(&listener, Shutdown::Both).expect("a listener"),
            Door::Clogged { listener, .. } => {
                shutdown(&listener, Shutdown::Both).expect("a listener");
            }
            Door::Shut => {}
        }
        state.door = door(&self.address);
        self.changed.notify_all();
    }

    /// The listener of the open door. None when the proxy ends.
    fn listener(&self) -> Option<Arc<Listener>> {
        let mut state = self.state();
        loop {
            match &state.door {
                _ if state.is_ended => return None,
                Door::Open(listener) => return Some(Arc::clone(listener)),
                _ => {
                    let woken = self.changed.wait(state);
                    state = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Accepts connections until the proxy ends.
    fn serve(&self) {
        thread::scope(|scope| {
            while let Some(listener) = self.listener() {
                loop {
                    match listener.accept() {
                        Ok(client) => _ = scope.spawn(|| self.serve_one(client)),
                        // The listener was shut down.
                        Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
                        Err(error) => panic!("accept: {error}"),
                    }
                }
            }
        });
    }

    /// Serves a connection until it ends. A client whose server is not there is cut at once.
    fn serve_one(&self, client: Stream) {
        let Ok(server) = self.server.connect() else { return };
        let (to_server, for_server) = channel();
        let (to_client, for_client) = channel();
        let mut state = self.state();
        if state.is_ended {
            return;
        }
        let connection = Arc::new(Connection {
            number: state.each.len(),
            client,
            server,
            parcels: [to_server, to_client],
            is_silenced: Default::default(),
            is_waiting: AtomicBool::new(false),
            is_dead: AtomicBool::new(false),
        });
        state.live.push(Arc::clone(&connection));
        state.each.push(Counts::default());
        state.count(&connection, |counts| {
            counts.connections += 1;
            counts.open += 1;
        });
        drop(state);
        thread::scope(|scope| {
            let connection = &connection;
            scope.spawn(|| self.receive(connection, Side::Requests));
            scope.spawn(|| self.receive(connection, Side::Replies));
            scope.spawn(move || self.deliver(connection, Side::Requests, for_server));
            self.deliver(connection, Side::Replies, for_client);
        });
        self.state().live.retain(|live| !Arc::ptr_eq(live, &connection));
    }

    /// Reads one direction to its end, and passes on what is not kept by a fault.
    fn receive(&self, connection: &Connection, side: Side) {
        let (mut source, message_bytes) = match side {
            Side::Requests => (&connection.client, request_bytes as fn(&[u8]) -> Option<usize>),
            Side::Replies => (&connection.server, reply_bytes as _),
        };
        let mut input = Vec::new();
        let mut output = Output { shared: self, connection, side, ready: Vec::new(), kept: None };
        let mut chunk = vec![0; 1 << 16];
        // An error is an end as well.
        while let Ok(count @ 1..) = source.read(&mut chunk) {
            if side == Side::Requests {
                connection.is_waiting.store(true, SeqCst);
            }
            input.extend_from_slice(&chunk[..count]);
            let mut done = 0;
            while let Some(bytes) = message_bytes(&input[done..]) {
                output.pass(&input[done..done + bytes]);
                done += bytes;
            }
            input.drain(..done);
            output.flush();
        }
        // What is no whole message has no faults.
        if !connection.is_silenced(side) {
            output.ready = input;
            output.flush();
        }
        connection.send(side, None);
        if side == Side::Requests {
            self.state().count(connection, |counts| counts.open -= 1);
            self.changed.notify_all();
        }
    }

    /// Writes one direction to its end.
    fn deliver(&self, connection: &Connection, side: Side, parcels: Receiver<Parcel>) {
        let mut target = match side {
            Side::Requests => &connection.server,
            Side::Replies => &connection.client,
        };
        while let Ok(Some((bytes, due))) = parcels.recv() {
            self.wait_until(due, connection);
            if side == Side::Replies && connection.is_waiting.swap(false, SeqCst) {
                self.state().count(connection, |counts| counts.waits += 1);
                self.changed.notify_all();
            }
            // An error is an end, of which the reader of the other direction hears as well.
            let _ = target.write_all(&bytes);
        }
        match side {
            // The server does what is still to be done and closes, which ends the other direction.
            Side::Requests => connection.server.shutdown(Shutdown::Write),
            Side::Replies => connection.client.shutdown(Shutdown::Both),
        }
    }

    fn wait_until(&self, due: Due, connection: &Connection) {
        let mut state = self.state();
        while !connection.is_dead.load(SeqCst) {
            let left = due.at.saturating_duration_since(Instant::now());
            if left.is_zero() && state.releases >= due.releases {
                return;
            }
            let left = if left.is_zero() { PATIENCE } else { left };
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What one direction passes on.
struct Output<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    side: Side,
    /// To be delivered with the next parcel.
    ready: Vec<u8>,
    /// A message that comes after the next one.
    kept: Option<Vec<u8>>,
}

impl Output<'_> {
    /// Passes a message on, unless something happens to it.
    fn pass(&mut self, message: &[u8]) {
        let Self { connection, side, .. } = *self;
        if connection.is_silenced(side) {
            return;
        }
        let mut state = self.shared.state();
        state.meet(connection, side, message);
        let is_alone = self.kept.is_none();
        let fault = if is_alone { state.fault(connection, side, message.len()) } else { None };
        let releases = state.releases;
        drop(state);
        self.shared.changed.notify_all();

        match fault {
            None => {
                self.ready.extend_from_slice(message);
                self.ready.extend(self.kept.take().unwrap_or_default());
            }
            Some(Fault::Delay(delay)) => self.later(message, delay, 0),
            Some(Fault::Hold) => self.later(message, Duration::ZERO, releases + 1),
            Some(Fault::CutBefore) => self.cut(b"", false),
            Some(Fault::CutInside(bytes)) => self.cut(start(message, bytes), false),
            Some(Fault::CutAfter) => self.cut(message, true),
            Some(Fault::Duplicate) => self.ready.extend([message, message].concat()),
            Some(Fault::Swap) => self.kept = Some(message.to_vec()),
            Some(Fault::Replace(bytes)) => self.ready.extend(bytes),
            Some(Fault::Swallow) => {}
            Some(Fault::Stall(bytes)) => {
                self.ready.extend_from_slice(start(message, bytes));
                connection.silence(side);
            }
        }
    }

    /// Delivers what is ready.
    fn flush(&mut self) {
        let bytes = std::mem::take(&mut self.ready);
        if !bytes.is_empty() {
            self.send(bytes, Duration::ZERO, 0);
        }
    }

    fn later(&mut self, message: &[u8], delay: Duration, releases: usize) {
        self.flush();
        self.send(message.to_vec(), delay, releases);
    }

    fn send(&self, bytes: Vec<u8>, delay: Duration, releases: usize) {
        let at = Instant::now() + self.shared.state().latency + delay;
        self.connection.send(self.side, Some((bytes, Due { at, releases })));
    }

    /// Ends the connection after these bytes: the server is told that nothing more comes, and when
    /// it has closed, so has the client's side.
    fn cut(&mut self, last: &[u8], is_after: bool) {
        // First, so that no reply to the last request overtakes this.
        self.connection.silence(Side::Requests);
        if self.side == Side::Replies || is_after {
            self.connection.silence(Side::Replies);
        }
        self.ready.extend_from_slice(last);
        self.flush();
        self.connection.send(Side::Requests, None);
    }
}

/// At most this many bytes of a message.
fn start(message: &[u8], bytes: usize) -> &[u8] {
    &message[..bytes.min(message.len())]
}

/// The first line of the input, with its end.
fn line(input: &[u8]) -> Option<&[u8]> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    Some(&input[..=end])
}

/// The bytes of the data block, with its end, that follows a line whose word `index` is its size.
fn block_bytes(line: &[u8], index: usize) -> usize {
    let mut words = line.trim_ascii().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let size = words.nth(index).and_then(|word| str::from_utf8(word).ok()?.parse().ok());
    size.map_or(0, |size: usize| size + 2)
}

/// How a request begins: its command and what it is about. Of a script on Redis, that is its first
/// key, which follows its digest and the number of keys.
fn words(request: &[u8]) -> (String, String) {
    let text = |word: Option<&[u8]>| String::from_utf8_lossy(word.unwrap_or_default()).into_owned();
    if !is_redis(request) {
        let line = request.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        return (text(words.next()), text(words.next()));
    }
    // Of each argument the first line is its length; values with line breaks come later.
    let mut words = request.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).skip(2).step_by(2);
    let word = text(words.next()).to_ascii_uppercase();
    let is_script = matches!(&*word, "EVAL" | "EVALSHA");
    let key = text(words.nth(if is_script { 2 } else { 0 }));
    (word, key)
}

/// Whether a message is in the protocol of Redis: no message of memcached begins so.
fn is_redis(message: &[u8]) -> bool {
    message.first().is_some_and(|byte| b"+-:$*_,#!=(%~>|".contains(byte))
}

/// How long the first value in the protocol of Redis (RESP2 or RESP3) is, if it is complete.
fn redis_bytes(input: &[u8]) -> Option<usize> {
    let line = line(input)?;
    let size = str::from_utf8(&line[1..]).ok().and_then(|size| size.trim_ascii().parse().ok());
    // Not there: -1.
    let size = size.and_then(|size: i64| usize::try_from(size).ok());
    let elements = match (line[0], size) {
        (b'$' | b'!' | b'=', Some(size)) => {
            let bytes = line.len() + size + b"\r\n".len();
            return Some(bytes).filter(|bytes| *bytes <= input.len());
        }
        (b'*' | b'~' | b'>', Some(size)) => size,
        (b'%', Some(size)) => 2 * size,
        // An attribute, and what it is said of.
        (b'|', Some(size)) => 2 * size + 1,
        _ => 0,
    };
    (0..elements).try_fold(line.len(), |bytes, _| Some(bytes + redis_bytes(&input[bytes..])?))
}

/// How long the first request is, if it is complete. One that memcached does not know is a line.
fn request_bytes(input: &[u8]) -> Option<usize> {
    if is_redis(input) {
        return redis_bytes(input);
    }
    let line = line(input)?;
    let block = match line.split(|byte| byte.is_ascii_whitespace()).next() {
        Some(b"ms") => block_bytes(line, 2),
        Some(b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas") => {
            block_bytes(line, 4)
        }
        _ => 0,
    };
    Some(line.len() + block).filter(|bytes| *bytes <= input.len())
}

/// How long the first reply is, if it is complete. What is not in the meta protocol is a line, with
/// a data block if it is a `VALUE`.
fn reply_bytes(input: &[u8]) -> Option<usize> {
    if is_redis(input) {
        return redis_bytes(input);
    }
    let mut bytes = 0;
    loop {
        let rest = &input[bytes..];
        let is_list = match decode(rest, &Limits::default()) {
            Ok(Decoded::Reply { reply, consumed }) => {
                bytes += consumed;
                matches!(reply, Reply::Stat { .. })
            }
            Ok(Decoded::Incomplete { .. }) => return None,
            Err(_) => {
                let line = line(rest)?;
                let is_value = line.starts_with(b"VALUE ");
                bytes += line.len() + if is_value { block_bytes(line, 3) } else { 0 };
                is_value
            }
        };
        if bytes > input.len() {
            return None;
        }
        if !is_list {
            return Some(bytes);
        }
    }
}
