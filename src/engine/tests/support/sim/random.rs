//! A run that is drawn from a seed: a cluster, its clients, and what goes wrong.

use super::client::Act;
use super::history::Outcome;
use super::network::{Millis, Service};
use super::{Shared, pass, simulate};
use fastrand::Rng;
use sessclust_engine::cluster::Cluster;
use sessclust_engine::config::Settings;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

/// No run lasts longer; what does is stuck. In simulated milliseconds.
const LONGEST: Millis = 600_000;

/// Shortest pause of a client with one copy, in simulated milliseconds: longer than any time-out.
/// In a shorter one it may take its only node for dead, which no clock can tell.
const PAUSE_WITH_ONE_COPY: Millis = 600;

/// What came of a run.
pub struct Report {
    pub violation: Option<String>,
    pub trace: Vec<String>,
}

/// A run, drawn.
struct Plan {
    nodes: usize,
    replicas: u32,
    clients: usize,
    machines: usize,
    slots: usize,
    /// Requests of each client.
    requests: usize,
    /// Faults, one after the other.
    episodes: usize,
    /// Whether clients stand still and crash.
    has_pauses: bool,
    random: Rng,
}

/// What goes wrong with a node for some time.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Crash,
    Hang,
    /// Its machine sleeps, and its clock with it.
    Sleep,
    Partition,
    Slow,
    /// Messages are cut in the middle.
    Cuts,
}

impl Plan {
    fn draw(seed: u64, replicas: Option<u32>) -> Self {
        let mut random = Rng::with_seed(seed);
        let replicas = replicas.unwrap_or_else(|| if random.u8(..8) == 0 { 3 } else { 2 });
        let nodes = match replicas {
            1 => random.usize(1..=3),
            _ => replicas as usize + random.usize(1..=2),
        };
        Self {
            nodes,
            replicas,
            clients: random.usize(2..=4),
            machines: random.usize(1..=4),
            slots: random.usize(1..=2),
            requests: random.usize(2..=8),
            // With one copy, a node that fails takes its sessions along, and nothing is promised.
            episodes: if replicas == 1 { 0 } else { random.usize(0..=3) },
            has_pauses: random.bool(),
            random,
        }
    }
}

/// Runs a seed.
pub fn run(service: Service, seed: u64, replicas: Option<u32>, is_traced: bool) -> Report {
    simulate(async move {
        let mut plan = Plan::draw(seed, replicas);
        let settings = Settings { replicas: plan.replicas, ..Settings::default() };
        // One more client repairs and looks, and is never disturbed.
        let healer = plan.clients;
        let shared =
            Shared::new(service, plan.nodes, healer + 1, plan.machines, settings, seed, is_traced);
        shared.history().is_exclusive = true;
        for _ in 0..plan.slots {
            let session = shared.new_session();
            shared.add_slot(session);
        }
        let pump = spawn_local(shared.network.clone().pump());
        shared.watch();
        for client in 0..plan.clients {
            shared.network.set_clock(client, plan.random.i64(-1_000_000..=1_000_000));
            if plan.has_pauses && plan.random.bool() {
                let one_in = [20, 60, 200][plan.random.usize(..3)];
                let shortest = if plan.replicas == 1 { PAUSE_WITH_ONE_COPY } else { 10 };
                shared.network.freezes(client, one_in, (shortest, 9000));
            }
        }
        // What nobody has made cannot be told from what was lost, if another node fails too.
        heal(&shared, healer).await;
        let tasks: Vec<JoinHandle<()>> = (0..plan.clients)
            .map(|client| {
                let random = plan.random.fork();
                let (shared, slots) = (Rc::clone(&shared), plan.slots);
                spawn_local(live(shared, client, slots, plan.requests, plan.has_pauses, random))
            })
            .collect();
        let all = async {
            faults(&shared, &mut plan, healer).await;
            for task in tasks {
                if let Err(error) = task.await {
                    shared.history().violate(format!("a client ends: {error}"));
                }
            }
            heal(&shared, healer).await;
        };
        if timeout(Duration::from_millis(LONGEST), all).await.is_err() {
            shared.history().violate(format!("not done within {LONGEST} ms"));
        }
        pump.abort();
        let violation = shared.history().violation().map(str::to_owned);
        Report { violation, trace: shared.network.trace() }
    })
}

/// One client: request after request.
async fn live(
    shared: Rc<Shared>,
    client: usize,
    slots: usize,
    requests: usize,
    has_pauses: bool,
    mut random: Rng,
) {
    let mut cluster = None;
    for _ in 0..requests {
        pass(random.u64(0..600)).await;
        if shared.history().violation().is_some() {
            return;
        }
        if random.u8(..10) == 0 {
            shared.network.set_clock(client, random.i64(-1_000_000..=1_000_000));
        }
        let slot = random.usize(..slots);
        let act = match random.u8(..20) {
            // With several copies, it is not told of how many nodes have it.
            0..=4 if shared.settings.replicas == 1 => Act::CommitDelayed,
            0..=9 => Act::Commit,
            10..=12 => Act::Touch,
            13 => Act::Look,
            14..=16 => Act::Peek,
            17 => Act::Destroy,
            18 => Act::DestroyOther,
            _ => Act::Regenerate,
        };
        // Most scripts are short; some run for longer than a lease.
        let think = match random.u8(..8) {
            0..=3 => 0,
            4..=6 => random.u64(..300),
            // Short enough that three of them do not last for longer than anybody waits.
            _ if random.u8(..4) == 0 => random.u64(..9000),
            _ => random.u64(..2500),
        };
        let think = Duration::from_millis(think);
        // Processes are used again, or not.
        let warm = cluster.take().filter(|_| random.u8(..6) != 0);
        let op = shared.history().ops.len();
        let request = shared.start(client, warm, slot, act, think);
        if has_pauses && random.u8(..25) == 0 {
            pass(random.u64(..3000)).await;
            if !request.is_finished() {
                crash(&shared, client, op, &request);
            }
        } else if has_pauses && random.u8(..12) == 0 {
            pass(random.u64(..1000)).await;
            shared.network.freeze(client);
            let shortest = if shared.settings.replicas == 1 { PAUSE_WITH_ONE_COPY } else { 0 };
            pass(random.u64(shortest..9000)).await;
            shared.network.thaw(client);
        }
        match request.await {
            Ok((used, _)) => cluster = Some(used),
            Err(error) if error.is_panic() => {
                shared.history().violate(format!("client {client} panics"));
                return;
            }
            Err(_) => {}
        }
    }
}

/// The client's process is killed; what it has sent is on its way.
fn crash(shared: &Shared, client: usize, first: usize, request: &JoinHandle<(Cluster, bool)>) {
    shared.network.note(|| format!("client {client} crashes"));
    // Whoever dies has been stopped before; and its requests need not have been answered.
    shared.network.freeze(client);
    shared.network.thaw(client);
    request.abort();
    let mut history = shared.history();
    let own: Vec<usize> = (first..history.ops.len())
        .filter(|op| history.ops[*op].client == client && !history.ops[*op].has_ended())
        .collect();
    for op in own {
        history.end(op, Outcome::Unknown);
    }
}

/// One node at a time, and after each every session is saved or touched once.
async fn faults(shared: &Rc<Shared>, plan: &mut Plan, healer: usize) {
    for _ in 0..plan.episodes {
        pass(plan.random.u64(..3000)).await;
        let node = plan.random.usize(..plan.nodes);
        let fault = loop {
            match plan.random.u8(..6) {
                0 if plan.replicas > 1 => break Fault::Crash,
                0 => {}
                1 => break Fault::Hang,
                2 => break Fault::Sleep,
                3 => break Fault::Partition,
                4 => break Fault::Slow,
                _ => break Fault::Cuts,
            }
        };
        let span = match plan.random.u8(..3) {
            0 => plan.random.u64(..400),
            1 => plan.random.u64(..3000),
            _ => plan.random.u64(..9000),
        };
        episode(shared, plan, node, fault, span).await;
        shared.settled().await;
        if plan.replicas > 1 {
            heal(shared, healer).await;
        }
        if shared.history().violation().is_some() {
            return;
        }
    }
}

async fn episode(shared: &Shared, plan: &mut Plan, node: usize, fault: Fault, span: Millis) {
    let network = &shared.network;
    network.note(|| format!("fault: {fault:?} of node {node} for {span} ms"));
    let some: Vec<usize> = (0..plan.clients).filter(|_| plan.random.bool()).collect();
    match fault {
        Fault::Crash => {
            network.crash(node);
            pass(span).await;
            network.restart(node);
        }
        Fault::Hang => {
            network.hang(node);
            pass(span).await;
            network.resume(node, 0);
        }
        Fault::Sleep => {
            network.hang(node);
            pass(span).await;
            network.resume(node, span);
        }
        Fault::Partition => {
            let (there, back) =
                [(true, false), (false, true), (true, true)][plan.random.usize(..3)];
            let losses = plan.random.u32(..3);
            for client in &some {
                network.note(|| format!("no way to node {node} for client {client}"));
                network.link(*client, node, |link| {
                    (link.is_blocked, link.is_blocked_back) = (there, back);
                    link.losses = losses;
                });
            }
            pass(span).await;
            for client in some {
                network.link(client, node, |link| {
                    (link.is_blocked, link.is_blocked_back) = (false, false);
                });
            }
        }
        Fault::Slow => {
            let longest = [50, 300, 1200][plan.random.usize(..3)];
            network.slow(node, (0, longest));
            pass(span).await;
            network.slow(node, (0, 0));
        }
        Fault::Cuts => {
            for client in &some {
                network.link(*client, node, |link| link.cuts = 4);
                network.cut(*client, node);
            }
            pass(span).await;
            for client in some {
                network.link(client, node, |link| link.cuts = 0);
            }
        }
    }
    network.note(|| format!("fault of node {node} is over"));
}

/// Every session is saved or touched once, as a promise wants it between two faults; or, where it
/// was destroyed, destroyed.
pub async fn heal(shared: &Rc<Shared>, healer: usize) {
    let sessions = shared.sessions.borrow().len();
    for session in 0..sessions {
        let slot = shared.slots.borrow().iter().position(|current| *current == session);
        let acts: &[Act] = match slot {
            Some(_) => &[Act::Touch, Act::Commit],
            None => &[Act::DestroyOther],
        };
        for act in acts {
            let own = shared.add_slot(session);
            let mut tries = 0;
            loop {
                let request = shared.start(healer, None, own, *act, Duration::ZERO);
                match request.await {
                    Ok((_, true)) => break,
                    Err(error) if error.is_panic() => {
                        shared.history().violate("the healer panics".into());
                        return;
                    }
                    _ => tries += 1,
                }
                if tries > 10 {
                    let text = format!("session {session} cannot be had after a fault");
                    shared.history().violate(text);
                    return;
                }
            }
            shared.slots.borrow_mut().truncate(own);
        }
    }
}
