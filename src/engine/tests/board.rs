//! The health board: when a node is down and when it is back, who looks, and what all processes of
//! a machine share of it, whoever of them is killed. No clock is read: the tests say what time it
//! is.

mod support;

use sessclust_engine::machine::{Board, Health, Identity, Queue, Verdict};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Child, seeded};
use tempfile::TempDir;

/// Two nodes whose slots are not the same, as the board sees them.
const NAMES: [u64; 2] = [0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321];
const INTERVAL: Duration = Duration::from_secs(1);
/// Some time after the machine was started.
const START: u64 = 1_000_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(START + ms)
}

fn alone() -> Board {
    Board::private(&NAMES)
}

/// Where the shared memory of a test is.
fn base() -> TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(parent).expect("a temporary folder")
}

/// A node does not answer what it is asked now. Says whether this has taken it down.
fn failed(board: &Board, node: usize, at: u64) -> bool {
    board.failed(node, ms(at), ms(at)) == Verdict::Down
}

fn is_down(board: &Board, node: usize) -> bool {
    board.health(node).is_down
}

/// Takes a node down and brings it back, at times from `at` on in ms; says when that was.
#[track_caller]
fn flap(board: &Board, at: u64, steady: u64) -> u64 {
    assert!(failed(board, 0, at), "at {at}");
    assert!(!board.answered(0, ms(at + 1000)));
    assert!(!board.answered(0, ms(at + 1000 + steady - 1)), "before {steady} ms");
    assert!(board.answered(0, ms(at + 1000 + steady)), "after {steady} ms");
    at + 1000 + steady
}

// When it is down, and when it is back.

#[test]
fn one_failure_takes_a_node_down_and_is_told_once() {
    let board = alone();
    let never = Health {
        is_down: false,
        is_drained: false,
        failures: 0,
        since: None,
        latency: None,
        reason: None,
    };
    assert!(board.is_up(0, ms(0)) && !board.is_any_down());
    assert_eq!(board.health(0), never);
    assert!(failed(&board, 0, 1));
    assert!(!board.is_up(0, ms(1)) && board.is_any_down());
    assert!(!failed(&board, 0, 2) && !failed(&board, 0, 3));
    let down = Health { is_down: true, failures: 3, since: Some(ms(1)), ..never.clone() };
    assert_eq!(board.health(0), down);
    assert!(board.is_up(1, ms(3)));
    assert_eq!(board.health(1), never);
}

#[test]
fn a_node_is_back_when_it_has_answered_steadily() {
    let board = alone();
    assert!(!board.answered(0, ms(0)), "it was never down");
    failed(&board, 0, 0);
    // Many answers in no time are one request's.
    for at in [10, 10, 30, 59] {
        assert!(!board.answered(0, ms(at)), "{at}");
        assert!(is_down(&board, 0), "{at}");
        assert!(board.is_recovering(0), "{at}");
    }
    assert!(board.answered(0, ms(60)) && !board.is_recovering(0));
    assert!(board.is_up(0, ms(60)) && !board.is_any_down());
    assert!(!board.answered(0, ms(61)), "told once");
    let Health { failures, since, .. } = board.health(0);
    assert_eq!((failures, since), (0, Some(ms(60))));
}

#[test]
fn a_failure_makes_what_was_good_before_it_count_for_nothing() {
    let board = alone();
    failed(&board, 0, 0);
    for at in [100, 200, 300] {
        assert!(!board.answered(0, ms(at)), "{at}");
        assert!(!failed(&board, 0, at + 49), "{at}");
        assert!(!board.is_recovering(0), "{at}");
    }
    assert!(!board.answered(0, ms(400)));
    assert!(board.answered(0, ms(450)));
}

/// Who has waited for long brings news that is older than what others were answered meanwhile.
#[test]
fn a_failure_to_answer_what_was_asked_before_the_node_answered_counts_for_nothing() {
    let board = alone();
    let failed = |asked, now| board.failed(0, ms(asked), ms(now));
    assert_eq!(failed(0, 10), Verdict::Down);
    assert!(!board.answered(0, ms(100)));
    assert!(board.has_answered_since(0, ms(100), ms(90)));
    assert!(!board.has_answered_since(0, ms(101), ms(120)));
    for asked in [20, 100] {
        assert_eq!(failed(asked, 120), Verdict::Outdated, "{asked}");
        assert!(board.is_recovering(0), "{asked}");
    }
    assert!(board.answered(0, ms(150)));
    assert_eq!(failed(140, 160), Verdict::Outdated);
    assert!(board.is_up(0, ms(160)));
    assert_eq!(failed(151, 160), Verdict::Down);
    // Of a clock that stands elsewhere nothing is believed.
    assert!(!board.answered(0, ms(100_000)));
    assert_eq!(failed(200, 300), Verdict::StillDown);
    assert!(!board.is_recovering(0));
}

#[test]
fn a_node_that_goes_up_and_down_has_to_be_good_for_longer() {
    let board = alone();
    let mut at = 0;
    for steady in [50, 200, 800, 3200, 3200] {
        at = flap(&board, at, steady) + 59_999;
    }
    // Up for a minute is up.
    at = flap(&board, at + 1, 50);
    flap(&board, at + 30_000, 200);
}

#[test]
fn a_node_that_goes_up_and_down_is_looked_at_less_often() {
    let board = alone();
    let mut at = 0;
    for (intervals, steady) in [(1, 50), (2, 200), (4, 800), (8, 3200), (8, 3200)] {
        failed(&board, 0, at);
        for _ in 0..3 {
            at += intervals * 1000;
            assert_eq!(board.claim_probe(ms(at - 1), INTERVAL), None, "{intervals}");
            assert_eq!(board.claim_probe(ms(at), INTERVAL), Some(0), "{intervals}");
        }
        board.answered(0, ms(at));
        assert!(board.answered(0, ms(at + steady)), "{intervals}");
        at += steady + 1000;
    }
}

#[test]
fn a_probe_is_worth_an_answer_and_tells_how_long_it_took() {
    let board = alone();
    failed(&board, 0, 0);
    assert!(!board.probed(0, ms(1000), Duration::from_micros(250)));
    assert_eq!(board.health(0).latency, Some(Duration::from_micros(250)));
    assert!(board.probed(0, ms(2000), Duration::from_micros(90)));
    assert!(board.is_up(0, ms(2000)));
    assert_eq!(board.health(0).latency, Some(Duration::from_micros(90)));
}

#[test]
fn the_reason_is_kept_as_far_as_there_is_room() {
    let board = alone();
    board.explain(0, "no answer within 500ms\0\n");
    assert_eq!(board.health(0).reason.as_deref(), Some("no answer within 500ms  "));
    board.explain(0, "refused");
    assert_eq!(board.health(0).reason.as_deref(), Some("refused"));
    board.explain(0, &"é".repeat(100));
    assert_eq!(board.health(0).reason, Some("é".repeat(60)));
    assert_eq!(board.health(1).reason, None);
}

#[test]
fn drained_and_down_are_two_facts() {
    let board = alone();
    let facts = || (board.is_drained(0), is_down(&board, 0));
    board.drain(0, true);
    assert_eq!(facts(), (true, false));
    assert!(board.is_up(0, ms(0)) && !board.is_drained(1));
    failed(&board, 0, 0);
    assert_eq!(facts(), (true, true));
    // It is looked at like any other, so that it can be used as soon as it is wanted again.
    assert_eq!(board.claim_probe(ms(1000), INTERVAL), Some(0));
    board.drain(0, false);
    assert_eq!(facts(), (false, true));
    board.drain(0, true);
    board.answered(0, ms(1000));
    board.answered(0, ms(2000));
    assert_eq!(facts(), (true, false));
}

#[test]
fn a_node_has_hung_until_it_answers_or_refuses() {
    let board = alone();
    assert!(!board.has_hung(0));
    failed(&board, 0, 0);
    board.set_hung(0, true);
    assert!(board.has_hung(0) && !board.has_hung(1));
    board.set_hung(0, false);
    assert!(!board.has_hung(0));
    board.set_hung(0, true);
    board.answered(0, ms(1));
    assert!(!board.has_hung(0) && is_down(&board, 0));
}

// Who looks.

#[test]
fn a_probe_is_for_one_caller_in_each_interval() {
    let board = alone();
    assert_eq!(board.claim_probe(ms(0), INTERVAL), None, "all are up");
    failed(&board, 1, 0);
    // The failure was a look.
    assert_eq!(board.claim_probe(ms(999), INTERVAL), None);
    for at in [1000, 2000, 3500] {
        assert_eq!(board.claim_probe(ms(at), INTERVAL), Some(1), "{at}");
        assert_eq!(board.claim_probe(ms(at), INTERVAL), None, "{at}");
        assert_eq!(board.claim_probe(ms(at + 999), INTERVAL), None, "{at}");
    }
    failed(&board, 0, 3500);
    let claim = || board.claim_probe(ms(4500), INTERVAL);
    assert_eq!([claim(), claim(), claim()], [Some(0), Some(1), None]);
}

#[test]
fn a_request_looks_where_nobody_else_does() {
    let board = alone();
    failed(&board, 0, 0);
    assert!(!board.is_up(0, ms(4999)));
    for at in [5000, 10_000, 15_000] {
        assert!(board.is_up(0, ms(at)), "{at}");
        assert!(!board.is_up(0, ms(at)), "{at}");
        failed(&board, 0, at + 500);
        assert!(!board.is_up(0, ms(at + 4999)), "{at}");
    }
    // Once it has answered, the next look is not as far.
    assert!(board.is_up(0, ms(20_000)));
    board.answered(0, ms(20_001));
    assert!(!board.is_up(0, ms(20_999)));
    assert!(board.is_up(0, ms(21_000)) && !board.is_up(0, ms(21_001)));
    assert!(board.answered(0, ms(21_001)));
    assert!(board.is_up(0, ms(21_001)) && board.is_up(0, ms(21_001)));
}

#[test]
fn no_request_looks_where_somebody_probes() {
    let board = alone();
    let interval = Duration::from_secs(3);
    failed(&board, 0, 0);
    for at in (3000..60_000).step_by(3000) {
        assert_eq!(board.claim_probe(ms(at), interval), Some(0), "{at}");
        assert!(!board.is_up(0, ms(at + 2999)), "{at}");
    }
    // Five of the intervals that were kept so far.
    assert!(!board.is_up(0, ms(57_000 + 14_999)));
    assert!(board.is_up(0, ms(57_000 + 15_000)));
}

// Processes.

/// What all of some forks have counted together.
fn total(base: &TempDir, names: &[u64], count: impl Fn(&Board) -> usize) -> usize {
    const FORKS: usize = 6;
    let start = || {
        Child::start(|parent| {
            let board = Board::open_in(base.path(), names);
            parent.say(count(&board));
        })
    };
    let mut forks: Vec<Child> = (0..FORKS).map(|_| start()).collect();
    forks.iter_mut().map(|fork| fork.line().parse::<usize>().expect("a number")).sum()
}

#[test]
fn of_many_processes_one_is_told_and_one_looks() {
    let base = base();
    let names: Vec<u64> = (1..=200).map(|number| number * 0x1_0000_0001).collect();
    let nodes = names.len();
    let count = |what: &dyn Fn(&Board, usize) -> bool| {
        total(&base, &names, |board| (0..nodes).filter(|node| what(board, *node)).count())
    };
    let probes = |at| {
        total(&base, &names, |board| {
            std::iter::from_fn(|| board.claim_probe(ms(at), INTERVAL)).count()
        })
    };
    let looks = |at| count(&|board, node| board.is_up(node, ms(at)));
    assert_eq!(count(&|board, node| failed(board, node, 0)), nodes, "taken down");
    assert_eq!((looks(4999), looks(5000), looks(5000)), (0, nodes, 0), "requests that look");
    assert_eq!((probes(5999), probes(6000), probes(6000)), (0, nodes, 0), "probes");
    let back =
        |board: &Board, node| board.answered(node, ms(6000)) | board.answered(node, ms(6100));
    assert_eq!(count(&back), nodes, "brought back");
}

#[test]
fn what_one_process_learns_all_know_and_those_that_come_later() {
    let base = base();
    let board = Board::open_in(base.path(), &NAMES);
    let in_a_fork = |task: &dyn Fn(&Board)| {
        let mut fork = Child::start(|parent| {
            task(&Board::open_in(base.path(), &NAMES));
            parent.say("done");
        });
        assert_eq!(fork.line(), "done");
    };
    in_a_fork(&|board| {
        failed(board, 0, 0);
        board.explain(0, "refused");
        board.drain(1, true);
    });
    assert!(!board.is_up(0, ms(1)) && board.is_drained(1));
    assert_eq!(board.health(0).reason.as_deref(), Some("refused"));
    drop(board);
    // No process has it any more; what the operator said stays.
    in_a_fork(&|board| {
        assert!(board.is_drained(1) && is_down(board, 0));
        assert!(!board.probed(0, ms(1000), INTERVAL) && board.probed(0, ms(2000), INTERVAL));
    });
    let board = Board::open_in(base.path(), &NAMES);
    assert!(board.is_up(0, ms(2000)) && board.is_drained(1));
}

/// Whatever they were doing: one failure takes each node down, and good answers bring it back.
#[test]
fn the_board_is_as_good_as_before_whoever_is_killed() {
    let mut random = seeded();
    let base = base();
    let board = Board::open_in(base.path(), &NAMES);
    let mut at = 0;
    for round in 0..20 {
        let seed = random.u64(..);
        let mut doomed: Vec<Child> = (0..3)
            .map(|number| {
                Child::start(|parent| {
                    let mut random = fastrand::Rng::with_seed(seed + number);
                    let board = Board::open_in(base.path(), &NAMES);
                    for step in 0_u64.. {
                        let (node, at) = (random.usize(..2), at + step);
                        match random.u8(..6) {
                            0 => _ = failed(&board, node, at),
                            1 | 2 => _ = board.probed(node, ms(at), INTERVAL),
                            3 => board.drain(node, random.bool()),
                            4 => board.explain(node, &step.to_string()),
                            _ => _ = board.claim_probe(ms(at), INTERVAL),
                        }
                        if step % 1000 == 0 {
                            parent.say(step);
                        }
                    }
                })
            })
            .collect();
        for fork in &mut doomed {
            (0..=random.usize(..5)).for_each(|_| _ = fork.line());
            fork.kill();
        }
        at += 10_000_000;
        for node in 0..2 {
            failed(&board, node, at);
            assert!(is_down(&board, node), "{round}");
            assert_eq!(board.claim_probe(ms(at + 8000), INTERVAL), Some(node), "{round}");
            board.answered(node, ms(at + 8000));
            assert!(board.answered(node, ms(at + 11_200)), "{round}");
            board.drain(node, node == 0);
            assert_eq!(board.is_drained(node), node == 0, "{round}");
        }
    }
}

// Memory.

fn directory(base: &TempDir) -> PathBuf {
    base.path().join(format!("sessclust-u{}", rustix::process::geteuid().as_raw()))
}

fn file(base: &TempDir) -> PathBuf {
    let machine = Identity::own().expect("a /proc").machine;
    directory(base).join(format!("board-2-{machine:016x}"))
}

/// Whether two that open the board now have the same.
fn is_shared(base: &TempDir, name: u64) -> bool {
    let [one, other] = [(); 2].map(|()| Board::open_in(base.path(), &[name]));
    one.drain(0, true);
    let is_shared = other.is_drained(0);
    one.drain(0, false);
    is_shared && !other.is_drained(0)
}

#[test]
fn the_memory_is_for_this_user_alone() {
    let base = base();
    let _queue = Queue::open_in(base.path());
    assert!(is_shared(&base, 7));
    let stat = fs::metadata(file(&base)).unwrap();
    assert_eq!(stat.permissions().mode() & 0o777, 0o600);
    // All of it is there, so that no write can fail when memory is short.
    assert!(stat.blocks() * 512 >= stat.len(), "{stat:?}");
    // Queue, board, and the locks that were given up.
    assert_eq!(fs::read_dir(directory(&base)).unwrap().count(), 3);
}

#[test]
fn without_shared_memory_each_process_has_its_own() {
    let base = base();
    fs::write(directory(&base), "no directory").unwrap();
    for base in [base.path(), Path::new("/nowhere")] {
        let [one, other] = [(); 2].map(|()| Board::open_in(base, &NAMES));
        assert!(failed(&one, 0, 0) && failed(&one, 1, 0));
        one.drain(0, true);
        assert!(one.is_drained(0) && !one.is_up(0, ms(0)) && !one.is_up(1, ms(0)));
        assert!(!other.is_drained(0) && !other.is_any_down());
        assert_eq!(one.claim_probe(ms(1000), INTERVAL), Some(0));
    }
}

#[test]
fn a_damaged_or_foreign_file_is_replaced() {
    let base = base();
    assert!(is_shared(&base, 7));
    let file = file(&base);
    let whole = fs::read(&file).unwrap();
    let victim = base.path().join("victim");
    fs::write(&victim, &whole).unwrap();
    let with_start = |start: u64| [&start.to_ne_bytes()[..], &whole[8..]].concat();
    let start = u64::from_ne_bytes(whole[..8].try_into().unwrap());
    assert_eq!(start, u64::from(u32::from_be_bytes(*b"scbo")) << 32 | 2);
    let damage: [(&str, &dyn Fn()); 6] = [
        ("too short", &|| fs::write(&file, &whole[1..]).unwrap()),
        ("too long", &|| fs::write(&file, [&whole[..], &[0]].concat()).unwrap()),
        ("another layout", &|| fs::write(&file, with_start(start + 1)).unwrap()),
        ("another file", &|| fs::write(&file, with_start(start ^ 1 << 40)).unwrap()),
        ("not private", &|| {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o660)).unwrap();
        }),
        ("a link", &|| {
            fs::remove_file(&file).unwrap();
            symlink(&victim, &file).unwrap();
        }),
    ];
    for (what, damage) in damage {
        damage();
        assert!(is_shared(&base, 7), "{what}");
        assert_eq!(fs::read(&file).unwrap()[..8], whole[..8], "{what}");
        assert!(fs::symlink_metadata(&file).unwrap().is_file(), "{what}");
    }
    assert_eq!(fs::read(&victim).unwrap(), whole);
}

/// Those who have the old file go on with it.
#[test]
fn a_file_that_is_gone_is_made_again() {
    let base = base();
    let old = Board::open_in(base.path(), &NAMES);
    failed(&old, 0, 0);
    fs::remove_file(file(&base)).unwrap();
    let new = Board::open_in(base.path(), &NAMES);
    assert!(is_down(&old, 0) && !is_down(&new, 0));
    assert!(is_shared(&base, NAMES[0]));
}

#[test]
fn any_bytes_become_a_board_again() {
    const SLOT_BYTES: usize = 192;
    let mut random = seeded();
    let base = base();
    drop(Board::open_in(base.path(), &NAMES));
    let file = file(&base);
    let mut bytes = fs::read(&file).unwrap();
    let slots = (bytes.len() - 64) / SLOT_BYTES;
    let (mut down, mut up) = (0, 0);
    for round in 0..100 {
        random.fill(&mut bytes[64..]);
        // All slots are somebody's, two of them ours.
        for name in NAMES {
            let slot = 64 + name as usize % slots * SLOT_BYTES;
            bytes[slot..slot + 8].copy_from_slice(&name.to_ne_bytes());
        }
        fs::write(&file, &bytes).unwrap();
        let board = Board::open_in(base.path(), &NAMES);
        for node in 0..2 {
            assert!(!board.is_drained(node), "{round}");
            let Health { is_down, reason, .. } = board.health(node);
            *(if is_down { &mut down } else { &mut up }) += 1;
            assert!(!reason.is_some_and(|text| text.contains(char::is_control)), "{round}");
            assert_eq!(failed(&board, node, 0), !is_down, "{round}");
        }
        // A minute is the longest interval, and eight of them the longest pause.
        let pause = 8 * 60_000;
        assert!(board.claim_probe(ms(pause), INTERVAL).is_some(), "{round}");
        assert!(board.claim_probe(ms(pause), INTERVAL).is_some(), "{round}");
        assert!(board.claim_probe(ms(pause), INTERVAL).is_none(), "{round}");
        for node in 0..2 {
            assert!(!board.is_up(node, ms(pause + 4999)), "{round}");
            assert!(board.is_up(node, ms(pause + 40_000)), "{round}");
            assert!(!board.answered(node, ms(pause + 40_000)), "{round}");
            assert!(board.answered(node, ms(pause + 43_200)), "{round}");
            assert!(board.is_up(node, ms(pause + 43_200)), "{round}");
        }
        // A node that is new takes the place of one that is somebody's.
        assert!(is_shared(&base, round) && is_shared(&base, NAMES[0]), "{round}");
    }
    assert!(down > 0 && up > 0, "{down} {up}");
}

#[test]
fn pools_share_what_they_have_in_common() {
    let base = base();
    let (one, other) =
        (Board::open_in(base.path(), &[7, 8, 9]), Board::open_in(base.path(), &[9, 10, 7]));
    failed(&one, 2, 0);
    other.drain(2, true);
    assert_eq!([0, 1, 2].map(|node| is_down(&other, node)), [true, false, false]);
    assert_eq!([0, 1, 2].map(|node| one.is_drained(node)), [true, false, false]);
    // The same process opens it again.
    let again = Board::open_in(base.path(), &[7, 8, 9]);
    assert_eq!([0, 1, 2].map(|node| is_down(&again, node)), [false, false, true]);
}

#[test]
fn when_all_slots_are_in_use_the_node_goes_that_nobody_has_opened_for_longest() {
    const SLOTS: u64 = 512;
    let base = base();
    // Names that all want the same slot.
    let name = |number: u64| number * SLOTS;
    let names: Vec<u64> = (1..=SLOTS).map(name).collect();
    let old = Board::open_in(base.path(), &names);
    for node in 0..names.len() {
        assert!(failed(&old, node, 0), "{node}");
    }
    old.drain(0, true);
    let kept = Board::open_in(base.path(), &[name(2)]);
    let new = Board::open_in(base.path(), &[name(1000)]);
    assert!(!new.is_any_down());
    assert!(is_shared(&base, name(1000)));
    assert!(failed(&new, 0, 0));
    // The first is drained, and the second was opened again: it is the third.
    let lost = Board::open_in(base.path(), &[name(1), name(2), name(4)]);
    assert_eq!([0, 1, 2].map(|node| is_down(&lost, node)), [true; 3]);
    assert!(lost.is_drained(0) && is_down(&kept, 0));
    assert!(!is_down(&old, 2), "the other node's failure is taken for its own");
    // It goes on alone.
    assert!(failed(&old, 2, 0) && !old.is_up(2, ms(0)));
    assert!(!old.answered(2, ms(100)) && old.answered(2, ms(200)));
    assert!(is_down(&new, 0));
}

#[test]
fn a_node_for_which_there_is_no_slot_is_each_processs_own() {
    let base = base();
    let names: Vec<u64> = (1..=512).collect();
    let all = Board::open_in(base.path(), &names);
    (0..names.len()).for_each(|node| all.drain(node, true));
    let [one, other] = [(); 2].map(|()| Board::open_in(base.path(), &[513, 7]));
    assert!(failed(&one, 0, 0) && failed(&one, 1, 0));
    assert!(!one.is_up(0, ms(0)));
    assert_eq!([is_down(&other, 0), is_down(&other, 1)], [false, true]);
}
