//! The engine's real code in a simulated cluster, with the faults that it is promised to stand.
//!
//! A run is drawn from its seed, in time of its own, and is the same every time. Environment:
//!
//! ```text
//! SESSCLUST_SEED   the first seed, and the only one without the next
//! SESSCLUST_SEEDS  how many runs; the first seed is drawn and printed if it is not set
//! SESSCLUST_JOBS   on how many threads; 1 if not set
//! ```

mod support;

#[allow(unreachable_pub, reason = "as in the rest of what tests share")]
#[path = "support/sim/mod.rs"]
mod sim;

use sessclust_engine::wire::Decoded;
use sessclust_engine::wire::redis::resp::{Limits, decode, encode};
use sim::client::Act;
use sim::network::{Service, Then};
use sim::pass;
use sim::random::run;
use sim::redis::Redis;
use sim::scene::{Scene, done, play};
use sim::server::Server;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::memcached::Memcached;

/// Runs of one test where nothing else is asked for: about 30 s of one core.
const SEEDS: u64 = 2000;

/// How often each scene is played.
const SCENE_SEEDS: u64 = 20;

/// How often a long search says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs seeds, and shows the first that fails.
fn search(service: Service, replicas: Option<u32>, seeds: u64) {
    let (first, seeds) = match (variable("SESSCLUST_SEED"), variable("SESSCLUST_SEEDS")) {
        (Some(seed), None) => (seed, 1),
        (seed, Some(count)) => (seed.unwrap_or_else(|| fastrand::u64(..1 << 48)), count),
        // The same ones every time: what a test says of a change must not depend on luck.
        (None, None) => (1, seeds),
    };
    println!("seeds: SESSCLUST_SEED={first} SESSCLUST_SEEDS={seeds}");
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    let started = Instant::now();
    let work = || {
        let mut said = started;
        loop {
            let done = next.fetch_add(1, Ordering::Relaxed);
            if done >= seeds.min(failed.load(Ordering::Relaxed)) {
                return;
            }
            if said.elapsed() > PROGRESS {
                said = Instant::now();
                println!("{done} of {seeds} seeds, {} s", started.elapsed().as_secs());
            }
            if run(service, first + done, replicas, false).violation.is_some() {
                failed.fetch_min(done, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..variable("SESSCLUST_JOBS").unwrap_or(1) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner();
    if failed != u64::MAX {
        let seed = first + failed;
        let report = run(service, seed, replicas, true);
        report.trace.iter().for_each(|line| println!("{line}"));
        panic!("SESSCLUST_SEED={seed}: {}", report.violation.expect("it fails every time"));
    }
}

#[test]
fn seeds_with_one_copy() {
    search(Service::Memcached, Some(1), SEEDS / 6);
}

#[test]
fn seeds_with_replicas() {
    search(Service::Memcached, None, SEEDS);
}

#[test]
fn seeds_with_one_copy_on_redis() {
    search(Service::Redis, Some(1), SEEDS / 10);
}

#[test]
fn seeds_with_replicas_on_redis() {
    search(Service::Redis, None, SEEDS / 8);
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    let mut lines = 0;
    for seed in 0..20 {
        for service in [Service::Memcached, Service::Redis] {
            let [first, second] = [run(service, seed, None, true), run(service, seed, None, true)];
            assert!(first.trace == second.trace, "seed {seed} with {service:?}");
            lines += first.trace.len();
        }
    }
    assert!(lines > 1000, "{lines} events in all");
}

/// Plays a scene with many seeds, which differ in how long messages take.
fn scene(nodes: usize, replicas: u32, script: impl AsyncFn(&Scene)) {
    scene_on(Service::Memcached, nodes, replicas, script);
}

fn scene_on(service: Service, nodes: usize, replicas: u32, script: impl AsyncFn(&Scene)) {
    for seed in 0..SCENE_SEEDS {
        play(service, nodes, replicas, seed, async |scene: &Scene| script(scene).await);
    }
}

/// Clients of a scene.
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

/// Longer than a lease.
const LEASE: u64 = 6000;

/// F1: a store that was sent before its writer stood still arrives at one node after the lease, and
/// the writer, late, must not take this for success.
#[test]
fn f1_a_paused_write_wins_at_one_copy() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        let late = scene.sends_and_freezes(B, &[0, 1]).await;
        pass(LEASE).await;
        scene.block(A, 0);
        scene.network.trap(A, 1, "ms sc:r:", Then::Freeze);
        let rival = scene.start(A, Act::Commit, 10);
        scene.frozen(A).await;
        scene.free(B, 1);
        pass(10).await;
        scene.network.thaw(A);
        done(rival).await;
        scene.network.thaw(B);
        done(late).await;
    });
}

/// F2: the same where both stores of the late writer arrive in time for both copies.
#[test]
fn f2_a_paused_write_wins_at_both_copies() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        let late = scene.sends_and_freezes(B, &[0, 1]).await;
        pass(LEASE).await;
        scene.network.hang(0);
        scene.network.trap(A, 1, "ms sc:r:", Then::Freeze);
        let rival = scene.start(A, Act::Commit, 10);
        scene.frozen(A).await;
        scene.free(B, 0);
        scene.free(B, 1);
        scene.network.resume(0, 0);
        pass(10).await;
        scene.network.thaw(A);
        scene.network.thaw(B);
        done(rival).await;
        done(late).await;
    });
}

/// F2, where the late writer has lost both connections when it goes on: it finds its own record on
/// both nodes, and must not take that for success either.
#[test]
fn f2_a_paused_write_wins_at_both_copies_and_is_found_there() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        let late = scene.sends_and_freezes(B, &[0, 1]).await;
        pass(LEASE).await;
        scene.network.hang(0);
        scene.network.trap(A, 1, "ms sc:r:", Then::Freeze);
        let rival = scene.start(A, Act::Commit, 10);
        scene.frozen(A).await;
        scene.free(B, 0);
        scene.free(B, 1);
        scene.network.resume(0, 0);
        pass(10).await;
        scene.network.cut(B, 0);
        scene.network.cut(B, 1);
        scene.network.thaw(A);
        done(rival).await;
        scene.network.thaw(B);
        assert!(!done(late).await);
    });
}

/// F2, where the late writer has lost both nodes to those behind them: that the locks which it has
/// there still stand does not make it come in time.
#[test]
fn f2_a_paused_write_that_is_late_for_nodes_it_has_lost() {
    scene(4, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        let late = scene.start(B, Act::Commit, 3000);
        scene.opened().await;
        // Its locks are not renewed; they last for long enough to begin.
        scene.network.freeze(B);
        pass(3000).await;
        scene.network.trap(B, 0, "ms sc:r:", Then::Block);
        scene.network.trap(B, 1, "ms sc:r:", Then::Block);
        scene.network.trap(B, 2, "ms sc:r:", Then::Freeze);
        scene.network.thaw(B);
        pass(1).await;
        scene.frozen(B).await;
        scene.does(A, Act::Commit).await;
        scene.network.thaw(B);
        assert!(!done(late).await);
    });
}

/// F3: a store that timed out arrives just before that of the next writer, who has read it
/// elsewhere: his refusal is none, and nobody was paused.
#[test]
fn f3_a_refusal_that_is_none() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.network.trap(A, 0, "ms sc:r:", Then::Block);
        assert!(done(scene.start(A, Act::Commit, 10)).await);
        let next = scene.start(B, Act::Commit, 300);
        scene.opened().await;
        scene.free(A, 0);
        assert!(done(next).await);
    });
}

/// F4: a node restarts while a script runs, and knows neither lock nor record any more.
#[test]
fn f4_a_node_restarts_during_the_script() {
    for act in [Act::Commit, Act::Touch, Act::Destroy] {
        scene(3, 2, async |scene| {
            scene.does(C, Act::Commit).await;
            let request = scene.start(A, act, 200);
            scene.opened().await;
            scene.network.crash(0);
            pass(20).await;
            scene.network.restart(0);
            assert!(done(request).await);
        });
    }
}

/// F5: who opened while a node was suspected commits on another one, and one of his two nodes
/// dies: one copy is not enough.
#[test]
fn f5_success_with_one_copy_and_then_that_node_dies() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.block(B, 1);
        let first = scene.start(A, Act::Commit, 6000);
        scene.opened().await;
        let second = scene.start(B, Act::Commit, 50);
        pass(1000).await;
        scene.free(B, 1);
        assert!(done(first).await);
        scene.network.trap(B, 0, "ms sc:r:", Then::Crash);
        assert!(done(second).await);
    });
    // Only what is sent to the first node is lost, and it has the same as the one that was skipped.
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.block(B, 1);
        scene.does(B, Act::Touch).await;
        let request = scene.start(B, Act::Commit, 4000);
        scene.opened().await;
        scene.free(B, 1);
        scene.network.link(B, 0, |link| link.losses = 1);
        scene.network.trap(B, 0, "ms sc:r:", Then::Block);
        assert!(done(request).await);
    });
}

/// F6: both nodes of a view that skips a third one say that there is no session; the third has it.
#[test]
fn f6_empty_over_good_data() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.block(B, 1);
        let first = scene.start(A, Act::Commit, 6000);
        scene.opened().await;
        let second = scene.start(B, Act::Commit, 50);
        pass(1000).await;
        scene.free(B, 1);
        assert!(done(first).await);
        scene.network.crash(0);
        scene.network.restart(0);
        assert!(done(second).await);
    });
}

/// F7: who turns to another node in the middle of a commit must find nobody there who has read
/// his first store already.
#[test]
fn f7_unlock_behind_the_store() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        let first = scene.start(B, Act::Commit, 1000);
        scene.opened().await;
        let second = scene.start(A, Act::Commit, 20);
        pass(500).await;
        scene.network.link(B, 2, |link| link.delay = (20, 40));
        scene.network.trap(B, 0, "ms sc:r:", Then::Crash);
        assert!(done(first).await);
        assert!(done(second).await);
    });
}

/// F8: two requests that see different nodes and get their locks in different orders do not wait
/// for each other.
#[test]
fn f8_three_copies_without_deadlock() {
    scene(4, 3, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.block(A, 0);
        // A has the lock of node 1 when B comes, and B that of node 2 when A goes on.
        scene.network.trap(A, 2, "ms sc:l:", Then::Freeze);
        let first = scene.start(A, Act::Commit, 20);
        scene.frozen(A).await;
        let second = scene.start(B, Act::Commit, 20);
        pass(20).await;
        scene.network.thaw(A);
        assert!(done(first).await);
        assert!(done(second).await);
    });
}

/// F9: a touch gives a session its second copy again.
#[test]
fn f9_a_touch_repairs() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.network.crash(0);
        scene.network.restart(0);
        scene.does(A, Act::Touch).await;
        scene.network.crash(1);
        scene.network.restart(1);
        scene.does(B, Act::Touch).await;
    });
    // On a node, too, that was silent when the session was opened.
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.block(A, 0);
        scene.block(B, 0);
        scene.does(A, Act::Commit).await;
        let request = scene.start(B, Act::Touch, 4000);
        scene.opened().await;
        scene.free(A, 0);
        scene.free(B, 0);
        scene.network.trap(B, 1, "mg sc:r:", Then::Crash);
        assert!(done(request).await);
        scene.network.restart(1);
        scene.network.crash(2);
        scene.network.restart(2);
        scene.does(A, Act::Touch).await;
    });
}

/// F10: a store that comes late, or a node with an old copy, does not revive what was destroyed.
#[test]
fn f10_what_was_destroyed_stays_so() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        let late = scene.sends_and_freezes(B, &[0, 1]).await;
        pass(LEASE).await;
        scene.does(A, Act::Destroy).await;
        scene.free(B, 0);
        scene.free(B, 1);
        pass(10).await;
        scene.does(C, Act::Peek).await;
        scene.network.thaw(B);
        done(late).await;
        scene.does(C, Act::Peek).await;
    });
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.network.hang(0);
        scene.does(A, Act::Destroy).await;
        scene.network.resume(0, 0);
        scene.does(C, Act::Peek).await;
    });
}

/// F11: a node that was down when a request was opened is used again when another one fails in its
/// commit.
#[test]
fn f11_a_long_wait_in_open() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.block(A, 0);
        scene.block(C, 0);
        let holder = scene.start(C, Act::Commit, 4000);
        scene.opened().await;
        let waiting = scene.start(A, Act::Commit, 20);
        // Asks seldom, so that the repair comes first.
        pass(1000).await;
        scene.network.link(A, 1, |link| link.delay = (30, 40));
        scene.free(A, 0);
        scene.free(C, 0);
        let repair = scene.start(D, Act::Touch, 0);
        scene.network.trap(A, 1, "ms sc:r:", Then::Crash);
        assert!(done(holder).await && done(repair).await && done(waiting).await);
    });
}

/// F12: a lock on the node that replaces another one, held for a moment by somebody who waits, is
/// no reason to fail.
#[test]
fn f12_a_lock_at_the_replacement() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        let first = scene.start(A, Act::Commit, 1000);
        scene.opened().await;
        scene.block(B, 0);
        scene.network.link(B, 1, |link| link.delay = (20, 30));
        let second = scene.start(B, Act::Commit, 20);
        scene.network.trap(A, 0, "ms sc:r:", Then::Crash);
        assert!(done(first).await);
        assert!(done(second).await);
    });
}

/// A writer stands still beyond its lease and commits after all, while the stores of another one
/// that held the session in between are still on their way; `again` is where it stands still once
/// more.
async fn late_rival(scene: &Scene, again: Option<&'static str>) {
    scene.does(C, Act::Commit).await;
    let first = scene.start(B, Act::Commit, 100);
    scene.opened().await;
    scene.network.freeze(B);
    pass(LEASE).await;
    scene.block(A, 0);
    let rival = scene.sends_and_freezes(A, &[1, 2]).await;
    pass(LEASE).await;
    if let Some(words) = again {
        scene.network.trap(B, 0, words, Then::Freeze);
    }
    scene.network.thaw(B);
    if again.is_some() {
        scene.frozen(B).await;
        pass(LEASE).await;
        scene.network.thaw(B);
    }
    done(first).await;
    scene.free(A, 1);
    scene.free(A, 2);
    pass(20).await;
    // Who does not see the first node decides between the copies by their versions.
    scene.block(C, 0);
    scene.does(C, Act::Look).await;
    scene.network.thaw(A);
    done(rival).await;
}

/// F13: the version of what is stored under a lock that was taken again is of that time.
#[test]
fn f13_a_lock_that_is_taken_again_is_a_new_one() {
    scene(3, 2, async |scene| late_rival(scene, None).await);
}

/// F14: who stands still again, between taking its locks again and storing under them, looks at
/// the clock again.
#[test]
fn f14_a_second_pause_after_taking_the_locks_again() {
    scene(3, 2, async |scene| late_rival(scene, Some("ms sc:l:")).await);
    scene(3, 2, async |scene| late_rival(scene, Some("ms sc:r:")).await);
}

/// Who stood still beyond its lease, and nobody came, takes its locks again and commits; also if it
/// stands still once more before the first of them is taken again.
#[test]
fn who_stood_still_commits_if_nobody_came() {
    for again in [false, true] {
        scene(3, 2, async |scene| {
            scene.does(C, Act::Commit).await;
            let request = scene.start(B, Act::Commit, 100);
            scene.opened().await;
            scene.network.freeze(B);
            pass(LEASE).await;
            if again {
                scene.network.trap(B, 0, "mg sc:l:", Then::Freeze);
            }
            scene.network.thaw(B);
            if again {
                scene.frozen(B).await;
                pass(LEASE).await;
                scene.network.thaw(B);
            }
            assert!(done(request).await);
        });
    }
}

/// F15: replacements are taken in the order of the list among the nodes that are up now, in a
/// commit and in open.
#[test]
fn f15_replacements_in_the_order_of_the_list() {
    for is_in_commit in [true, false] {
        scene(4, 2, async |scene| {
            scene.does(C, Act::Commit).await;
            scene.block(B, 0);
            scene.block(C, 0);
            let holder = scene.start(C, Act::Commit, 4000);
            scene.opened().await;
            let waiting = scene.start(B, Act::Commit, 20);
            pass(1000).await;
            scene.network.link(B, 1, |link| link.delay = (30, 40));
            scene.free(B, 0);
            scene.free(C, 0);
            let repair = scene.start(D, Act::Commit, 0);
            if is_in_commit {
                scene.network.trap(B, 1, "ms sc:r:", Then::Crash);
            }
            assert!(done(holder).await && done(repair).await);
            if !is_in_commit {
                scene.network.crash(1);
            }
            assert!(done(waiting).await);
        });
    }
    // All that may be asked have the same, so that only the list says who comes next.
    scene(4, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.block(B, 0);
        scene.does(B, Act::Touch).await;
        let request = scene.start(B, Act::Commit, 4000);
        scene.opened().await;
        scene.free(B, 0);
        scene.network.link(B, 1, |link| link.losses = 1);
        scene.network.trap(B, 1, "ms sc:r:", Then::Block);
        assert!(done(request).await);
    });
}

/// Whoever asks a further node what it has waits for who holds the session there: his lock on the
/// other one is lost with its node.
#[test]
fn further_nodes_are_locked_too() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.block(A, 0);
        scene.does(A, Act::Touch).await;
        let first = scene.start(A, Act::Commit, 3000);
        scene.opened().await;
        scene.free(A, 0);
        scene.network.crash(1);
        scene.network.restart(1);
        let second = scene.start(B, Act::Commit, 500);
        assert!(done(first).await);
        assert!(done(second).await);
    });
}

/// Who can reach fewer nodes than have to have its write sends it to none: the next ones would
/// believe it, and it has not seen theirs.
#[test]
fn a_write_that_too_few_nodes_can_have_is_not_sent() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.block(B, 1);
        scene.does(B, Act::Touch).await;
        scene.block(A, 0);
        scene.block(A, 1);
        let late = scene.start(A, Act::Commit, 100);
        scene.opened().await;
        scene.network.freeze(A);
        pass(LEASE).await;
        scene.does(C, Act::Commit).await;
        scene.network.thaw(A);
        assert!(!done(late).await);
        scene.block(C, 0);
        scene.does(C, Act::Look).await;
    });
}

/// Who destroys a session needs no lock. One of the two locks of whoever has it open is lost with
/// its node and taken again later: what is stored under it must not be newer than the tombstone.
#[test]
fn a_lock_that_is_taken_again_does_not_revive_what_was_destroyed() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        let request = scene.start(B, Act::Commit, 10_000);
        scene.opened().await;
        scene.does(A, Act::DestroyOther).await;
        pass(LEASE).await;
        scene.network.crash(1);
        scene.network.restart(1);
        assert!(!done(request).await);
        scene.does(C, Act::Peek).await;
    });
}

/// A commit reads a node again, and stands still in that. What is left of its locks was enough
/// before; afterwards they are renewed.
#[test]
fn locks_last_while_a_node_is_read_again() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        let request = scene.start(B, Act::Commit, 3000);
        scene.opened().await;
        // That lock is taken again when both are to be renewed, after a third of the lease.
        scene.network.cut(B, 1);
        pass(2000).await;
        scene.network.trap(B, 0, "mg sc:r:", Then::Freeze);
        scene.frozen(B).await;
        pass(2400).await;
        scene.network.thaw(B);
        assert!(done(request).await);
    });
}

/// Who has stood still before a commit finds the session in somebody else's hands, on a Redis
/// before it can read so in the record: it leaves lock and record alone.
#[test]
fn a_late_transaction_leaves_the_lock_of_another() {
    scene_on(Service::Redis, 1, 1, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.network.trap(B, 0, "$3\r\nDEL", Then::Freeze);
        let late = scene.start(B, Act::Commit, 10);
        scene.frozen(B).await;
        pass(LEASE).await;
        let holder = scene.start(A, Act::Commit, 1000);
        scene.opened().await;
        scene.network.thaw(B);
        assert!(!done(late).await);
        assert!(done(holder).await);
    });
}

/// Who is given a lock in the place of somebody who has lost its connection keeps it, though that
/// one comes back, and finds that the lock was to be its own.
#[test]
fn anothers_turn_is_ones_own() {
    scene_on(Service::Redis, 1, 1, async |scene| {
        let holder = scene.start(A, Act::Commit, 1000);
        scene.opened().await;
        let cut = scene.start(C, Act::Commit, 10);
        pass(200).await;
        let next = scene.start(B, Act::Commit, 1000);
        pass(200).await;
        // It joins again, behind the other one.
        scene.network.cut(C, 0);
        assert!(done(holder).await);
        scene.opened().await;
        scene.network.cut(C, 0);
        assert!(done(next).await);
        assert!(done(cut).await);
    });
}

/// Who is given a lock in the place of somebody who waits no more, and stands still before it can
/// say so, finds it in somebody else's hands.
#[test]
fn a_late_claim_leaves_the_lock_of_another() {
    scene_on(Service::Redis, 1, 1, async |scene| {
        let holder = scene.start(A, Act::Commit, 1000);
        scene.opened().await;
        let cut = scene.start(C, Act::Commit, 10);
        pass(200).await;
        let late = scene.start(B, Act::Commit, 10);
        pass(200).await;
        // It joins again, behind the other one.
        scene.network.cut(C, 0);
        // That it waits no more, which it says when it was given the other one's lock.
        scene.network.trap(B, 0, "EVALSHA", Then::Freeze);
        assert!(done(holder).await);
        scene.frozen(B).await;
        assert!(done(cut).await);
        let next = scene.start(D, Act::Commit, 1000);
        scene.opened().await;
        scene.network.thaw(B);
        assert!(done(next).await);
        assert!(done(late).await, "it waits again");
    });
}

/// Two nodes refuse what somebody stores who has stood still, and one of them dies before it can be
/// asked what it has: the other one's answer is still that one's.
#[test]
fn a_node_dies_while_two_are_asked_why_they_refuse() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.network.trap(B, 0, "ms sc:r:", Then::Freeze);
        let late = scene.start(B, Act::Commit, 10);
        scene.frozen(B).await;
        scene.does(A, Act::Commit).await;
        scene.network.trap(B, 0, "mg sc:r:", Then::Crash);
        scene.network.thaw(B);
        assert!(!done(late).await);
    });
}

/// A node has an older copy when a session is opened, is restarted, and its connection is lost:
/// what was read there is no condition for the repair of a touch any more.
#[test]
fn a_touch_repairs_a_node_that_was_restarted_during_the_script() {
    scene(2, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.network.trap(D, 1, "ms sc:r:", Then::Freeze);
        let partial = scene.start(D, Act::Commit, 0);
        scene.frozen(D).await;
        pass(LEASE).await;
        let request = scene.start(B, Act::Touch, 3000);
        scene.opened().await;
        scene.network.crash(1);
        // Until its lock is to be renewed.
        pass(2000).await;
        scene.network.restart(1);
        assert!(done(request).await);
        scene.network.crash(0);
        scene.network.restart(0);
        scene.does(A, Act::Touch).await;
        scene.network.thaw(D);
        done(partial).await;
    });
}

/// Who stands still beyond its lease finds what somebody else has stored when it touches the
/// session and has lost its connections. It leaves that as it is.
#[test]
fn a_touch_stores_nothing_over_what_is_newer() {
    scene(3, 2, async |scene| {
        scene.does(C, Act::Commit).await;
        let late = scene.start(B, Act::Touch, 100);
        scene.opened().await;
        scene.network.freeze(B);
        pass(LEASE).await;
        scene.does(A, Act::Commit).await;
        scene.network.cut(B, 0);
        scene.network.cut(B, 1);
        scene.network.thaw(B);
        done(late).await;
        scene.does(C, Act::Look).await;
    });
}

/// Who stands still while it connects, even twice, blames no node for it.
#[test]
fn a_node_is_not_blamed_by_who_stood_still() {
    scene(2, 1, async |scene| {
        scene.does(C, Act::Commit).await;
        scene.network.trap(A, 0, "version", Then::Freeze);
        scene.network.trap(A, 0, "version", Then::Freeze);
        let request = scene.start(A, Act::Commit, 0);
        scene.frozen(A).await;
        pass(350).await;
        scene.network.thaw(A);
        pass(1).await;
        scene.frozen(A).await;
        scene.network.cut(A, 0);
        pass(350).await;
        scene.network.thaw(A);
        assert!(done(request).await);
    });
}

/// What a server of either kind answers to a request, and to the `mn` behind it.
fn answers(request: &str, real: &mut impl ReadWrite, simulated: &mut Server) -> [String; 2] {
    let request = format!("{request}\r\nmn\r\n");
    real.write_all(request.as_bytes()).expect("memcached listens");
    let mut said = Vec::new();
    while !said.ends_with(b"MN\r\n") {
        let mut bytes = [0; 4096];
        let count = real.read(&mut bytes).expect("a reply");
        assert_ne!(count, 0, "memcached closes after {request:?}");
        said.extend_from_slice(&bytes[..count]);
    }
    let (mut input, mut output) = (request.as_bytes(), Vec::new());
    while let Some(bytes) = simulated.execute(input, &mut output) {
        input = &input[bytes..];
    }
    assert_eq!(input, b"", "{request:?}");
    [said, output].map(|said| said.escape_ascii().to_string())
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

#[test]
fn a_simulated_server_answers_as_memcached_does() {
    let Some(memcached) = Memcached::start(&[]) else { return };
    let mut real = memcached.connect();
    let mut simulated = Server::default();
    let mut random = support::seeded();
    let mut ask = |request: &str, real: &mut _| {
        let [said, simulated] = answers(request, real, &mut simulated);
        assert_eq!(said, simulated, "{request}");
        said
    };
    let mut codes = std::collections::BTreeSet::new();
    for number in 0..3000 {
        let key = ["a", "b", "c"][random.usize(..3)];
        let value = "x".repeat(random.usize(..4));
        // CAS values of a server count up from 1, so a small one is right now and then.
        let cas = random.u32(1..=1 + number / 10);
        let request = match random.u8(..7) {
            0 => format!("mg {key} v c t O{number}"),
            1 => format!("mg {key} T1000 c O{number}"),
            2 => format!("ms {key} {} T1000 ME c O{number}\r\n{value}", value.len()),
            3 => format!("ms {key} {} T0 C{cas} c O{number}\r\n{value}", value.len()),
            4 => format!("md {key} C{cas} q O{number}"),
            5 => format!("md {key} C{cas} O{number}"),
            _ => {
                // The right one.
                let reply = ask(&format!("mg {key} c"), &mut real);
                let found = reply.strip_prefix("HD c").and_then(|rest| rest.split_once('\\'));
                let cas = found.map_or("1", |(cas, _)| cas);
                match random.u8(..3) {
                    0 => format!("md {key} C{cas} q O{number}"),
                    1 => format!("md {key} C{cas} O{number}"),
                    _ => format!("ms {key} {} T9 C{cas} c O{number}\r\n{value}", value.len()),
                }
            }
        };
        let code: String = ask(&request, &mut real).chars().take(2).collect();
        codes.insert(format!("{} {code}", &request[..2]));
    }
    let expected = [
        "md EX", "md HD", "md MN", "md NF", "mg EN", "mg HD", "mg VA", "ms EX", "ms HD", "ms NF",
        "ms NS",
    ];
    assert!(expected.iter().all(|code| codes.contains(*code)), "{codes:?}");
}

/// What a server of either kind answers to a command, of which the second word is what each calls
/// its script.
fn replies(
    words: &[&[u8]],
    scripts: [&[u8]; 2],
    real: &mut impl ReadWrite,
    simulated: &mut Redis,
) -> [String; 2] {
    let [asked, told] = scripts.map(|script| {
        let mut words = words.to_vec();
        if words[0] == b"EVALSHA" {
            words[1] = script;
        }
        let mut command = Vec::new();
        encode(&words, &mut command);
        command
    });
    real.write_all(&asked).expect("redis-server listens");
    let mut said = Vec::new();
    while !matches!(decode(&said, &Limits::default()), Ok(Decoded::Reply { .. })) {
        let mut bytes = [0; 4096];
        let count = real.read(&mut bytes).expect("a reply");
        assert_ne!(count, 0, "redis-server closes the connection");
        said.extend_from_slice(&bytes[..count]);
    }
    let mut output = Vec::new();
    simulated.execute(0, &told, &mut output).expect("a whole command");
    simulated.give_up(0);
    output.extend(simulated.woken().into_iter().flat_map(|woken| woken.reply));
    [said, output].map(|said| said.escape_ascii().to_string())
}

/// The scripts and transactions of the engine, in any order and with any arguments, on the keys of
/// one session: servers that differ in anything differ in a reply before long.
#[test]
fn a_simulated_server_answers_as_redis_does() {
    let Some(redis) = support::redis::Redis::start(&[]) else { return };
    let (mut real, mut simulated) = (redis.connect(), Redis::new());
    let mut random = support::seeded();
    let mut load = |name: &str, text: &str| {
        let text = [include_str!("../node/redis/common.lua"), text].concat();
        let mut names = [redis.cli(&["SCRIPT", "LOAD", &text]), String::new()];
        let mut output = Vec::new();
        let mut command = Vec::new();
        encode(&[b"SCRIPT", b"LOAD", text.as_bytes()], &mut command);
        simulated.execute(0, &command, &mut output).expect("a whole command");
        names[1] = String::from_utf8(output).expect("digits").lines().nth(1).expect("it").into();
        (name.to_owned(), names)
    };
    let scripts = std::collections::BTreeMap::from([
        load("commit", include_str!("../node/redis/commit.lua")),
        load("replace", include_str!("../node/redis/replace.lua")),
        load("touch", include_str!("../node/redis/touch.lua")),
        load("remove", include_str!("../node/redis/remove.lua")),
        load("release", include_str!("../node/redis/release.lua")),
        load("join", include_str!("../node/redis/join.lua")),
        load("poke", include_str!("../node/redis/poke.lua")),
        load("leave", include_str!("../node/redis/leave.lua")),
    ]);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1500 {
        // A CAS of eight bytes, of few so that it is right now and then.
        let mut cas = || format!("0000000{}", random.u8(..3));
        let (old, lock) = (cas(), cas());
        let value = cas() + "value";
        let old = if random.u8(..4) == 0 { String::new() } else { old };
        let (rlqw, lqw) = (["r", "l", "q", "w"], ["l", "q", "w"]);
        let item: &[&str] = [&["r", "l"][..], &["l"]][random.usize(..2)];
        let life: [&[&str]; 2] = [&["EXPIRE", "1000"], &["PERSIST", ""]];
        let life = life[random.usize(..2)];
        let touch_and_release = [life, &[&lock, "1000"]].concat();
        let command: (&str, &[&str], &[&str]) = match random.u8(..18) {
            0 => ("commit", &rlqw, &[&old, &value, "EX", "1000", &lock, "1000"]),
            1 => ("replace", item, &[&old, &value, "", ""]),
            2 => ("touch", &item[..1], life),
            3 => ("remove", item, &[&old]),
            4 => ("release", &lqw, &[&lock, "1000"]),
            5 | 14 => ("join", &lqw, &[&value, "1000", "1000"]),
            6 => ("poke", &lqw, &[&value, "1000", "1000"]),
            7 => ("leave", &lqw, &[&value, "1000"]),
            8 => ("SET", &item[..1], &[&value, "NX", "EX", "1000"]),
            9 => ("BLPOP", &["w"], &["0.001"]),
            10 => ("touch", &rlqw, &touch_and_release),
            11 => ("MGET", &["l", "r"], &[]),
            12 => ("UNWATCH", &[], &[]),
            13 => ("PEXPIRE", &["l"], &["1000000"]),
            15 => ("TYPE", &["l"], &[]),
            16 => ("LRANGE", &["l"], &["0", "0"]),
            _ => ("WATCH", &["l"], &[]),
        };
        let set = [&*value, "EX", "1000"];
        let mut commands = vec![command];
        if command.0 == "MGET" {
            let seconds = if life[1].is_empty() { &[][..] } else { &life[1..] };
            commands.extend([
                ("MULTI", &[][..], &[][..]),
                ("SET", &["r"], &set),
                (life[0], &["r"], seconds),
                ("DEL", &["l", "w"], &[]),
                ("LMOVE", &["q", "l"], &["RIGHT", "LEFT"]),
                ("EXPIRE", &["l"], &["1000"]),
                ("COPY", &["l", "w"], &[]),
                ("EXEC", &[], &[]),
            ]);
        }
        for (name, keys, arguments) in commands {
            let keys: Vec<String> = keys.iter().map(|kind| format!("sc:{kind}:{{a}}")).collect();
            let count = keys.len().to_string();
            let head = match scripts.contains_key(name) {
                true => vec!["EVALSHA", "", &count],
                false => vec![name],
            };
            let words = head.into_iter().chain(keys.iter().map(String::as_str));
            let words: Vec<&[u8]> =
                words.chain(arguments.iter().copied()).map(str::as_bytes).collect();
            let none = [String::new(), String::new()];
            let names = scripts.get(name).unwrap_or(&none).each_ref().map(|name| name.as_bytes());
            let [said, simulated] = replies(&words, names, &mut real, &mut simulated);
            assert_eq!(said, simulated, "{name} {arguments:?}");
            seen.insert(format!("{name} {}", said.chars().take(4).collect::<String>()));
        }
    }
    assert!(seen.len() > 25, "{seen:?}");
    // Both of them: done, and not done.
    assert!(seen.contains("EXEC *6\\r") && seen.contains("EXEC *-1\\"), "{seen:?}");
}

#[test]
fn an_item_of_a_simulated_server_may_end_almost_a_second_early() {
    let mut server = Server::default();
    let mut output = Vec::new();
    server.set_clock(0);
    server.execute(b"ms k 1 T5 ME c O1\r\na\r\n", &mut output);
    // The clock was about to strike.
    for (clock_s, reply) in [(1, "HD t4\r\n"), (4, "HD t1\r\n"), (5, "EN\r\n")] {
        server.set_clock(clock_s);
        output.clear();
        server.execute(b"mg k t\r\n", &mut output);
        assert_eq!(output.escape_ascii().to_string(), reply.as_bytes().escape_ascii().to_string());
    }
}
