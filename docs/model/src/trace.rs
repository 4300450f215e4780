//! A trace in words: what happened, and what the nodes had afterwards.

use crate::client::Step;
use crate::faults::Late;
use crate::node::Node;
use crate::world::{Action, Fault, Run, World};

/// Prints one line for each step. A node's column has `!` if it does not answer, the version of its
/// copy and who wrote it (`x`: a tombstone), and in brackets who has the lock.
pub fn print(run: &Run, trace: &[(World, Option<Action>)]) {
    let mut before: Option<(&World, Action)> = None;
    for (number, (world, next)) in trace.iter().enumerate() {
        let nodes = world.nodes[..run.nodes].iter().map(|node| column(run, node));
        let happened = match before {
            None => "start".to_owned(),
            Some((before, action)) => {
                let ends = ends(run, before, world);
                format!("{}{ends}", sentence(run, before, action))
            }
        };
        println!("{number:4}  {}  {happened}", nodes.collect::<Vec<_>>().join("|"));
        before = next.map(|action| (world, action));
    }
}

fn column(run: &Run, node: &Node) -> String {
    let health = if node.is_up() { ' ' } else { '!' };
    let copy = node.record.map_or("-".to_owned(), |record| {
        let writer = record.writer.checked_sub(1).map_or(String::new(), |id| name(run, id));
        let end = if record.is_tombstone { " x" } else { "" };
        format!("v{} {writer}{end}", record.version)
    });
    let lock = node.lock.map_or(String::new(), |request| format!("[{}]", name(run, request)));
    format!("{health}{copy:7}{lock:5}")
}

/// A client's letter; with the number of its request, if it has more than one.
fn name(run: &Run, request: u8) -> String {
    let (who, _) = run.request(request);
    let before: usize = run.requests[..who].iter().map(|requests| requests.len()).sum();
    match run.requests[who].len() {
        1 => letter(who).to_string(),
        _ => format!("{}{}", letter(who), usize::from(request) - before + 1),
    }
}

fn letter(who: usize) -> char {
    char::from(b'A' + who as u8)
}

fn sentence(run: &Run, before: &World, action: Action) -> String {
    let asked = |who: usize, node: usize| match before.clients[who].on[node].step {
        Step::AskedLock => "lock and read",
        Step::AskedRenewal => "renew the lock",
        _ => "store",
    };
    match action {
        Action::Open { who, skipped: None } => format!("{} opens", letter(who)),
        Action::Open { who, skipped: Some(node) } => {
            format!("{} opens and skips node {node}", letter(who))
        }
        Action::Answer { who, node } => {
            format!("{} on node {node}: {}", letter(who), asked(who, node))
        }
        Action::TimeOut { who, node } => {
            format!("{} gives node {node} up: {}", letter(who), asked(who, node))
        }
        Action::AskAgain { who } => format!("{} asks again for its locks", letter(who)),
        Action::Commit { who } => format!("{} commits", letter(who)),
        Action::Pause { who } => format!("{} stands still past its lease", letter(who)),
        Action::LeaseEnds { node } => format!("the lock on node {node} runs out"),
        Action::Late { index } => match before.late[index] {
            Some(Late::Lock { node, request }) => {
                format!("late on node {node}: {}'s lock", name(run, request))
            }
            Some(Late::Store { node, record, .. }) => {
                format!("late on node {node}: the store of v{}", record.version)
            }
            None => unreachable!("only what is on its way arrives"),
        },
        Action::Begin { fault: Fault::Crash, node } => format!("node {node} crashes"),
        Action::Begin { fault: Fault::Hang, node } => format!("node {node} hangs"),
        Action::Begin { fault: Fault::Suspicion, node } => {
            format!("node {node} is out of reach for some")
        }
        Action::Return { node } => format!("node {node} is back"),
        Action::EndEpisode => "everybody knows that the node is back".to_owned(),
    }
}

/// Whose request ended with this step, and whether it was acknowledged.
fn ends(run: &Run, before: &World, after: &World) -> String {
    let told = |world: &World| (world.history.acked, world.history.touched);
    let ended = (0..run.requests.len())
        .filter(|&who| before.clients[who].requests_done != after.clients[who].requests_done);
    let result = if told(before) == told(after) { "not saved" } else { "saved" };
    ended.map(|who| format!("; {}: {result}", letter(who))).collect()
}
