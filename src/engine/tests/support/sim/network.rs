//! The network of a simulation, the machines at its ends, and all that can go wrong with them.
//!
//! Bytes are messages with an hour of arrival. Those of one connection and direction keep their
//! order, as TCP's do; those of different connections overtake each other. That a client closes a
//! connection stops nothing on its way, so a request that timed out may arrive later.
//! Time is tokio's, which stands still while anybody has something to do.

use super::redis::{Redis, Woken};
use super::server::Server;
use fastrand::Rng;
use sessclust_engine::config::save_path::Endpoint;
use sessclust_engine::node::{Connecting, Stream, World};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// When all simulations begin, in seconds of Unix time.
const START_S: u64 = 1_800_000_000;

/// The network, shared by all that are on it.
#[derive(Clone)]
pub struct Network {
    state: Arc<Mutex<State>>,
    /// Something is due earlier than the pump believes.
    earlier: Arc<Notify>,
}

/// Simulated time since the start, in milliseconds.
pub type Millis = u64;

/// How one client and one node reach each other.
#[derive(Clone)]
pub struct Link {
    /// Whether requests stop on their way.
    pub is_blocked: bool,
    /// Whether replies do.
    pub is_blocked_back: bool,
    /// Shortest and longest way of a message.
    pub delay: (Millis, Millis),
    /// One message in so many is cut in the middle; 0: none.
    pub cuts: u32,
    /// One connection in so many that stood while the link was blocked is lost; 0: none.
    pub losses: u32,
    held: VecDeque<Event>,
}

/// What the machines of a network run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Memcached,
    Redis,
}

/// One of them.
enum Running {
    Memcached(Server),
    Redis(Box<Redis>),
}

impl Running {
    /// One that has been in use since long ago, or one that was just started.
    fn new(service: Service, is_aged: bool) -> Self {
        match (service, is_aged) {
            (Service::Memcached, true) => Self::Memcached(Server::aged()),
            (Service::Memcached, false) => Self::Memcached(Server::default()),
            (Service::Redis, true) => Self::Redis(Box::new(Redis::aged())),
            (Service::Redis, false) => Self::Redis(Box::new(Redis::new())),
        }
    }

    /// Moves its clock.
    fn set_clock(&mut self, clock: Millis) {
        match self {
            Self::Memcached(server) => server.set_clock(clock / 1000),
            Self::Redis(redis) => redis.set_clock(clock),
        }
    }

    /// Carries out the first request of a connection, if all of it is there: its length, the locks
    /// that it has taken, and until when the connection waits.
    fn execute(
        &mut self,
        connection: usize,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Option<(usize, Vec<Vec<u8>>, Option<Millis>)> {
        match self {
            Self::Memcached(server) => {
                let start = output.len();
                let bytes = server.execute(input, output)?;
                let granted = granted(&input[..bytes], &output[start..]);
                Some((bytes, granted.into_iter().collect(), None))
            }
            Self::Redis(redis) => {
                let executed = redis.execute(connection, input, output)?;
                Some((executed.bytes, executed.locked, executed.until_ms))
            }
        }
    }
}

struct Machine {
    server: Running,
    is_alive: bool,
    is_hung: bool,
    /// Tells connections to a server from those to the one that was there before.
    life: u64,
    /// By how much its clock is ahead of ours within the second.
    phase: Millis,
    /// For how long its clock stood still.
    asleep: Millis,
    /// A server that was stopped does not know at once how late it is.
    clock_is_old_until: Millis,
    /// Shortest and longest time for a command.
    work: (Millis, Millis),
}

/// A lock that a server granted.
#[derive(Clone)]
pub struct Grant {
    pub client: usize,
    pub node: usize,
    /// When the request was sent that it was granted to.
    pub sent: Millis,
    key: Vec<u8>,
}

struct ClientState {
    /// Its clock, against ours, in microseconds.
    skew_us: i64,
    is_frozen: bool,
    /// How often it was frozen.
    pauses: u32,
    tasks: Vec<Waker>,
    /// What waits for it to write something.
    traps: Vec<Trap>,
    /// It stands still before one write in so many; 0: never.
    freezes: u32,
    /// How long it then does.
    freeze_span: (Millis, Millis),
    random: Rng,
}

/// Something that happens once, when a client writes something to a node.
struct Trap {
    node: usize,
    words: &'static str,
    then: Then,
}

/// What happens when a client writes something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The client stands still, before it has written.
    Freeze,
    /// What it writes, and all after it, stays on the way.
    Block,
    /// The node crashes.
    Crash,
}

struct Connection {
    client: usize,
    node: usize,
    life: u64,
    is_connected: bool,
    /// What the server has not carried out yet, and when the last of it was sent.
    input: Vec<u8>,
    input_sent: Millis,
    output: Vec<u8>,
    /// Whether the server will look at it again by itself.
    is_stepping: bool,
    server_is_gone: bool,
    /// The server reads what is there, and its replies are lost.
    is_cut: bool,
    /// What the client has not read yet.
    inbox: VecDeque<u8>,
    end: Option<io::ErrorKind>,
    reader: Option<Waker>,
    /// It was frozen before this write, which goes through now.
    is_released: bool,
    last_there: (Millis, u32),
    last_back: (Millis, u32),
}

#[derive(Clone)]
enum Event {
    Syn(usize),
    SynAck(usize, bool),
    Request(usize, Vec<u8>, Millis),
    Step(usize),
    Reply(usize, Vec<u8>),
    Lost(usize),
    /// The client has closed it.
    Fin(usize),
    Thaw(usize),
}

pub struct State {
    service: Service,
    start: Instant,
    random: Rng,
    machines: Vec<Machine>,
    links: Vec<Vec<Link>>,
    clients: Vec<ClientState>,
    connections: Vec<Connection>,
    due: BTreeMap<(Millis, u32, u64), Event>,
    next: u64,
    wakes_earlier: bool,
    grants: Vec<Grant>,
    trace: Option<Vec<String>>,
}

impl Network {
    pub fn new(service: Service, nodes: usize, clients: usize, seed: u64, is_traced: bool) -> Self {
        let mut random = Rng::with_seed(seed);
        let machine = |random: &mut Rng| Machine {
            server: Running::new(service, true),
            is_alive: true,
            is_hung: false,
            life: 0,
            phase: random.u64(..1000),
            asleep: 0,
            clock_is_old_until: 0,
            work: (0, 0),
        };
        let link = Link {
            is_blocked: false,
            is_blocked_back: false,
            delay: (0, 2),
            cuts: 0,
            losses: 0,
            held: VecDeque::new(),
        };
        let client = |random: &mut Rng| ClientState {
            skew_us: 0,
            is_frozen: false,
            pauses: 0,
            tasks: Vec::new(),
            traps: Vec::new(),
            freezes: 0,
            freeze_span: (0, 0),
            random: random.fork(),
        };
        let state = State {
            service,
            start: Instant::now(),
            machines: (0..nodes).map(|_| machine(&mut random)).collect(),
            links: vec![vec![link; nodes]; clients],
            clients: (0..clients).map(|_| client(&mut random)).collect(),
            connections: Vec::new(),
            due: BTreeMap::new(),
            next: 0,
            wakes_earlier: false,
            grants: Vec::new(),
            trace: is_traced.then(Vec::new),
            random,
        };
        Self { state: Arc::new(Mutex::new(state)), earlier: Arc::default() }
    }

    /// The world as one client sees it.
    pub fn world(&self, client: usize) -> Arc<dyn World> {
        Arc::new(SimWorld { network: self.clone(), client })
    }

    /// Delivers messages for ever.
    pub async fn pump(self) {
        loop {
            let next = {
                let mut state = self.state();
                state.run();
                state.wakes_earlier = false;
                state.due.keys().next().map(|(at, ..)| state.start + Duration::from_millis(*at))
            };
            match next {
                Some(at) => _ = timeout_at(at, self.earlier.notified()).await,
                None => self.earlier.notified().await,
            }
        }
    }

    pub fn now(&self) -> Millis {
        self.state().now()
    }

    /// Notes what happens, for who reads a failure.
    pub fn note(&self, text: impl FnOnce() -> String) {
        self.state().note(text);
    }

    pub fn trace(&self) -> Vec<String> {
        self.state().trace.take().unwrap_or_default()
    }

    /// The server's process dies, and with it all that it has.
    pub fn crash(&self, node: usize) {
        let mut state = self.state();
        state.crash(node);
        self.wake(state);
    }

    /// It is started again, with nothing in it.
    pub fn restart(&self, node: usize) {
        let mut state = self.state();
        state.note(|| format!("node {node} is back empty"));
        let service = state.service;
        let machine = &mut state.machines[node];
        machine.is_alive = true;
        machine.server = Running::new(service, false);
    }

    /// The process stands still; the kernel goes on to take connections and bytes for it.
    pub fn hang(&self, node: usize) {
        let mut state = self.state();
        state.note(|| format!("node {node} hangs"));
        let now = state.now();
        let machine = &mut state.machines[node];
        machine.is_hung = true;
        machine.clock_is_old_until = now;
    }

    /// It goes on, with what has arrived meanwhile in any order between connections. Where its
    /// machine slept, its clock did too.
    pub fn resume(&self, node: usize, slept: Millis) {
        let mut state = self.state();
        state.note(|| format!("node {node} goes on"));
        let now = state.now();
        let old = state.random.u64(..4);
        let machine = &mut state.machines[node];
        machine.is_hung = false;
        machine.asleep += slept;
        machine.clock_is_old_until = now + old;
        let mut waiting: Vec<usize> = (0..state.connections.len())
            .filter(|connection| state.connections[*connection].node == node)
            .collect();
        state.random.shuffle(&mut waiting);
        for connection in waiting {
            let delay = state.random.u64(..6);
            state.step_later(connection, delay);
        }
        self.wake(state);
    }

    /// Changes how a client and a node reach each other. What was held back goes on, if it may.
    pub fn link(&self, client: usize, node: usize, change: impl FnOnce(&mut Link)) {
        let mut state = self.state();
        change(&mut state.links[client][node]);
        let held = std::mem::take(&mut state.links[client][node].held);
        let losses = state.links[client][node].losses;
        let mut lost = Vec::new();
        for event in held {
            let (connection, is_back) = event.way().expect("only messages are held");
            if state.is_blocked(client, node, is_back) {
                state.links[client][node].held.push_back(event);
                continue;
            }
            if losses != 0 && !lost.contains(&connection) && state.random.u32(..losses) == 0 {
                lost.push(connection);
                state.drop_server_end(connection);
            }
            state.post(connection, is_back, event);
        }
        self.wake(state);
    }

    /// The connections between a client and a node are lost, with what is on its way.
    pub fn cut(&self, client: usize, node: usize) {
        let mut state = self.state();
        state.note(|| format!("connections of client {client} to node {node} are cut"));
        for connection in 0..state.connections.len() {
            let known = &state.connections[connection];
            if (known.client, known.node) == (client, node) {
                state.drop_server_end(connection);
            }
        }
        self.wake(state);
    }

    /// A server is as it was made, but for what it keeps: alive, if it was dead, and as fast.
    pub fn mend(&self, node: usize) {
        let (is_alive, is_hung) = {
            let state = self.state();
            (state.machines[node].is_alive, state.machines[node].is_hung)
        };
        if !is_alive {
            self.restart(node);
        } else if is_hung {
            self.resume(node, 0);
        }
        self.slow(node, (0, 0));
    }

    /// Each command takes a server so long.
    pub fn slow(&self, node: usize, work: (Millis, Millis)) {
        let mut state = self.state();
        state.note(|| format!("node {node} takes {} to {} ms for a command", work.0, work.1));
        state.machines[node].work = work;
    }

    /// A client stands still until it is thawed.
    pub fn freeze(&self, client: usize) {
        let mut state = self.state();
        state.note(|| format!("client {client} freezes"));
        state.pause(client);
    }

    pub fn thaw(&self, client: usize) {
        self.state().thaw(client);
    }

    pub fn is_frozen(&self, client: usize) -> bool {
        self.state().clients[client].is_frozen
    }

    /// Something happens when a client next writes these words to a node, as `ms sc:r:`.
    pub fn trap(&self, client: usize, node: usize, words: &'static str, then: Then) {
        self.state().clients[client].traps.push(Trap { node, words, then });
    }

    /// Whether all that was to happen when a client writes something has happened.
    pub fn has_sprung(&self, client: usize) -> bool {
        self.state().clients[client].traps.is_empty()
    }

    /// A client freezes before one write in so many, for some time.
    pub fn freezes(&self, client: usize, one_in: u32, span: (Millis, Millis)) {
        let mut state = self.state();
        (state.clients[client].freezes, state.clients[client].freeze_span) = (one_in, span);
    }

    /// Sets a client's clock against ours, in microseconds.
    pub fn set_clock(&self, client: usize, skew_us: i64) {
        let mut state = self.state();
        state.note(|| format!("clock of client {client} is {skew_us} us ahead"));
        state.clients[client].skew_us = skew_us;
    }

    /// The locks of this key that servers have granted.
    pub fn grants(&self, key: &[u8]) -> Vec<Grant> {
        let state = self.state();
        state.grants.iter().filter(|grant| grant.key == key).cloned().collect()
    }

    /// How often a client was frozen.
    pub fn pauses(&self, client: usize) -> u32 {
        self.state().clients[client].pauses
    }

    /// Runs something of a client's, which stands still while the client is frozen.
    pub fn freezable<T, F: Future<Output = T>>(
        &self,
        client: usize,
        task: F,
    ) -> impl Future<Output = T> + use<T, F> {
        let network = self.clone();
        let mut task = Box::pin(task);
        poll_fn(move |context| {
            let mut state = network.state();
            if state.clients[client].is_frozen {
                state.clients[client].tasks.push(context.waker().clone());
                return Poll::Pending;
            }
            drop(state);
            let result = task.as_mut().poll(context);
            // It may have frozen just now, and then nothing else would wake it.
            let mut state = network.state();
            if state.clients[client].is_frozen {
                state.clients[client].tasks.push(context.waker().clone());
            }
            result
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic before")
    }

    /// Lets the pump know of something that is due earlier.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if std::mem::take(&mut state.wakes_earlier) {
            drop(state);
            self.earlier.notify_one();
        }
    }
}

impl Event {
    /// The connection that it is a message of, and whether it goes back to the client.
    fn way(&self) -> Option<(usize, bool)> {
        match self {
            Self::Syn(connection) | Self::Request(connection, ..) | Self::Fin(connection) => {
                Some((*connection, false))
            }
            Self::SynAck(connection, _) | Self::Reply(connection, _) | Self::Lost(connection) => {
                Some((*connection, true))
            }
            Self::Step(_) | Self::Thaw(_) => None,
        }
    }
}

impl State {
    fn now(&self) -> Millis {
        self.start.elapsed().as_millis() as Millis
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        let now = self.now();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>7} {}", text()));
        }
    }

    fn draw(&mut self, (from, to): (Millis, Millis)) -> Millis {
        self.random.u64(from..=to)
    }

    fn is_one_in(&mut self, one_in: u32) -> bool {
        one_in != 0 && self.random.u32(..one_in) == 0
    }

    fn clock(&self, node: usize) -> Millis {
        let machine = &self.machines[node];
        self.now() + machine.phase - machine.asleep.min(self.now())
    }

    fn is_blocked(&self, client: usize, node: usize, is_back: bool) -> bool {
        let link = &self.links[client][node];
        if is_back { link.is_blocked_back } else { link.is_blocked }
    }

    fn at(&mut self, at: Millis, tie: u32, event: Event) {
        self.next += 1;
        let is_first = self.due.keys().next().is_none_or(|(first, ..)| at < *first);
        self.wakes_earlier |= is_first;
        self.due.insert((at, tie, self.next), event);
    }

    /// Sends a message on its way, behind those before it.
    fn post(&mut self, connection: usize, is_back: bool, event: Event) {
        let (client, node) =
            (self.connections[connection].client, self.connections[connection].node);
        let delay = self.links[client][node].delay;
        let mut key = (self.now() + self.draw(delay), self.random.u32(..));
        let known = &mut self.connections[connection];
        let last = if is_back { &mut known.last_back } else { &mut known.last_there };
        key = key.max(*last);
        *last = key;
        self.at(key.0, key.1, event);
    }

    fn step_later(&mut self, connection: usize, delay: Millis) {
        if !std::mem::replace(&mut self.connections[connection].is_stepping, true) {
            let (at, tie) = (self.now() + delay, self.random.u32(..));
            self.at(at, tie, Event::Step(connection));
        }
    }

    /// Does all that is due.
    fn run(&mut self) {
        let now = self.now();
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            let event = entry.remove();
            if let Some((connection, is_back)) = event.way() {
                let known = &self.connections[connection];
                let (client, node) = (known.client, known.node);
                if self.is_blocked(client, node, is_back) {
                    self.links[client][node].held.push_back(event);
                    continue;
                }
            }
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Syn(connection) => {
                let is_taken = self.machines[self.connections[connection].node].is_alive;
                self.connections[connection].life =
                    self.machines[self.connections[connection].node].life;
                self.post(connection, true, Event::SynAck(connection, is_taken));
            }
            Event::SynAck(connection, is_taken) => {
                let known = &mut self.connections[connection];
                known.is_connected = is_taken;
                if !is_taken {
                    known.end = Some(io::ErrorKind::ConnectionRefused);
                }
                wake(&mut known.reader);
            }
            Event::Request(connection, mut bytes, sent) => {
                let known = &self.connections[connection];
                let (client, node) = (known.client, known.node);
                let is_gone = known.server_is_gone || known.is_cut;
                if is_gone || known.life != self.machines[node].life {
                    self.post(connection, true, Event::Lost(connection));
                    return;
                }
                let cuts = self.links[client][node].cuts;
                if self.is_one_in(cuts) {
                    bytes.truncate(self.random.usize(..=bytes.len()));
                    self.note(|| format!("a request of client {client} to node {node} is cut"));
                    self.connections[connection].is_cut = true;
                    self.post(connection, true, Event::Lost(connection));
                }
                let known = &mut self.connections[connection];
                known.input.extend_from_slice(&bytes);
                known.input_sent = sent;
                let work = self.draw(self.machines[node].work);
                self.step_later(connection, work);
            }
            Event::Step(connection) => self.step(connection),
            Event::Reply(connection, mut bytes) => {
                let known = &self.connections[connection];
                let (client, node) = (known.client, known.node);
                let cuts = self.links[client][node].cuts;
                if known.end.is_none() && self.is_one_in(cuts) {
                    bytes.truncate(self.random.usize(..=bytes.len()));
                    self.note(|| format!("a reply of node {node} to client {client} is cut"));
                    self.drop_server_end(connection);
                }
                let known = &mut self.connections[connection];
                if known.end.is_none() {
                    known.inbox.extend(bytes);
                    wake(&mut known.reader);
                }
            }
            Event::Lost(connection) => {
                let is_reset = self.random.bool();
                let known = &mut self.connections[connection];
                known.end.get_or_insert(match is_reset {
                    true => io::ErrorKind::ConnectionReset,
                    false => io::ErrorKind::UnexpectedEof,
                });
                wake(&mut known.reader);
            }
            Event::Fin(connection) => {
                let node = self.connections[connection].node;
                let is_same = self.connections[connection].life == self.machines[node].life;
                if let Running::Redis(redis) = &mut self.machines[node].server
                    && is_same
                {
                    redis.forget(connection);
                }
            }
            Event::Thaw(client) => self.thaw(client),
        }
    }

    /// The server carries out what a connection has brought: all at once, or a command now and the
    /// rest after others' turns.
    fn step(&mut self, connection: usize) {
        let node = self.connections[connection].node;
        self.connections[connection].is_stepping = false;
        let known = &self.connections[connection];
        // A server that stands still looks at it when it goes on.
        if known.server_is_gone
            || known.life != self.machines[node].life
            || self.machines[node].is_hung
        {
            return;
        }
        if self.now() >= self.machines[node].clock_is_old_until {
            let clock = self.clock(node);
            self.machines[node].server.set_clock(clock);
        } else if self.service == Service::Redis {
            // Somebody's time may be up by a clock that is right.
            self.step_later(connection, 5);
        }
        loop {
            let known = &mut self.connections[connection];
            let server = &mut self.machines[node].server;
            let start = known.output.len();
            let executed = server.execute(connection, &known.input, &mut known.output);
            let Some((bytes, locks, until)) = executed else { break };
            let request: Vec<u8> = known.input.drain(..bytes).collect();
            let (client, sent) = (known.client, known.input_sent);
            for key in locks {
                self.grants.push(Grant { client, node, sent, key });
            }
            if let Some(until) = until {
                let at = self.now() + until.saturating_sub(self.clock(node)) + 1;
                let tie = self.random.u32(..);
                self.at(at, tie, Event::Step(connection));
            }
            if self.trace.is_some() {
                let reply = self.connections[connection].output[start..].to_vec();
                self.note(|| {
                    format!(
                        "  node {node} does for client {client} [{sent}]: {} -> {}",
                        line(&request),
                        line(&reply)
                    )
                });
            }
            if self.random.u8(..12) == 0 {
                let work = self.draw(self.machines[node].work);
                let more = self.random.u64(..3);
                self.step_later(connection, work + more);
                break;
            }
        }
        let known = &mut self.connections[connection];
        let output = std::mem::take(&mut known.output);
        if !output.is_empty() && !known.is_cut {
            self.post(connection, true, Event::Reply(connection, output));
        }
        if let Running::Redis(redis) = &mut self.machines[node].server {
            for Woken { connection: woken, reply, locked } in redis.woken() {
                self.note(|| format!("  node {node} tells connection {woken}: {}", line(&reply)));
                if let Some(key) = locked {
                    let (client, sent) = (self.connections[woken].client, self.now());
                    self.grants.push(Grant { client, node, sent, key });
                }
                if !self.connections[woken].is_cut {
                    self.post(woken, true, Event::Reply(woken, reply));
                }
                self.step_later(woken, 0);
            }
        }
    }

    /// The server's end of a connection is closed; what is on its way to it is lost.
    fn drop_server_end(&mut self, connection: usize) {
        if !std::mem::replace(&mut self.connections[connection].server_is_gone, true) {
            let node = self.connections[connection].node;
            if let Running::Redis(redis) = &mut self.machines[node].server {
                redis.forget(connection);
            }
            self.post(connection, true, Event::Lost(connection));
        }
    }

    fn crash(&mut self, node: usize) {
        self.note(|| format!("node {node} crashes"));
        self.machines[node].is_alive = false;
        self.machines[node].is_hung = false;
        self.machines[node].life += 1;
        for connection in 0..self.connections.len() {
            if self.connections[connection].node == node {
                self.drop_server_end(connection);
            }
        }
    }

    fn pause(&mut self, client: usize) {
        self.clients[client].is_frozen = true;
        self.clients[client].pauses += 1;
    }

    fn thaw(&mut self, client: usize) {
        if std::mem::take(&mut self.clients[client].is_frozen) {
            self.note(|| format!("client {client} goes on"));
            self.clients[client].tasks.drain(..).for_each(Waker::wake);
        }
    }

    /// Whether a client that is about to write stands still before it.
    fn stops(&mut self, client: usize, node: usize, bytes: &[u8]) -> bool {
        let is_met = |trap: &Trap| {
            trap.node == node
                && bytes.windows(trap.words.len()).any(|words| words == trap.words.as_bytes())
        };
        let met = self.clients[client].traps.iter().position(is_met);
        match met.map(|met| self.clients[client].traps.remove(met).then) {
            Some(Then::Freeze) => {}
            Some(Then::Block) => {
                self.note(|| format!("no way to node {node} for client {client}"));
                self.links[client][node].is_blocked = true;
                return false;
            }
            Some(Then::Crash) => {
                self.crash(node);
                return false;
            }
            None => {
                let known = &self.clients[client];
                let (freezes, span) = (known.freezes, known.freeze_span);
                if !self.is_one_in(freezes) {
                    return false;
                }
                let (at, tie) = (self.now() + self.draw(span), self.random.u32(..));
                self.at(at, tie, Event::Thaw(client));
            }
        }
        self.note(|| format!("client {client} freezes before {} to node {node}", line(bytes)));
        self.pause(client);
        true
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The key of the lock that was granted by this reply, if that is what happened.
fn granted(request: &[u8], reply: &[u8]) -> Option<Vec<u8>> {
    let rest = request.strip_prefix(b"ms ")?;
    let is_granted = rest.starts_with(b"sc:l:") && reply.starts_with(b"HD");
    is_granted.then(|| rest.iter().take_while(|byte| **byte != b' ').copied().collect())
}

/// The lines of a message, without keys' digits and values, for who reads a trace.
fn line(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("sc:") {
        let end = (at + 69).min(rest.len());
        out.push_str(&rest[..(at + 9).min(end)]);
        rest = &rest[end..];
    }
    out.push_str(rest);
    // What follows are a record's version and other bytes that nobody can read.
    let end = out.find("SCLN").map_or(out.len(), |at| at + 4);
    out.truncate(end.min(160));
    out
}

/// The world of one client.
struct SimWorld {
    network: Network,
    client: usize,
}

impl World for SimWorld {
    fn now(&self) -> SystemTime {
        let state = self.network.state();
        let now_us = START_S as i64 * 1_000_000 + state.start.elapsed().as_micros() as i64;
        let own_us = now_us + state.clients[self.client].skew_us;
        UNIX_EPOCH + Duration::from_micros(own_us as u64)
    }

    fn uptime(&self) -> Duration {
        self.network.state().start.elapsed() + Duration::from_secs(1000)
    }

    fn random(&self) -> u128 {
        self.network.state().clients[self.client].random.u128(..)
    }

    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move {
            let Endpoint::Tcp { port, .. } = endpoint else { unreachable!("all nodes have ports") };
            let node = usize::from(*port) - 1;
            let stream = SimStream::open(&self.network, self.client, node);
            poll_fn(|context| stream.poll_connected(context)).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// The client's end of a connection.
struct SimStream {
    network: Network,
    connection: usize,
}

impl SimStream {
    fn open(network: &Network, client: usize, node: usize) -> Self {
        let mut state = network.state();
        let connection = state.connections.len();
        state.connections.push(Connection {
            client,
            node,
            life: 0,
            is_connected: false,
            input: Vec::new(),
            input_sent: 0,
            output: Vec::new(),
            is_stepping: false,
            server_is_gone: false,
            is_cut: false,
            inbox: VecDeque::new(),
            end: None,
            reader: None,
            is_released: false,
            last_there: (0, 0),
            last_back: (0, 0),
        });
        state.post(connection, false, Event::Syn(connection));
        network.wake(state);
        Self { network: network.clone(), connection }
    }

    fn poll_connected(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.network.state();
        let known = &mut state.connections[self.connection];
        if let Some(end) = known.end {
            return Poll::Ready(Err(end.into()));
        }
        if known.is_connected {
            return Poll::Ready(Ok(()));
        }
        known.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        // A panic tells enough by itself.
        let Ok(mut state) = self.network.state.lock() else { return };
        // Only a Redis does anything for connections that say nothing.
        if state.service == Service::Redis {
            state.post(self.connection, false, Event::Fin(self.connection));
            self.network.wake(state);
        }
    }
}

impl Stream for SimStream {
    fn has_input(&self) -> bool {
        let state = self.network.state();
        let known = &state.connections[self.connection];
        !known.inbox.is_empty() || known.end.is_some()
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.network.state();
        let known = &mut state.connections[self.connection];
        if !known.inbox.is_empty() {
            let count = known.inbox.len().min(buffer.remaining());
            let bytes: Vec<u8> = known.inbox.drain(..count).collect();
            buffer.put_slice(&bytes);
            return Poll::Ready(Ok(()));
        }
        match known.end {
            Some(io::ErrorKind::UnexpectedEof) => Poll::Ready(Ok(())),
            Some(end) => Poll::Ready(Err(end.into())),
            None => {
                known.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.network.state();
        let known = &state.connections[self.connection];
        let (client, node, end) = (known.client, known.node, known.end);
        if !known.is_released && state.stops(client, node, bytes) {
            state.connections[self.connection].is_released = true;
            self.network.wake(state);
            return Poll::Pending;
        }
        state.connections[self.connection].is_released = false;
        if end.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let sent = state.now();
        let request = Event::Request(self.connection, bytes.to_vec(), sent);
        state.post(self.connection, false, request);
        self.network.wake(state);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
