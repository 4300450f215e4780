//! The queues of one machine: first come, first served between processes, whoever of them is
//! killed, and never worse than no queue. And which process lives.

mod support;

use rustix::process::{Signal, kill_process};
use sessclust_engine::machine::{Identity, Joined, Process, Queue, Ticket, host_name};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::{Child, PATIENCE, Parent, seeded, wait_for};
use tempfile::TempDir;

const KEY: u64 = 0x1234_5678_0000_0042;
/// Has the same slot as [`KEY`], and is another.
const OTHER_KEY: u64 = 0x8765_4321_0000_0042;

/// Where the shared memory of a test is.
fn base() -> TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(parent).expect("a temporary folder")
}

#[track_caller]
fn ticket(joined: Joined) -> Ticket {
    match joined {
        Joined::Ticket(ticket) => ticket,
        refused => panic!("{refused:?}"),
    }
}

/// A place in the queue for [`KEY`].
#[track_caller]
fn join(queue: &Queue) -> Ticket {
    ticket(queue.join(KEY, 0))
}

/// Waits until the ticket is first.
#[track_caller]
fn await_turn(ticket: &Ticket) {
    let deadline = Instant::now() + PATIENCE;
    while !ticket.is_first() {
        assert!(Instant::now() < deadline, "not first within {PATIENCE:?}");
        ticket.wait(PATIENCE);
    }
}

/// A process that has joined the queue and goes on with `task`.
fn joined(base: &TempDir, task: impl FnOnce(&mut Parent, Ticket)) -> Child {
    let mut child = Child::start(|parent| {
        let queue = Queue::open_in(base.path());
        let ticket = join(&queue);
        parent.say("joined");
        task(parent, ticket);
    });
    assert_eq!(child.line(), "joined");
    child
}

/// A process that has joined the queue, says so when it is its turn, and leaves.
fn waiter(base: &TempDir) -> Child {
    joined(base, |parent, ticket| {
        await_turn(&ticket);
        parent.say("first");
    })
}

// Order.

#[test]
fn who_comes_first_is_served_first() {
    const WAITERS: usize = 20;
    let base = base();
    let log = base.path().join("log");
    fs::write(&log, "").unwrap();
    let queue = Queue::open_in(base.path());
    let holder = join(&queue);
    assert!(holder.is_first());
    let waiters: Vec<Child> = (0..WAITERS)
        .map(|number| {
            joined(&base, |parent, ticket| {
                assert!(!ticket.is_first());
                await_turn(&ticket);
                let mut log = fs::OpenOptions::new().append(true).open(&log).unwrap();
                writeln!(log, "{number}").unwrap();
                drop(ticket);
                parent.say("left");
            })
        })
        .collect();
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    drop(holder);
    for mut waiter in waiters {
        assert_eq!(waiter.line(), "left");
    }
    let expected: String = (0..WAITERS).map(|number| format!("{number}\n")).collect();
    assert_eq!(fs::read_to_string(&log).unwrap(), expected);
    assert!(!queue.is_contended(KEY));
}

/// By looks alone, one each 50 ms, this would take 10 seconds.
#[test]
fn who_is_next_is_woken_at_once() {
    const TURNS: u32 = 200;
    let base = base();
    let take_turns = || {
        let queue = Queue::open_in(base.path());
        let mut ticket = join(&queue);
        for _ in 0..TURNS {
            await_turn(&ticket);
            // In the queue again before the turn ends, so that the two alternate.
            ticket = join(&queue);
        }
    };
    let start = || {
        Child::start(|parent| {
            take_turns();
            parent.say("done");
        })
    };
    let started = Instant::now();
    for mut child in [start(), start()] {
        assert_eq!(child.line(), "done");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// The first sleeps until it is woken, without looking: a wake-up that is lost fails the test.
#[test]
fn who_lets_go_without_a_ticket_wakes_the_first() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let mut waiter = joined(&base, |parent, ticket| {
        assert!(ticket.is_first());
        for _ in 0..50 {
            parent.say("asked");
            assert!(ticket.wait(PATIENCE), "not woken");
        }
        parent.say("done");
    });
    for _ in 0..50 {
        assert_eq!(waiter.line(), "asked");
        queue.released(KEY);
    }
    assert_eq!(waiter.line(), "done");
}

#[test]
fn who_had_it_out_of_turn_wakes_the_first_when_it_leaves() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let first = join(&queue);
    let second = join(&queue);
    second.hold();
    assert!(!first.wait(Duration::ZERO));
    drop(second);
    assert!(first.wait(Duration::ZERO));
}

#[test]
fn a_wait_ends_in_time() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let tickets = [join(&queue), join(&queue)];
    for ticket in &tickets {
        let started = Instant::now();
        let timeout = Duration::from_millis(120);
        assert!(!ticket.wait(timeout));
        assert!(started.elapsed() >= timeout);
    }
}

/// The first lives, but does nothing: it may be stopped.
#[test]
fn who_has_seen_nothing_move_for_long_asks_for_itself() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let _first = join(&queue);
    let second = join(&queue);
    assert!(second.wait(PATIENCE));
    assert!(!second.is_first());
    assert!(!second.wait(Duration::ZERO));
}

#[test]
fn a_queue_is_contended_for_its_own_key_as_long_as_somebody_is_in_it() {
    let base = base();
    let queues = [Queue::open_in(base.path()), Queue::open_in(base.path())];
    let contended = |key| queues.each_ref().map(|queue| queue.is_contended(key));
    assert_eq!(contended(KEY), [false; 2]);
    let ticket = join(&queues[0]);
    assert_eq!(contended(KEY), [true; 2]);
    assert_eq!(contended(OTHER_KEY), [false; 2]);
    drop(ticket);
    assert_eq!(contended(KEY), [false; 2]);
}

#[test]
fn who_gives_up_is_passed_over() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let mut tickets: Vec<Ticket> = (0..5).map(|_| join(&queue)).collect();
    drop(tickets.remove(3));
    drop(tickets.remove(1));
    drop(tickets.remove(0));
    assert!(tickets[0].is_first() && !tickets[1].is_first());
    drop(tickets.remove(0));
    assert!(tickets[0].is_first());
    drop(tickets);
    assert!(!queue.is_contended(KEY));
}

#[test]
fn ticket_numbers_begin_again_behind_the_last() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let mut first = join(&queue);
    for round in 0..70_000 {
        let second = join(&queue);
        assert!(first.is_first() && !second.is_first(), "{round}");
        drop(first);
        assert!(second.wait(Duration::ZERO), "{round}");
        first = second;
    }
}

// Limits.

#[test]
fn a_queue_takes_as_many_waiters_as_it_may() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let holder = join(&queue);
    let is_full = |waiters_max| match queue.join(KEY, waiters_max) {
        Joined::Full { waiting } => Some(waiting),
        Joined::Ticket(_) => None,
        Joined::NoQueue => panic!("no queue"),
    };
    // Still asking.
    assert_eq!(is_full(1), Some(1));
    holder.hold();
    assert_eq!(is_full(1), None);
    let waiters = [join(&queue), join(&queue)];
    assert_eq!([is_full(1), is_full(2), is_full(3), is_full(0)], [Some(2), Some(2), None, None]);
    let [waiter, _] = waiters;
    drop(waiter);
    assert_eq!(is_full(2), None);
}

#[test]
fn more_than_a_queue_can_hold_ask_for_themselves() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let mut tickets: Vec<Ticket> = (0..64).map(|_| join(&queue)).collect();
    assert!(matches!(queue.join(KEY, 0), Joined::NoQueue));
    assert!(matches!(queue.join(KEY, 63), Joined::Full { waiting: 64 }));
    tickets[0].hold();
    assert!(matches!(queue.join(KEY, 63), Joined::Full { waiting: 63 }));
    drop(tickets.remove(0));
    tickets.push(join(&queue));
    drop(tickets);
    assert!(!queue.is_contended(KEY));
}

#[test]
fn who_finds_the_slot_in_use_for_another_key_asks_for_itself() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let one = join(&queue);
    assert!(matches!(queue.join(OTHER_KEY, 0), Joined::NoQueue));
    assert!(ticket(queue.join(KEY + 1, 0)).is_first());
    drop(one);
    assert!(ticket(queue.join(OTHER_KEY, 0)).is_first());
}

// Death.

#[test]
fn the_next_goes_on_when_the_first_is_killed() {
    let base = base();
    let mut first = joined(&base, |parent, _ticket| parent.wait());
    let mut waiters = [waiter(&base), waiter(&base)];
    first.kill();
    for waiter in &mut waiters {
        assert_eq!(waiter.line(), "first");
    }
}

#[test]
fn the_next_goes_on_when_the_holder_is_killed() {
    let base = base();
    let mut holder = joined(&base, |parent, ticket| {
        ticket.hold();
        parent.say("holds");
        parent.wait();
    });
    assert_eq!(holder.line(), "holds");
    let mut waiters = [waiter(&base), waiter(&base)];
    holder.kill();
    for waiter in &mut waiters {
        assert_eq!(waiter.line(), "first");
    }
}

#[test]
fn who_is_killed_in_the_middle_is_passed_over() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let holder = join(&queue);
    let mut killed = waiter(&base);
    let mut last = waiter(&base);
    killed.kill();
    drop(holder);
    assert_eq!(last.line(), "first");
}

#[test]
fn one_step_passes_over_all_the_dead() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let dead: Vec<Child> =
        (0..20).map(|_| joined(&base, |parent, _ticket| parent.wait())).collect();
    let ticket = join(&queue);
    assert!(!ticket.wait(Duration::ZERO));
    drop(dead);
    assert!(ticket.wait(Duration::ZERO));
    assert!(ticket.is_first());
}

#[test]
fn the_dead_keep_nobody_out() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let dead: Vec<Child> = (0..2).map(|_| joined(&base, |parent, _ticket| parent.wait())).collect();
    assert!(matches!(queue.join(KEY, 2), Joined::Full { waiting: 2 }));
    assert!(matches!(queue.join(OTHER_KEY, 0), Joined::NoQueue));
    drop(dead);
    assert!(queue.is_contended(KEY));
    drop(ticket(queue.join(KEY, 2)));
    let again = joined(&base, |parent, _ticket| parent.wait());
    drop(again);
    assert!(ticket(queue.join(OTHER_KEY, 0)).is_first());
}

#[test]
fn a_fork_does_not_leave_its_parents_place() {
    let base = base();
    let queue = Queue::open_in(base.path());
    let mut ticket = Some(join(&queue));
    let mut child = Child::start(|parent| {
        drop(ticket.take());
        parent.say("dropped");
        // And queues for itself, in the memory of its parent.
        let own = join(&queue);
        parent.say("joined");
        await_turn(&own);
        parent.say("first");
    });
    assert_eq!(child.line(), "dropped");
    assert_eq!(child.line(), "joined");
    assert!(ticket.as_ref().is_some_and(Ticket::is_first));
    drop(ticket);
    assert_eq!(child.line(), "first");
}

/// Many come and go, and some are killed anywhere in it. The others all get their turns.
#[test]
fn the_living_get_their_turns_whoever_is_killed() {
    const TURNS: usize = 100;
    let mut random = seeded();
    let base = base();
    let start = |turns: usize, says: bool| {
        Child::start(|parent| {
            let queue = Queue::open_in(base.path());
            for turn in 0..turns {
                let ticket = join(&queue);
                await_turn(&ticket);
                ticket.hold();
                if says {
                    parent.say(turn);
                }
            }
        })
    };
    let mut survivors: Vec<Child> = (0..6).map(|_| start(TURNS, true)).collect();
    let doomed: Vec<Child> = (0..4).map(|_| start(usize::MAX, false)).collect();
    for mut killed in doomed {
        (0..random.usize(..TURNS / 4)).for_each(|_| _ = survivors[0].line());
        killed.kill();
    }
    let last = (TURNS - 1).to_string();
    for survivor in &mut survivors {
        while survivor.line() != last {}
    }
    drop(survivors);
    let ticket = join(&Queue::open_in(base.path()));
    assert!(ticket.is_first() || ticket.wait(Duration::ZERO));
}

// Memory.

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The directory below the base.
fn directory(base: &TempDir) -> PathBuf {
    base.path().join(format!("sessclust-u{}", uid()))
}

/// The only file in it.
fn file(base: &TempDir) -> PathBuf {
    let mut files = fs::read_dir(directory(base)).unwrap();
    let file = files.next().expect("a file").unwrap().path();
    assert!(files.next().is_none());
    file
}

/// Whether two that open the queues now have the same.
fn is_shared(base: &TempDir) -> bool {
    let queues = [Queue::open_in(base.path()), Queue::open_in(base.path())];
    match queues[0].join(KEY, 0) {
        Joined::Ticket(_ticket) => queues[1].is_contended(KEY),
        _ => false,
    }
}

#[test]
fn the_memory_is_for_this_user_alone() {
    let base = base();
    assert!(is_shared(&base));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(&directory(&base)), mode(&file(&base))], [0o700, 0o600]);
    // All of it is there, so that no write can fail when memory is short.
    let stat = fs::metadata(file(&base)).unwrap();
    assert!(stat.blocks() * 512 >= stat.len(), "{stat:?}");
    let machine = Identity::own().unwrap().machine;
    let name = format!("queue-1-{machine:016x}");
    assert_eq!(file(&base).file_name().unwrap().to_str(), Some(name.as_str()));
}

#[test]
fn a_directory_that_others_can_write_is_not_used() {
    let base = base();
    let elsewhere = tempfile::tempdir().unwrap();
    let directory = directory(&base);
    symlink(elsewhere.path(), &directory).unwrap();
    assert!(!is_shared(&base));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    fs::remove_file(&directory).unwrap();
    fs::write(&directory, "a file").unwrap();
    assert!(!is_shared(&base));
    fs::remove_file(&directory).unwrap();
    for mode in [0o770, 0o702] {
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        assert!(!is_shared(&base), "{mode:o}");
        fs::remove_dir(&directory).unwrap();
    }
    assert!(is_shared(&base));
    let missing = Queue::open_in(Path::new("/nowhere"));
    assert!(!missing.is_contended(KEY));
    assert!(matches!(missing.join(KEY, 0), Joined::NoQueue));
    missing.released(KEY);
}

#[test]
fn a_damaged_file_is_replaced() {
    let base = base();
    assert!(is_shared(&base));
    let file = file(&base);
    let whole = fs::read(&file).unwrap();
    let victim = base.path().join("victim");
    fs::write(&victim, &whole).unwrap();
    let damage: [(&str, &dyn Fn()); 6] = [
        ("too short", &|| fs::write(&file, &whole[1..]).unwrap()),
        ("too long", &|| fs::write(&file, [&whole[..], &[0]].concat()).unwrap()),
        ("another start", &|| fs::write(&file, [&[1], &whole[1..]].concat()).unwrap()),
        ("not private", &|| {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o660)).unwrap();
        }),
        ("a link", &|| {
            fs::remove_file(&file).unwrap();
            symlink(&victim, &file).unwrap();
        }),
        ("a pipe", &|| {
            fs::remove_file(&file).unwrap();
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, &file, kind, 0o600.into(), 0).unwrap();
        }),
    ];
    for (what, damage) in damage {
        damage();
        assert!(is_shared(&base), "{what}");
        assert_eq!(fs::read(&file).unwrap()[..8], whole[..8], "{what}");
        assert!(fs::symlink_metadata(&file).unwrap().is_file(), "{what}");
    }
    assert_eq!(fs::read(&victim).unwrap(), whole);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(!is_shared(&base), "a directory");
}

#[test]
fn any_bytes_become_a_queue_again() {
    let mut random = seeded();
    let base = base();
    assert!(is_shared(&base));
    let file = file(&base);
    let mut bytes = fs::read(&file).unwrap();
    for round in 0..20 {
        random.fill(&mut bytes[64..]);
        // Numbers of tickets that can be, in every other slot.
        for slot in bytes[64..].chunks_mut(576).step_by(2) {
            let serving = random.u16(..);
            let next = serving.wrapping_add(random.u16(..66));
            let state = u64::from(next) << 16 | u64::from(serving);
            slot[..8].copy_from_slice(&state.to_ne_bytes());
        }
        fs::write(&file, &bytes).unwrap();
        let queue = Queue::open_in(base.path());
        for slot in 0..256 {
            let key = u64::from(random.u32(..)) << 32 | slot;
            let _ = queue.is_contended(key);
            queue.released(key);
            let first = ticket(queue.join(key, 1));
            // One of 65,536 times the bytes are an entry for the ticket that is given out next, by
            // which it is passed over.
            let is_first = first.is_first() || first.wait(Duration::ZERO);
            assert!(is_first, "{round} {slot}");
            let second = ticket(queue.join(key, 0));
            assert!(!second.is_first(), "{round} {slot}");
            drop(first);
            assert!(second.wait(Duration::ZERO), "{round} {slot}");
        }
    }
}

/// Its holder was killed between taking the ticket and saying whose it is. (The layout is that of
/// the head of machine/queue.rs.)
#[test]
fn a_ticket_without_a_name_is_passed_over() {
    let base = base();
    assert!(is_shared(&base));
    let file = file(&base);
    let mut bytes = fs::read(&file).unwrap();
    let state = (KEY >> 32) << 32 | 12 << 16 | 10;
    let slot = 64 + 0x42 * 576;
    bytes[slot..slot + 8].copy_from_slice(&state.to_ne_bytes());
    fs::write(&file, &bytes).unwrap();
    let behind_it = join(&Queue::open_in(base.path()));
    assert!(!behind_it.is_first());
    assert!(behind_it.wait(Duration::ZERO) && behind_it.is_first());
    drop(behind_it);
    fs::write(&file, &bytes).unwrap();
    let queue = Queue::open_in(base.path());
    assert!(ticket(queue.join(KEY, 2)).is_first(), "it counts as waiting");
    fs::write(&file, &bytes).unwrap();
    let queue = Queue::open_in(base.path());
    assert!(ticket(queue.join(OTHER_KEY, 0)).is_first(), "it keeps the slot");
}

/// Who logs out may take the files of this user in `/dev/shm` along.
#[test]
fn who_has_to_wait_finds_the_file_that_the_others_have() {
    let base = base();
    let queues = [Queue::open_in(base.path()), Queue::open_in(base.path())];
    let old = join(&queues[0]);
    fs::remove_file(file(&base)).unwrap();
    let first = join(&queues[0]);
    assert!(first.is_first());
    assert!(!join(&queues[1]).is_first());
    assert!(queues[1].is_contended(KEY));
    drop(first);
    assert!(!queues[1].is_contended(KEY));
    assert!(old.is_first());
}

// Processes.

/// What a fork says of itself.
fn process(child: &mut Child) -> Process {
    let line = child.line();
    let (pid, start_time) = line.split_once(' ').unwrap();
    Process { pid: pid.parse().unwrap(), start_time: start_time.parse().unwrap() }
}

fn introduce(parent: &mut Parent) {
    let Process { pid, start_time } = Identity::own().unwrap().process;
    parent.say(format!("{pid} {start_time}"));
    parent.wait();
}

#[test]
fn a_fork_is_another_process_of_the_same_machine() {
    let own = Identity::own().unwrap();
    assert_eq!(own.process.pid, std::process::id());
    assert_eq!(Identity::own(), Some(own));
    let mut child = Child::start(|parent| {
        parent.say(Identity::own().unwrap().machine);
        introduce(parent);
    });
    assert_eq!(child.line(), own.machine.to_string());
    let forked = process(&mut child);
    assert_eq!(forked.pid, child.pid().as_raw_nonzero().get() as u32);
    assert!(forked.start_time >= own.process.start_time);
    assert!(own.process.is_alive() && forked.is_alive());
}

#[test]
fn a_killed_process_is_dead() {
    let mut child = Child::start(introduce);
    let process = process(&mut child);
    assert!(process.is_alive());
    child.kill();
    assert!(!process.is_alive());
}

#[test]
fn a_zombie_is_dead() {
    let mut child = Child::start(introduce);
    let process = process(&mut child);
    kill_process(child.pid(), Signal::KILL).unwrap();
    wait_for("the end of the process", || !process.is_alive());
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap();
    assert!(stat.contains(") Z "), "{stat}");
}

#[test]
fn a_number_that_was_given_out_again_is_another_process() {
    let own = Identity::own().unwrap().process;
    assert!(!Process { start_time: own.start_time - 1, ..own }.is_alive());
    for pid in [0, 1 << 31, u32::MAX] {
        assert!(!Process { pid, ..own }.is_alive(), "{pid}");
    }
}

#[test]
fn the_machine_has_a_name() {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(host_name(), name.trim_end());
}
