//! Sessions with two copies on three nodes under load while one node fails: nothing is lost and no
//! request fails. `script/reliability` measures it, with more faults and other handlers.

mod support;

// What a program of its own measures.
#[path = "../bench/reliability/lab/mod.rs"]
mod lab;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lab::{Fault, HANDLERS, SESSIONS, run};

/// Requests a second: few enough for a machine that has other work too.
const RATE: u32 = 200;

/// How long a node stands still; other faults last half as long.
const LONGEST: Duration = Duration::from_secs(4);

/// What any request takes at most on a loaded machine. One that waited until the node goes on would
/// take longer.
const REQUEST_MAX: Duration = Duration::from_secs(3);

/// One run at a time, because each needs the whole machine.
static MACHINE: Mutex<()> = Mutex::new(());

#[track_caller]
fn nobody_notices(handler: &str, fault: Fault) {
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let handler = HANDLERS.iter().find(|known| known.name == handler).expect("a handler");
    let Some(outcome) = run(handler, fault, RATE, LONGEST) else { return };
    println!("{outcome:#?}");
    assert_eq!(outcome.failed, 0, "requests that failed or raised a warning");
    assert_eq!(outcome.restarted, 0, "sessions lost");
    assert_eq!(outcome.rolled_back, 0, "sessions rolled back");
    assert_eq!(outcome.increments, 0, "acknowledged increments lost");
    assert_eq!(outcome.readable, SESSIONS, "sessions that a new process reads");
    assert!(outcome.longest < REQUEST_MAX, "a request took {:?}", outcome.longest);
    assert!(outcome.throughput > 0.0, "requests were answered one second later");
}

#[test]
fn a_node_that_is_killed_loses_nothing() {
    nobody_notices("sessclust", Fault::Dead);
}

#[test]
fn a_node_that_comes_back_empty_loses_nothing() {
    nobody_notices("sessclust", Fault::Empty);
}

#[test]
fn a_node_that_stands_still_and_goes_on_loses_nothing() {
    nobody_notices("sessclust", Fault::Hung);
}

#[test]
fn connections_that_end_inside_replies_lose_nothing() {
    nobody_notices("sessclust", Fault::Cut);
}

#[test]
fn a_redis_that_is_killed_loses_nothing() {
    nobody_notices("sessclust-redis", Fault::Dead);
}
