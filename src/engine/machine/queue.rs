//! First come, first served, between the processes of one user on one machine.
//!
//! Requests that wait for the same thing on a server would all have to ask for it again and again.
//! Here they queue for it: who is first in the queue asks, and keeps the first place while it has
//! the thing; when it leaves, the next is woken at once. Who lets go of the thing without a place
//! in the queue wakes the first.
//!
//! A queue has one of the segment's slots:
//!
//! ```text
//! state    u64        32 bits of the key | next ticket | serving ticket      (16 bits each)
//! epoch    u32        counts events; who waits sleeps on it (futex)
//! entries  64 x u64   by ticket % 64: ticket | phase | process | its start   (16, 2, 22, 24 bits)
//! ```
//!
//! A ticket is taken by counting `next` up, and its holder named in the entry of the ticket. Whose
//! ticket is `serving` is first. Who leaves marks its entry, and whoever finds the entry of
//! `serving` marked counts `serving` up and wakes the next. The same is done for the dead by those
//! behind them, who look at least every [`QUEUE_STEP`]. No step takes a lock, so a process may be
//! killed anywhere. When `next` and `serving` are equal, the slot is free for any key.
//!
//! How it is used, by who finds the thing taken or [`Queue::is_contended`]:
//!
//! ```text
//! join               Ticket                           NoQueue, Full
//! loop               is_first: ask                    ask by itself, or fail
//!   obtained         hold, and drop when let go of
//!   else             wait: the pause between two questions if first, otherwise the time left;
//!                    true: ask, first or not
//! ```
//!
//! What counts is the lock on the server, so nothing here has to be right, only cheap and nearly
//! always right. In doubt, a place is lost: its holder is then told that it is first, and asks for
//! itself. So does who finds the slot in use for another key, or shares none with others.

use super::fork::process_id;
use super::segment::Segment;
use super::who::{self, Identity, Process};
use crate::limits::{QUEUE_PATIENCE, QUEUE_SPIN, QUEUE_STEP, QUEUE_TICKETS_MAX};
use rustix::process::Pid;
use rustix::thread::futex;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

/// The queues of this user on this machine. To be opened once per process or thread; a fork may go
/// on with its parent's.
#[derive(Debug)]
pub struct Queue {
    base: PathBuf,
    segment: RefCell<Option<Arc<Slots>>>,
}

/// What came of the wish to queue.
#[derive(Debug)]
pub enum Joined {
    /// A place in the queue.
    Ticket(Ticket),
    /// There is no queue to be had; the caller asks for itself.
    NoQueue,
    /// As many wait as may.
    Full {
        /// How many that is.
        waiting: u32,
    },
}

impl Queue {
    /// The queues that all processes of this user share, if there is memory for it.
    pub fn open() -> Self {
        Self::open_in(Path::new("/dev/shm"))
    }

    /// The same with the shared memory below another directory.
    pub fn open_in(base: &Path) -> Self {
        let queue = Self { base: base.to_owned(), segment: RefCell::default() };
        queue.map();
        queue
    }

    /// Whether anybody queues for this. A newcomer who would ask all the same would get ahead of
    /// them. Costs a load.
    pub fn is_contended(&self, key: u64) -> bool {
        let segment = self.segment.borrow();
        segment.as_ref().is_some_and(|segment| slot(segment, key).state().is_used_for(tag(key)))
    }

    /// Takes a place in the queue for `key`, unless `waiters_max` wait there (0: no limit).
    pub fn join(&self, key: u64, waiters_max: u32) -> Joined {
        let (Some(own), Some(segment)) = (Identity::own(), self.current_segment()) else {
            return Joined::NoQueue;
        };
        let slot = slot(&segment, key);
        let refusal = |state: State| match state {
            _ if state.is_free() => None,
            _ if state.tag != tag(key) || state.tickets() > QUEUE_TICKETS_MAX => {
                Some(Joined::NoQueue)
            }
            _ => match slot.waiting(state) {
                waiting if waiters_max != 0 && waiting >= waiters_max => {
                    Some(Joined::Full { waiting })
                }
                _ => (state.tickets() == QUEUE_TICKETS_MAX).then_some(Joined::NoQueue),
            },
        };
        loop {
            // Loaded first, so that no event is missed.
            let seen = slot.epoch.load(SeqCst);
            let mut state = slot.state();
            if refusal(state).is_some() {
                slot.advance(Entry::is_gone);
                state = slot.state();
                if let Some(refused) = refusal(state) {
                    return refused;
                }
            }
            let Some(number) = slot.take(state, tag(key)) else { continue };
            let entry = Entry::of(number, own.process);
            if slot.announce(entry) {
                return Joined::Ticket(Ticket {
                    segment: Arc::clone(&segment),
                    key,
                    entry: Cell::new(entry),
                    owner: process_id(),
                    seen: Cell::new(seen),
                    was_first: Cell::new(number == state.serving),
                    standing: Cell::new((state.serving, Instant::now())),
                });
            }
        }
    }

    /// Wakes who is first in the queue: the caller, who is not, has let go of the thing. To be
    /// called when it has been, whether or not anybody queues: that costs a load.
    pub fn released(&self, key: u64) {
        if let Some(segment) = self.segment.borrow().as_ref() {
            let slot = slot(segment, key);
            if slot.state().is_used_for(tag(key)) {
                slot.wake_first();
            }
        }
    }

    /// The segment that others find. Another one only where somebody waits anyway: who holds
    /// tickets goes on with the old one.
    fn current_segment(&self) -> Option<Arc<Slots>> {
        let is_current = self.segment.borrow().as_ref().is_some_and(|segment| segment.is_current());
        if !is_current {
            self.map();
        }
        self.segment.borrow().clone()
    }

    /// Without shared memory everybody asks for itself, which needs no error.
    fn map(&self) {
        *self.segment.borrow_mut() = Segment::open(&self.base).map(Arc::new);
    }
}

/// A place in a queue, left when dropped: by the process that took it, not by its forks.
#[derive(Debug)]
pub struct Ticket {
    segment: Arc<Slots>,
    key: u64,
    /// What is in the slot as long as the place is not lost.
    entry: Cell<Entry>,
    owner: Pid,
    /// The epoch before the holder last asked.
    seen: Cell<u32>,
    /// Whether the holder has been told that it is first.
    was_first: Cell<bool>,
    /// Whose ticket was serving when the holder last looked, and since when.
    standing: Cell<(u16, Instant)>,
}

impl Ticket {
    /// Whether the holder is to ask: it is first, or has lost its place.
    pub fn is_first(&self) -> bool {
        self.slot().is_first(self.entry.get())
    }

    /// Sleeps until it is time to ask, for `timeout` at most, and says whether it is: the holder
    /// has become first; or is, and the thing has been let go of since it last asked; or nothing
    /// has moved for [`QUEUE_PATIENCE`], so that it should see for itself.
    ///
    /// Who is first has to ask now and then all the same, for others may not be of this machine.
    pub fn wait(&self, timeout: Duration) -> bool {
        let slot = self.slot();
        let started = Instant::now();
        loop {
            let epoch = slot.epoch.load(SeqCst);
            let mut pause = timeout.saturating_sub(started.elapsed());
            if !self.is_first() {
                let (first, stood) = self.standing();
                // Looking at a process costs several system calls; most do their work and leave.
                let looks = stood >= QUEUE_STEP || pause.is_zero();
                let is_gone = |entry: Entry, serving| looks && entry.is_gone(serving);
                if slot.advance(is_gone) {
                    continue;
                }
                if stood >= QUEUE_PATIENCE {
                    self.standing.set((first, Instant::now()));
                    return true;
                }
                pause = pause.min(QUEUE_STEP);
            } else if epoch != self.seen.get() || !self.was_first.get() {
                self.seen.set(epoch);
                self.was_first.set(true);
                return true;
            }
            if pause.is_zero() {
                return false;
            }
            // The next one's turn may be about to come, and waking up takes longer than a short
            // request does: 50 us, where a processor has gone to sleep.
            let place = self.entry.get().ticket.wrapping_sub(slot.state().serving);
            if place <= 1 && slot.spin(epoch, pause.min(QUEUE_SPIN)) {
                continue;
            }
            slot.sleep(epoch, self.entry.get().ticket, pause);
        }
    }

    /// The holder has got the thing, and waits no longer. It keeps the place until it leaves.
    pub fn hold(&self) {
        let waiting = self.entry.get();
        let holding = Entry { phase: Phase::Holding, ..waiting };
        // Fails if the place is lost already.
        self.slot().replace(waiting, holding);
        self.entry.set(holding);
    }

    /// Whose ticket is serving, and for how long it has been as far as this holder has seen.
    fn standing(&self) -> (u16, Duration) {
        let (serving, now) = (self.slot().state().serving, Instant::now());
        if self.standing.get().0 != serving {
            self.standing.set((serving, now));
        }
        (serving, now - self.standing.get().1)
    }

    fn slot(&self) -> &Slot {
        slot(&self.segment, self.key)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if process_id() != self.owner {
            return;
        }
        let (slot, entry) = (self.slot(), self.entry.get());
        slot.replace(entry, Entry { phase: Phase::Left, ..entry });
        let has_moved = slot.advance(|_, _| false);
        // It got the thing out of turn.
        if entry.phase == Phase::Holding && !has_moved && slot.state().is_used_for(tag(self.key)) {
            slot.wake_first();
        }
    }
}

/// The shared memory: a slot for each value of a key's last 8 bits.
type Slots = Segment<Slot, 256>;

fn slot(slots: &Slots, key: u64) -> &Slot {
    &slots.slots()[key as usize % slots.slots().len()]
}

/// A key's bits that are not used to find its slot.
fn tag(key: u64) -> u32 {
    (key >> 32) as u32
}

/// One queue; see the head of this file.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Slot {
    state: AtomicU64,
    epoch: AtomicU32,
    entries: [AtomicU64; QUEUE_TICKETS_MAX as usize],
}

impl Slot {
    fn state(&self) -> State {
        State::unpack(self.state.load(SeqCst))
    }

    fn entry(&self, ticket: u16) -> &AtomicU64 {
        &self.entries[usize::from(ticket % QUEUE_TICKETS_MAX)]
    }

    /// Whether it is the turn of who has this entry, or the entry is not there any more.
    fn is_first(&self, entry: Entry) -> bool {
        let state = self.state();
        let place = entry.ticket.wrapping_sub(state.serving);
        let is_there = self.entry(entry.ticket).load(SeqCst) == entry.pack();
        place == 0 || place >= state.tickets() || !is_there
    }

    /// How many wait; not those who have the thing or have left.
    fn waiting(&self, state: State) -> u32 {
        let tickets = (0..state.tickets()).map(|place| state.serving.wrapping_add(place));
        let is_waiting = |ticket: &u16| {
            let entry = Entry::unpack(self.entry(*ticket).load(SeqCst));
            !entry.is_of(*ticket) || entry.phase == Phase::Waiting
        };
        tickets.filter(is_waiting).count() as u32
    }

    /// Takes the next ticket, if the state is still this one.
    fn take(&self, state: State, tag: u32) -> Option<u16> {
        let taken = State { tag, next: state.next.wrapping_add(1), ..state };
        self.change(state, taken).then_some(state.next)
    }

    /// Names the holder of a ticket, unless it took so long that the ticket has been passed over.
    fn announce(&self, entry: Entry) -> bool {
        let name = |old| {
            let state = self.state();
            let is_out = entry.ticket.wrapping_sub(state.serving) < state.tickets();
            let is_marked = Entry::unpack(old).is_of(entry.ticket);
            (is_out && !is_marked).then_some(entry.pack())
        };
        self.entry(entry.ticket).fetch_update(SeqCst, SeqCst, name).is_ok()
    }

    /// Passes over the tickets in front whose holders have left or are gone, wakes who is first
    /// then, and says whether it had to.
    ///
    /// Who moves the queue and dies before it wakes the first delays that one by a step.
    fn advance(&self, is_gone: impl Fn(Entry, u16) -> bool) -> bool {
        let mut has_moved = false;
        loop {
            let state = self.state();
            if state.is_free() {
                break;
            }
            // Damaged: nobody's tickets. Those who have one are told that they are first.
            if state.tickets() > QUEUE_TICKETS_MAX {
                has_moved |= self.change(state, State { serving: state.next, ..state });
                continue;
            }
            let serving = state.serving;
            let found = Entry::unpack(self.entry(serving).load(SeqCst));
            if !(found.is_of(serving) && found.phase == Phase::Left) {
                if !is_gone(found, serving) {
                    break;
                }
                // So that a holder who comes to life again knows that the place is lost.
                let left = Entry { ticket: serving, phase: Phase::Left, ..found };
                if !self.replace(found, left) {
                    continue;
                }
            }
            has_moved |= self.change(state, State { serving: serving.wrapping_add(1), ..state });
        }
        if has_moved {
            self.wake_first();
        }
        has_moved
    }

    fn change(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from.pack(), to.pack(), SeqCst, SeqCst).is_ok()
    }

    fn replace(&self, from: Entry, to: Entry) -> bool {
        let entry = self.entry(to.ticket);
        entry.compare_exchange(from.pack(), to.pack(), SeqCst, SeqCst).is_ok()
    }

    fn wake_first(&self) {
        self.epoch.fetch_add(1, SeqCst);
        // Of the waiters at most two share a bit. A failure leaves them to wake by themselves.
        let all = i32::MAX as u32;
        let _ = futex::wake_bitset(&self.epoch, SHARED, all, bit(self.state().serving));
    }

    /// Watches for anything to happen after `epoch`, without sleeping but letting others run. Says
    /// whether it has.
    fn spin(&self, epoch: u32, timeout: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < timeout {
            if self.epoch.load(SeqCst) != epoch {
                return true;
            }
            rustix::thread::sched_yield();
        }
        false
    }

    /// Sleeps until the holder of `ticket` is woken, or for `pause`. Does not if the epoch has
    /// changed, and may end early at any time.
    fn sleep(&self, epoch: u32, ticket: u16, pause: Duration) {
        let now = clock_gettime(ClockId::Monotonic);
        // None is for ever: the pause is longer than the clock goes.
        let end = Timespec::try_from(pause).ok().and_then(|pause| now.checked_add(pause));
        let _ = futex::wait_bitset(&self.epoch, SHARED, epoch, end.as_ref(), bit(ticket));
    }
}

/// The futex is found by the file, not by the address in one process.
const SHARED: futex::Flags = futex::Flags::empty();

fn bit(ticket: u16) -> NonZeroU32 {
    NonZeroU32::new(1 << (ticket % 32)).unwrap_or(NonZeroU32::MIN)
}

/// Whose queue it is and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    tag: u32,
    /// The ticket that is given out next.
    next: u16,
    /// The ticket of the first, if it is not `next`.
    serving: u16,
}

impl State {
    fn unpack(bits: u64) -> Self {
        Self { tag: (bits >> 32) as u32, next: (bits >> 16) as u16, serving: bits as u16 }
    }

    fn pack(self) -> u64 {
        u64::from(self.tag) << 32 | u64::from(self.next) << 16 | u64::from(self.serving)
    }

    /// Tickets given out and not passed over yet.
    fn tickets(self) -> u16 {
        self.next.wrapping_sub(self.serving)
    }

    fn is_free(self) -> bool {
        self.tickets() == 0
    }

    fn is_used_for(self, tag: u32) -> bool {
        !self.is_free() && self.tag == tag
    }
}

/// Who has a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    ticket: u16,
    phase: Phase,
    pid: u32,
    /// The last bits of the time when the process was started.
    start: u32,
}

/// What the holder of a ticket is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing: the entry was never written.
    Unused,
    Waiting,
    Holding,
    Left,
}

impl Entry {
    /// Linux has no process numbers beyond 2^22, proc_sys_kernel(5).
    const PID_MASK: u32 = (1 << 22) - 1;
    const START_MASK: u32 = (1 << 24) - 1;

    fn of(ticket: u16, process: Process) -> Self {
        let (pid, start) = (process.pid, process.start_time as u32);
        let (pid, start) = (pid & Self::PID_MASK, start & Self::START_MASK);
        Self { ticket, phase: Phase::Waiting, pid, start }
    }

    fn unpack(bits: u64) -> Self {
        let phases = [Phase::Unused, Phase::Waiting, Phase::Holding, Phase::Left];
        Self {
            ticket: (bits >> 48) as u16,
            phase: phases[(bits >> 46) as usize % 4],
            pid: (bits >> 24) as u32 & Self::PID_MASK,
            start: bits as u32 & Self::START_MASK,
        }
    }

    fn pack(self) -> u64 {
        let head = u64::from(self.ticket) << 48 | (self.phase as u64) << 46;
        head | u64::from(self.pid) << 24 | u64::from(self.start)
    }

    /// Whether it was written for this ticket, not for an earlier one with the same place.
    fn is_of(self, ticket: u16) -> bool {
        self.ticket == ticket && self.phase != Phase::Unused
    }

    /// Whether the ticket has nobody any more. Without a name its holder was killed before it could
    /// give one, or is about to: then it will find that it has to take another.
    fn is_gone(self, ticket: u16) -> bool {
        !self.is_of(ticket) || self.is_dead()
    }

    fn is_dead(self) -> bool {
        let may_have_started_at = |time| time as u32 & Self::START_MASK == self.start;
        !who::is_alive(self.pid, may_have_started_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const TAG: u32 = 7;

    fn slot(first_ticket: u16) -> Slot {
        let state = State { tag: 0, next: first_ticket, serving: first_ticket };
        Slot {
            state: state.pack().into(),
            epoch: 0.into(),
            entries: [const { AtomicU64::new(0) }; QUEUE_TICKETS_MAX as usize],
        }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..1000 {
            let bits = random.u64(..);
            assert_eq!(State::unpack(bits).pack(), bits);
            assert_eq!(Entry::unpack(bits).pack(), bits);
        }
        let entry = Entry::of(0xabcd, Process { pid: 0x3f_ffff, start_time: 0x77_0012_3456 });
        let expected =
            Entry { ticket: 0xabcd, phase: Phase::Waiting, pid: 0x3f_ffff, start: 0x12_3456 };
        assert_eq!((entry, Entry::unpack(entry.pack())), (expected, expected));
    }

    #[test]
    fn a_process_that_got_the_number_of_a_dead_one_does_not_have_its_place() {
        let own = Identity::own().expect("a /proc").process;
        assert!(!Entry::of(1, own).is_dead());
        assert!(Entry::of(1, Process { start_time: own.start_time + 1, ..own }).is_dead());
    }

    /// Where a process is that takes part in a random schedule. It may be killed in any of them.
    #[derive(Clone, Copy, Debug)]
    enum At {
        Outside,
        Taken(u16),
        Named(Entry),
        Marked,
    }

    struct Actor {
        process: Process,
        at: At,
        /// How many have taken a ticket before.
        came: u64,
        /// The epoch at which it last went to sleep.
        slept: Option<u32>,
    }

    /// Processes at one slot, of which each does a step when it is told to.
    struct Schedule {
        slot: Slot,
        actors: Vec<Actor>,
        dead: BTreeSet<u32>,
        processes: u32,
        tickets: u64,
        last_turn: Option<u64>,
        turns: u64,
    }

    impl Schedule {
        fn new(first_ticket: u16, actors: usize) -> Self {
            let mut schedule = Self {
                slot: slot(first_ticket),
                actors: Vec::new(),
                dead: BTreeSet::new(),
                processes: 0,
                tickets: 0,
                last_turn: None,
                turns: 0,
            };
            (0..actors).for_each(|_| schedule.start());
            schedule
        }

        fn start(&mut self) {
            self.processes += 1;
            let process = Process { pid: self.processes, start_time: 0 };
            self.actors.push(Actor { process, at: At::Outside, came: 0, slept: None });
        }

        fn kill(&mut self, actor: usize) {
            self.dead.insert(self.actors.swap_remove(actor).process.pid);
        }

        /// `is_late`: whether a ticket without a name counts as given up.
        fn step(&mut self, actor: usize, gives_up: bool, is_late: bool) {
            let (slot, actor) = (&self.slot, &mut self.actors[actor]);
            actor.at = match actor.at {
                At::Outside => {
                    let state = slot.state();
                    if state.tickets() == QUEUE_TICKETS_MAX {
                        return;
                    }
                    self.tickets += 1;
                    actor.came = self.tickets;
                    At::Taken(slot.take(state, TAG).expect("nobody comes between"))
                }
                At::Taken(ticket) => match Entry::of(ticket, actor.process) {
                    entry if slot.announce(entry) => At::Named(entry),
                    _ => At::Outside,
                },
                At::Named(entry) => {
                    let epoch = slot.epoch.load(SeqCst);
                    let is_first = slot.is_first(entry);
                    if is_first {
                        // Neither overtaken nor passed over.
                        assert!(self.last_turn < Some(actor.came));
                        assert_eq!(slot.state().serving, entry.ticket);
                        self.last_turn = Some(actor.came);
                        self.turns += 1;
                    } else if !gives_up {
                        slot.advance(|entry, serving| match entry.is_of(serving) {
                            true => self.dead.contains(&entry.pid),
                            false => is_late,
                        });
                        actor.slept = Some(epoch);
                        return;
                    }
                    actor.slept = None;
                    assert!(slot.replace(entry, Entry { phase: Phase::Left, ..entry }));
                    At::Marked
                }
                At::Marked => {
                    slot.advance(|_, _| false);
                    At::Outside
                }
            };
        }

        fn check(&self) {
            let state = self.slot.state();
            assert!(state.tickets() <= QUEUE_TICKETS_MAX);
            let epoch = self.slot.epoch.load(SeqCst);
            let mut first = 0;
            for actor in &self.actors {
                let At::Named(entry) = actor.at else { continue };
                if self.slot.is_first(entry) {
                    first += 1;
                    assert_ne!(actor.slept, Some(epoch), "it is first and sleeps");
                }
            }
            assert!(first <= 1, "{first} are first");
        }
    }

    /// Joins, waits, leaves, gives up and dies at random, and between any two steps.
    #[test]
    fn in_any_order_of_steps_the_living_are_served_in_the_order_of_their_tickets() {
        let seed = std::env::var("SESSCLUST_SEED").map_or_else(
            |_| fastrand::u64(..),
            |seed| seed.parse().expect("SESSCLUST_SEED is a number"),
        );
        println!("seed: SESSCLUST_SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut turns = 0;
        for _ in 0..500 {
            // Many more than fit, at times, and numbers that are about to begin again.
            let actors = [3, 10, 100][random.usize(..3)];
            let mut schedule = Schedule::new(random.u16(..).saturating_mul(2), actors);
            let deaths = random.f64() * 0.05;
            for _ in 0..1000 {
                let actor = random.usize(..schedule.actors.len());
                if random.f64() < deaths {
                    schedule.kill(actor);
                    schedule.start();
                } else {
                    schedule.step(actor, random.f64() < 0.1, random.f64() < 0.1);
                }
                schedule.check();
            }
            // Who is outside stays there. Each round at least one of the others gets out.
            let limit = 3 * actors + 3;
            for round in 0.. {
                let is_inside = |actor: &Actor| !matches!(actor.at, At::Outside);
                let inside: Vec<usize> = (0..schedule.actors.len())
                    .filter(|actor| is_inside(&schedule.actors[*actor]))
                    .collect();
                if inside.is_empty() {
                    break;
                }
                assert!(round < limit, "stands still: {:?}", schedule.slot.state());
                for actor in inside {
                    schedule.step(actor, false, true);
                    schedule.check();
                }
            }
            let Schedule { slot, dead, .. } = &schedule;
            slot.advance(|entry, serving| !entry.is_of(serving) || dead.contains(&entry.pid));
            assert!(slot.state().is_free(), "somebody is left who lives");
            turns += schedule.turns;
        }
        assert!(turns > 10_000, "{turns}");
    }
}
