//! The engine's real code in a simulated cluster, with the faults that it is promised to stand.

mod support;

#[allow(unreachable_pub, reason = "as in the rest of what tests share")]
#[path = "support/sim/mod.rs"]
mod sim;

use sim::random::run;

#[test]
fn x() {
    let start = std::time::Instant::now();
    let first: u64 = std::env::var("SESSCLUST_SEED").map_or(0, |s| s.parse().unwrap());
    let count: u64 = std::env::var("SESSCLUST_SEEDS").map_or(1000, |s| s.parse().unwrap());
    for seed in first..first + count {
        if run(seed, Some(1), false).violation.is_some() {
            let again = run(seed, Some(1), true);
            for line in &again.trace { println!("{line}"); }
            panic!("seed {seed}: {:?}", again.violation);
        }
    }
    println!("{:?}", start.elapsed());
}
