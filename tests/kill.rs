//! kill -9 in the middle of writes.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::{Setup, folder, in_parallel, number, seeded};

/// Sessions of 1 to 250 KB are rewritten without pause, each write acknowledged through a pipe once
/// `session_write_close()` returned, and the writer is killed at a random moment. Then a fresh
/// process finds the session whole, and as new as the last acknowledged write or the one in
/// progress.
#[test]
fn sessions_survive_500_kills_of_their_writer() {
    const KILLS: usize = 500;
    const WRITERS: usize = 4;
    /// The kill comes up to this long after an acknowledged write: a few writes of 250 KB.
    const DELAY_MAX: Duration = Duration::from_micros(1500);
    let store = folder();
    let setup = Setup::new(store.path());
    let mut rng = seeded();
    let seeds: Vec<u64> = (0..WRITERS).map(|_| rng.u64(..)).collect();
    let [acknowledged, ahead] = [const { AtomicUsize::new(0) }; 2];
    in_parallel(WRITERS, |writer| {
        let mut rng = fastrand::Rng::with_seed(seeds[writer]);
        let mut saved = 0;
        for _ in 0..KILLS / WRITERS {
            let mut php = setup.start();
            php.send(&format!("rewrite s{writer} {} {}", saved + 1, rng.u32(..1 << 31)));
            php.line().expect("the pid");
            let mut last = saved;
            for _ in 0..rng.usize(1..20) {
                last = number(&php.line().expect("a write"));
            }
            // Spinning, because a sleep is too coarse to hit every part of a write.
            let moment = Instant::now() + DELAY_MAX.mul_f64(rng.f64());
            while Instant::now() < moment {}
            php.process.kill();
            while let Some(line) = php.line() {
                last = number(&line);
            }
            let found = setup.run(&format!("get s{writer}")).value();
            assert!(
                (last..=last + 1).contains(&number(&found)),
                "found {found:?} after {last} was acknowledged"
            );
            acknowledged.fetch_add(usize::try_from(last - saved).unwrap(), Ordering::Relaxed);
            ahead.fetch_add(usize::from(number(&found) > last), Ordering::Relaxed);
            saved = number(&found);
        }
    });
    println!(
        "{KILLS} kills, {acknowledged:?} acknowledged writes; {ahead:?} times a write was saved \
         and not yet acknowledged"
    );
}
