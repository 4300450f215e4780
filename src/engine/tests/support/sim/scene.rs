//! A run that is told event by event. What is not told, such as how long a message takes, is drawn
//! from a seed.

use super::client::Act;
use super::network::{Millis, Network, Service, Then};
use super::random::heal;
use super::{Shared, pass, simulate};
use sessclust_engine::cluster::Cluster;
use sessclust_engine::config::Settings;
use std::ops::AsyncFnOnce;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

/// Clients that a scene can have; one more repairs at its end.
const CLIENTS: usize = 4;

/// Longest scene, in simulated milliseconds.
const LONGEST: Millis = 120_000;

/// A pool, one session whose preference list is 0, 1, 2, ..., and its user.
pub struct Scene {
    pub network: Network,
    pub slot: usize,
    shared: Rc<Shared>,
    nodes: usize,
}

/// Plays a scene, which must break no promise: neither on the way, nor when all is well again.
#[track_caller]
pub fn play(
    service: Service,
    nodes: usize,
    replicas: u32,
    seed: u64,
    script: impl AsyncFnOnce(&Scene),
) {
    let (violation, trace) = simulate(async {
        let settings = Settings { replicas, ..Settings::default() };
        let shared = Shared::new(service, nodes, CLIENTS + 1, CLIENTS, settings, seed, true);
        shared.history().is_exclusive = true;
        let list: Vec<usize> = (0..nodes).collect();
        let slot = shared.add_slot(shared.session_on(&list));
        let pump = spawn_local(shared.network.clone().pump());
        shared.watch();
        let network = shared.network.clone();
        let _tells = Tells(network.clone());
        let scene = Scene { network, slot, shared, nodes };
        let all = async {
            script(&scene).await;
            let has_sprung = (0..CLIENTS).all(|client| scene.network.has_sprung(client));
            assert!(has_sprung, "something that the scene is about has not happened");
            scene.mend();
            scene.shared.settled().await;
            heal(&scene.shared, CLIENTS).await;
        };
        if timeout(Duration::from_millis(LONGEST), all).await.is_err() {
            scene.shared.history().violate(format!("not done within {LONGEST} ms"));
        }
        pump.abort();
        let violation = scene.shared.history().violation().map(str::to_owned);
        (violation, scene.network.trace())
    });
    if let Some(violation) = violation {
        trace.iter().for_each(|line| println!("{line}"));
        panic!("scene with seed {seed}: {violation}");
    }
}

/// Tells what has happened when the script of a scene fails.
struct Tells(Network);

impl Drop for Tells {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.trace().iter().for_each(|line| println!("{line}"));
        }
    }
}

impl Scene {
    /// A client starts a request, whose script runs for some time.
    pub fn start(&self, client: usize, act: Act, think: Millis) -> JoinHandle<(Cluster, bool)> {
        self.shared.start(client, None, self.slot, act, Duration::from_millis(think))
    }

    /// A whole request, which goes well.
    pub async fn does(&self, client: usize, act: Act) {
        assert!(done(self.start(client, act, 0)).await, "client {client}: {act:?}");
    }

    /// Waits until something is so.
    pub async fn until(&self, condition: impl Fn() -> bool) {
        while !condition() {
            pass(1).await;
        }
    }

    /// Waits until a client stands still.
    pub async fn frozen(&self, client: usize) {
        self.until(|| self.network.is_frozen(client)).await;
    }

    /// Waits until the last request that was started has read the session.
    pub async fn opened(&self) {
        // Until it has begun.
        pass(1).await;
        self.until(|| self.shared.history().ops.last().is_some_and(|op| op.has_opened())).await;
    }

    /// What a client sends to a node stays on its way from now on, and the node's replies too.
    pub fn block(&self, client: usize, node: usize) {
        self.network.note(|| format!("no way to node {node} for client {client}"));
        self.network.link(client, node, |link| {
            (link.is_blocked, link.is_blocked_back) = (true, true);
        });
    }

    /// All of it goes on.
    pub fn free(&self, client: usize, node: usize) {
        self.network.note(|| format!("a way to node {node} for client {client}"));
        self.network.link(client, node, |link| {
            (link.is_blocked, link.is_blocked_back) = (false, false);
        });
    }

    /// A client reads the session and stands still when its stores to these nodes are on their way,
    /// where they stay.
    pub async fn sends_and_freezes(
        &self,
        client: usize,
        nodes: &[usize],
    ) -> JoinHandle<(Cluster, bool)> {
        self.network.trap(client, nodes[0], "ms sc:r:", Then::Freeze);
        let request = self.start(client, Act::Commit, 10);
        self.frozen(client).await;
        nodes.iter().for_each(|node| self.block(client, *node));
        self.network.thaw(client);
        pass(1).await;
        self.network.freeze(client);
        request
    }

    /// All is well again.
    fn mend(&self) {
        for node in 0..self.nodes {
            self.network.mend(node);
            (0..CLIENTS).for_each(|client| self.free(client, node));
        }
        (0..CLIENTS).for_each(|client| self.network.thaw(client));
    }
}

/// Whether a request went well.
pub async fn done(request: JoinHandle<(Cluster, bool)>) -> bool {
    request.await.expect("no panic").1
}
