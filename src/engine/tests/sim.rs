//! The engine's real code in a simulated cluster, with the faults that it is promised to stand.
//!
//! A run is drawn from its seed, in time of its own, and is the same every time. Environment:
//!
//! ```text
//! SESSCLUST_SEED   the first seed; drawn and printed if not set, otherwise one run only
//! SESSCLUST_SEEDS  how many runs
//! SESSCLUST_JOBS   on how many threads; 1 if not set
//! ```

mod support;

#[allow(unreachable_pub, reason = "as in the rest of what tests share")]
#[path = "support/sim/mod.rs"]
mod sim;

use sim::random::run;
use sim::server::Server;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::memcached::Memcached;

/// Runs of one test where nothing else is asked for: about 30 s of one core.
const SEEDS: u64 = 3000;

/// How often a long search says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs seeds, and shows the first that fails.
fn search(replicas: Option<u32>, seeds: u64) {
    let (first, seeds) = match (variable("SESSCLUST_SEED"), variable("SESSCLUST_SEEDS")) {
        (Some(seed), None) => (seed, 1),
        (seed, count) => (seed.unwrap_or_else(|| fastrand::u64(..1 << 48)), count.unwrap_or(seeds)),
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
            if run(first + done, replicas, false).violation.is_some() {
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
        let report = run(seed, replicas, true);
        report.trace.iter().for_each(|line| println!("{line}"));
        panic!("SESSCLUST_SEED={seed}: {}", report.violation.expect("it fails every time"));
    }
}

#[test]
fn one_copy_stands_what_leaves_its_node_alive() {
    search(Some(1), SEEDS / 6);
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in 0..20 {
        let [first, second] = [run(seed, Some(1), true), run(seed, Some(1), true)];
        assert!(first.trace.len() > 100, "{:?}", first.trace);
        assert_eq!(first.trace, second.trace, "seed {seed}");
    }
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
                match random.bool() {
                    true => format!("ms {key} {} T9 C{cas} c O{number}\r\n{value}", value.len()),
                    false => format!("md {key} C{cas} q O{number}"),
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
