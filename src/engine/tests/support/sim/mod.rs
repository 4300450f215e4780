//! A simulated cluster: the engine's real code on several machines, memcacheds in memory, and a
//! network and clocks that do what they like. One seed decides everything, so a run can be
//! repeated.
//!
//! ```text
//! server.rs    a memcached without a network
//! redis.rs     a Redis without a network
//! network.rs   messages, connections, machines that crash and hang, clients that stand still
//! client.rs    what a request of a PHP script does
//! history.rs   what was asked and answered, and whether that may be
//! random.rs    a run that is drawn from a seed
//! scene.rs     a run that is told event by event
//! ```

pub mod client;
pub mod history;
pub mod network;
pub mod random;
pub mod redis;
pub mod scene;
pub mod server;

use client::{Act, Request};
use fastrand::Rng;
use history::{History, OpId};
use network::{Millis, Network, Service};
use sessclust_engine::cluster::{Cluster, ring_of};
use sessclust_engine::config::save_path::{NodeAddress, SavePath};
use sessclust_engine::config::{RingKind, Settings};
use sessclust_engine::machine::{Board, Queue};
use sessclust_engine::node::{Node, Timeouts};
use sessclust_engine::session::id::Digest;
use sessclust_engine::stats::Counters;
use std::cell::{RefCell, RefMut};
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::sleep;

/// `session.gc_maxlifetime`, in seconds: PHP's default. No run is that long.
pub const LIFETIME_S: u64 = 1440;

/// What all clients of a simulation share, and those who watch them.
pub struct Shared {
    pub network: Network,
    pub settings: Settings,
    nodes: Vec<NodeAddress>,
    history: RefCell<History>,
    sessions: RefCell<Vec<Digest>>,
    /// Which session each user has now.
    slots: RefCell<Vec<usize>>,
    random: RefCell<Rng>,
    /// What the machine of each client knows.
    boards: Vec<Arc<Board>>,
}

impl Shared {
    /// The clients are on so many machines, the last one on one of its own.
    pub fn new(
        service: Service,
        nodes: usize,
        clients: usize,
        machines: usize,
        settings: Settings,
        seed: u64,
        is_traced: bool,
    ) -> Rc<Self> {
        let scheme = match service {
            Service::Memcached => "memcached",
            Service::Redis => "redis",
        };
        let path: Vec<String> =
            (0..nodes).map(|node| format!("{scheme}://node-{node}:{}", node + 1)).collect();
        let Ok(SavePath::Pool(nodes)) = SavePath::parse(path.join(",").as_bytes()) else {
            unreachable!("it is the save path of a pool")
        };
        let names: Vec<u64> = (0..nodes.len() as u64).collect();
        let boards: Vec<Arc<Board>> =
            (0..=machines).map(|_| Arc::new(Board::private(&names))).collect();
        let board = |client| if client + 1 == clients { machines } else { client % machines };
        Rc::new(Self {
            boards: (0..clients).map(|client| Arc::clone(&boards[board(client)])).collect(),
            network: Network::new(service, nodes.len(), clients, seed, is_traced),
            settings,
            nodes,
            history: RefCell::default(),
            sessions: RefCell::default(),
            slots: RefCell::default(),
            random: RefCell::new(Rng::with_seed(seed ^ 1)),
        })
    }

    pub fn history(&self) -> RefMut<'_, History> {
        self.history.borrow_mut()
    }

    pub fn digest(&self, session: usize) -> Digest {
        self.sessions.borrow()[session]
    }

    /// A session that nobody knows.
    pub fn new_session(&self) -> usize {
        let mut bytes = [0; Digest::BYTES];
        self.random.borrow_mut().fill(&mut bytes);
        self.add_session(Digest::from_bytes(bytes))
    }

    /// A session whose preference list begins with these nodes.
    pub fn session_on(&self, nodes: &[usize]) -> usize {
        let ring = ring_of(self.settings.ring, &self.nodes).expect("a ring");
        let digest = std::iter::repeat_with(|| {
            let mut bytes = [0; Digest::BYTES];
            self.random.borrow_mut().fill(&mut bytes);
            Digest::from_bytes(bytes)
        });
        let fits = |digest: &Digest| {
            let list = ring.preference(ring.position(&digest.to_hex()));
            list.take(nodes.len()).eq(nodes.iter().copied())
        };
        let digest = digest.take(100_000).find(fits).expect("a list that begins so");
        self.add_session(digest)
    }

    fn add_session(&self, digest: Digest) -> usize {
        self.sessions.borrow_mut().push(digest);
        self.sessions.borrow().len() - 1
    }

    pub fn session(&self, slot: usize) -> usize {
        self.slots.borrow()[slot]
    }

    /// A user who has this session.
    pub fn add_slot(&self, session: usize) -> usize {
        self.slots.borrow_mut().push(session);
        self.slots.borrow().len() - 1
    }

    pub fn move_slot(&self, slot: usize, session: usize) {
        self.slots.borrow_mut()[slot] = session;
    }

    /// A process with no connection yet.
    pub fn cluster(&self, client: usize) -> Cluster {
        thread_local! {
            static COUNTERS: &'static Counters = Box::leak(Box::default());
        }
        // Where there is no such folder there is no queue: the machines share nothing.
        let queue = Queue::open_in(Path::new("/nonexistent/sessclust"));
        let world = self.network.world(client);
        let counters = COUNTERS.with(|counters| *counters);
        let board = Arc::clone(&self.boards[client]);
        let (kind, replicas) = (RingKind::KetamaWeighted, self.settings.replicas);
        Cluster::new(self.nodes.clone(), kind, world, queue, board, replicas, counters)
            .expect("a pool")
    }

    /// Looks at nodes that are down, as a thread of each machine's processes does.
    pub fn watch(self: &Rc<Self>) {
        for client in 0..self.boards.len() {
            let shared = Rc::clone(self);
            let look = async move {
                loop {
                    sleep(shared.settings.probe_interval / 4).await;
                    shared.look(client).await;
                }
            };
            spawn_local(self.network.freezable(client, look));
        }
    }

    async fn look(&self, client: usize) {
        let (board, world) = (&self.boards[client], self.network.world(client));
        let Settings { probe_interval, connect_timeout, request_timeout, .. } = self.settings;
        let timeouts = Timeouts {
            connect: connect_timeout,
            request: request_timeout,
            failover: Duration::ZERO,
        };
        if let Some(node) = board.claim_probe(world.uptime(), probe_interval) {
            let mut known = Node::new(self.nodes[node].clone());
            let asked = world.uptime();
            match known.connect(&*world, &timeouts).await {
                Ok(()) => _ = board.answered(node, world.uptime()),
                Err(failure) if failure.is_of_the_node() => {
                    board.failed(node, asked, world.uptime());
                }
                // Who stood still has seen nothing, as in a process's own look.
                Err(_) => {}
            }
            self.network.note(|| {
                let is_down = board.health(node).is_down;
                format!("client {client} looks at node {node}, which is down: {is_down}")
            });
        }
    }

    /// Waits until all machines know that all nodes are up.
    pub async fn settled(&self) {
        while self.boards.iter().any(|board| board.is_any_down()) {
            pass(50).await;
        }
    }

    /// Whether no request may fail: nobody was paused so far.
    pub fn is_calm(&self) -> bool {
        let was_paused = (0..self.boards.len()).any(|client| self.network.pauses(client) != 0);
        !was_paused
    }

    /// How long a request may last whose script runs for `think`, in milliseconds: its wait for the
    /// lock, and a dozen times a node that does not answer.
    pub fn longest(&self, think: Duration) -> Millis {
        let Settings { lock_wait, connect_timeout, request_timeout, .. } = self.settings;
        (lock_wait + think + (connect_timeout + request_timeout) * 12).as_millis() as Millis
    }

    /// A request has its lock.
    pub fn holds(&self, op: OpId, digest: &Digest) {
        let mut key = b"sc:l:".to_vec();
        key.extend(digest.to_hex());
        let grants = self.network.grants(&key);
        let lease = self.settings.lock_lease.as_millis() as Millis;
        self.history().hold(op, &grants, lease, self.network.now());
    }

    /// Starts a request in a process of its own or a warm one.
    pub fn start(
        self: &Rc<Self>,
        client: usize,
        cluster: Option<Cluster>,
        slot: usize,
        act: Act,
        think: Duration,
    ) -> JoinHandle<(Cluster, bool)> {
        let cluster = cluster.unwrap_or_else(|| self.cluster(client));
        let request = Request { shared: Rc::clone(self), client, cluster, think };
        spawn_local(self.network.freezable(client, request.perform(slot, act)))
    }
}

/// Runs a simulation in a time of its own.
pub fn simulate<T>(task: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), task)
}

/// Lets simulated time go on.
pub async fn pass(millis: Millis) {
    sleep(Duration::from_millis(millis)).await;
}
