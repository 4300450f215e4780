//! The health board: what all processes of this user on this machine know about the nodes of their
//! pools, so that what one of them has learned by waiting in vain spares the others the wait.
//!
//! A node is found by its name, a hash of its address, whichever pool it is in and whoever opened
//! the board first. It has one of the segment's slots: the first free one from `name % slots` on;
//! when all are in use, that of the node which nobody has opened for longest, unless it is drained.
//! Who loses its slot so, or gets none, as all do where there is no shared memory, goes on with one
//! that only this process knows.
//!
//! ```text
//! name      u64        0: the slot is free
//! opened    u64        the larger, the later
//! state     u64        down | flaps | failures | mark                 (1, 2, 21, 40 bits)
//! look      u64        when somebody last looked | the interval       (40, 24 bits)
//! since     u64        when it was taken down
//! latency   u64        of the last probe, in us; 0: none yet
//! drained   u64        DRAINED; anything else: not
//! hung      u64        1: it was waited for in vain; anything else: it refused, or answered since
//! birth     u64        its server's, in us of Unix time | again | whole (62, 1, 1 bits)
//! reason    120 bytes  text, up to the first 0
//! ```
//!
//! Times are `World::uptime` in milliseconds, and 0 is none. All that decides is in `state`, which
//! goes from one value to the next by a single exchange: a process may be killed anywhere, and any
//! bytes are a state out of which the rules lead. The rest is for people, or says only when to look
//! again. It is compared by distance, so that a time that cannot be is one long ago.
//!
//! # When a node is down, and when it is back
//!
//! ```text
//! up      fails                        down; flaps + 1 if it came back within the last minute,
//!                                      otherwise 0
//! down    fails                        whatever good was seen of it is forgotten
//! either  fails, asked before mark     nothing: it has answered somebody since
//! down    answers, the first time      mark = now: good since then
//! down    answers, steady later        up; mark = now: back since then
//! ```
//!
//! One timeout or refused connection is enough to take a node down, for it has cost a request its
//! time, and the next would pay the same. That it answers once is not enough to bring it back: a
//! server that is starting, or swapping, does that. So two answers with no failure in between are
//! asked for, [`BOARD_STEADY`] apart at least, in which time a request has come to its end and the
//! server's clock has gone on. Answers of probes and those that a request still gets from a node
//! that it holds are worth the same. Each flap in a row makes the distance four times as long and
//! the interval between two looks twice, up to 3.2 s and eight intervals.
//!
//! # Who looks
//!
//! * [`Board::claim_probe`] gives a node that is down to one caller in each interval: the thread of
//!   one process of the machine. No request waits for it. When the node answers, it looks again as
//!   soon as that can bring the node back, unless that is too long from then.
//! * Where there are no such threads (CLI, `php -S`, a machine that was idle), nobody has looked
//!   for [`BOARD_UNWATCHED`] intervals when a request comes. [`Board::is_up`] then says yes to one
//!   caller, which finds out by using the node. Once the node has answered, the next look is one
//!   interval later.
//!
//! A node is drained by the operator, whether it is up or down, and stays so until it is told
//! otherwise or the machine is restarted.
//!
//! # Births
//!
//! What a node does not have, it may have lost when it was restarted. So the board remembers the
//! latest birth of each that any process was told of by a new connection. It is there before the
//! first answer of that server is believed, and a process whose connection still stands talks to
//! the server of that life. This is the one thing on the board that decides what is believed, and
//! not only whom to ask: a damaged word may make of a session that is lost a new one.

use super::given_up::GivenUp;
use super::segment::Segment;
use crate::limits::{
    BOARD_FLAP, BOARD_INTERVAL_MS_DEFAULT, BOARD_INTERVAL_MS_MAX, BOARD_STEADY, BOARD_UNWATCHED,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What is known about the nodes of one pool. Times are those of `World::uptime`.
#[derive(Debug)]
pub struct Board {
    places: Vec<Place>,
    given_up: GivenUp,
}

type Slots = Segment<Slot, 512>;

/// Where a node's slot is.
#[derive(Debug)]
struct Place {
    name: u64,
    /// The segment, and the index of the slot there.
    shared: Option<(Arc<Slots>, usize)>,
    /// Used if there is none, or it has become another node's.
    own: Slot,
}

/// When a node began its life, empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// In microseconds of Unix time.
    pub at_us: u64,
    /// Whether it has got back since what it may have lost.
    pub is_whole: bool,
    /// Whether it may have had a life before, in which it had sessions.
    pub is_again: bool,
}

impl Birth {
    /// That of a node that may have been born at this moment.
    pub const JUST: Self = Self { at_us: u64::MAX >> 2, is_whole: false, is_again: true };

    fn pack(self) -> u64 {
        self.at_us << 2 | u64::from(self.is_again) << 1 | u64::from(self.is_whole)
    }

    fn unpack(bits: u64) -> Self {
        Self { at_us: bits >> 2, is_whole: bits & 1 != 0, is_again: bits & 2 != 0 }
    }
}

/// What follows from a node's failure to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is down, and was not before.
    Down,
    /// It was down, and still is.
    StillDown,
    /// Nothing: it was asked before what is known of it.
    Outdated,
}

/// What people want to know of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// It does not answer.
    pub is_down: bool,
    /// The operator has taken it out of use.
    pub is_drained: bool,
    /// How often in a row it has failed; 0 when it is up.
    pub failures: u32,
    /// Since when it is down, or back; none if it never was down.
    pub since: Option<Duration>,
    /// How long the last probe took that it answered.
    pub latency: Option<Duration>,
    /// Why it failed the last time.
    pub reason: Option<String>,
}

impl Board {
    /// The board that all processes of this user share, for the nodes of these names.
    pub fn open(names: &[u64]) -> Self {
        Self::open_in(Path::new("/dev/shm"), names)
    }

    /// The same with the shared memory below another directory.
    pub fn open_in(base: &Path, names: &[u64]) -> Self {
        let segment: Option<Arc<Slots>> = Segment::open(base).map(Arc::new);
        let opened = segment.as_ref().map_or(0, |segment| Slot::opened_last(segment.slots()));
        let place = |name: &u64| {
            // 0 is a slot without a name.
            let name = (*name).max(1);
            let shared = segment.as_ref().and_then(|segment| {
                let index = Slot::find(segment.slots(), name)?;
                segment.slots()[index].opened.store(opened.saturating_add(1), SeqCst);
                Some((Arc::clone(segment), index))
            });
            Place { name, shared, own: Slot::default() }
        };
        Self { places: names.iter().map(place).collect(), given_up: GivenUp::open(base) }
    }

    /// A board that nobody else shares, for the nodes of these names.
    pub fn private(names: &[u64]) -> Self {
        let place = |name: &u64| Place { name: *name, shared: None, own: Slot::default() };
        Self { places: names.iter().map(place).collect(), given_up: GivenUp::private() }
    }

    /// Whether a node answers, as far as is known. True as well for one that is down and that
    /// nobody has looked at for long: the caller then looks, and tells what it has found. Costs a
    /// load where all is well.
    pub fn is_up(&self, node: usize, now: Duration) -> bool {
        let slot = self.slot(node);
        let state = slot.state();
        if !state.is_down {
            return true;
        }
        let intervals = if state.mark == 0 { BOARD_UNWATCHED } else { 1 };
        slot.claim(state, ms(now), intervals, slot.look().interval)
    }

    /// Whether a node is down. Costs a load.
    pub fn is_down(&self, node: usize) -> bool {
        self.slot(node).state().is_down
    }

    /// Whether a node that is down has answered since it last failed: not to be trusted yet, but
    /// better than none.
    pub fn is_recovering(&self, node: usize) -> bool {
        let state = self.slot(node).state();
        state.is_down && state.mark != 0
    }

    /// Whether a node that was down has answered, and was good or back since, after it was asked
    /// for something then.
    pub fn has_answered_since(&self, node: usize, asked: Duration, now: Duration) -> bool {
        self.slot(node).state().is_since(ms(asked), ms(now))
    }

    /// When a node that is down was taken down.
    pub fn down_since(&self, node: usize) -> Option<Duration> {
        let slot = self.slot(node);
        slot.state().is_down.then(|| Duration::from_millis(slot.since.load(SeqCst)))
    }

    /// For how long a node that has answered has to go on answering until it is used again.
    pub fn steady(&self, node: usize) -> Duration {
        Duration::from_millis(self.slot(node).state().steady())
    }

    /// Whether the operator has taken a node out of use. It may well answer.
    pub fn is_drained(&self, node: usize) -> bool {
        self.slot(node).is_drained()
    }

    /// Takes a node out of use, or back into it.
    pub fn drain(&self, node: usize, is_drained: bool) {
        self.slot(node).drained.store(if is_drained { DRAINED } else { 0 }, SeqCst);
    }

    /// A connection to a node has told when it was born. The latest birth counts, whoever tells of
    /// an earlier one, for that was another life.
    pub fn born(&self, node: usize, birth: Birth) {
        let next = |bits| {
            let known = Some(bits).filter(|bits| *bits != 0).map(Birth::unpack);
            let is_later = known.is_none_or(|known| birth.at_us > known.at_us);
            let is_same = known.is_some_and(|known| birth.at_us == known.at_us);
            match known {
                Some(known) if is_same && birth.is_whole && !known.is_whole => {
                    Some(Birth { is_whole: true, ..known }.pack())
                }
                known if is_later => {
                    Some(Birth { is_again: birth.is_again || known.is_some(), ..birth }.pack())
                }
                _ => None,
            }
        };
        let _ = self.slot(node).birth.fetch_update(SeqCst, SeqCst, next);
    }

    /// When a node was born, if any process of this machine knows.
    pub fn birth(&self, node: usize) -> Option<Birth> {
        Some(self.slot(node).birth.load(SeqCst)).filter(|bits| *bits != 0).map(Birth::unpack)
    }

    /// A node has not answered what it was asked then.
    pub fn failed(&self, node: usize, asked: Duration, now: Duration) -> Verdict {
        let (slot, asked, now) = (self.slot(node), ms(asked), ms(now));
        let is_outdated = |state: State| state.is_since(asked, now);
        let before = slot.update(|state| {
            if is_outdated(state) {
                return None;
            }
            if !state.is_down {
                // Before the others see that it is down: waiting in vain was a look.
                slot.since.store(now, SeqCst);
                let look = slot.look();
                slot.look.store(Look { at: now, ..look }.pack(), SeqCst);
            }
            Some(state.failed(now))
        });
        match before {
            state if is_outdated(state) => Verdict::Outdated,
            State { is_down: true, .. } => Verdict::StillDown,
            State { is_down: false, .. } => Verdict::Down,
        }
    }

    /// The lock of this token on a node was given up by who asked for it, not knowing whether the
    /// node will grant it. Whoever meets it there may have it.
    pub fn give_up(&self, node: usize, token: u128) {
        self.given_up.add(self.lock_mark(node, token));
    }

    /// Whether the lock of this token on a node was given up, as far as is remembered.
    pub fn is_given_up(&self, node: usize, token: u128) -> bool {
        self.given_up.contains(self.lock_mark(node, token))
    }

    /// The lock of this token is about to be asked for, again perhaps.
    pub fn take_back(&self, node: usize, token: u128) {
        self.given_up.remove(self.lock_mark(node, token));
    }

    fn lock_mark(&self, node: usize, token: u128) -> u64 {
        xxh3_64_with_seed(&token.to_le_bytes(), self.places[node].name)
    }

    /// A node that has failed was waited for in vain, or refused at once.
    pub fn set_hung(&self, node: usize, has_hung: bool) {
        self.slot(node).hung.store(has_hung.into(), SeqCst);
    }

    /// Whether a node that is down may have to be waited for, should it be asked all the same.
    pub fn has_hung(&self, node: usize) -> bool {
        self.slot(node).hung.load(SeqCst) == 1
    }

    /// Whether a node is down and was not waited for: it refused, so that what it had is gone.
    pub fn is_gone(&self, node: usize) -> bool {
        self.slot(node).state().is_down && !self.has_hung(node)
    }

    /// Keeps for people why a node has failed, as much of it as there is room for. Of two who write
    /// at once, both may leave a part.
    pub fn explain(&self, node: usize, reason: &str) {
        let bytes = reason.bytes().map(|byte| if byte == 0 { b' ' } else { byte });
        let mut bytes = bytes.chain(std::iter::repeat(0));
        for word in &self.slot(node).reason {
            let word_bytes = std::array::from_fn(|_| bytes.next().unwrap_or(0));
            word.store(u64::from_le_bytes(word_bytes), SeqCst);
        }
    }

    /// A node has answered. Says whether this has brought it back. Costs a load where all is well.
    pub fn answered(&self, node: usize, now: Duration) -> bool {
        let (slot, mut is_back) = (self.slot(node), false);
        let before = slot.update(|state| {
            let next = state.answered(ms(now));
            is_back = next.is_some_and(|next| !next.is_down);
            next
        });
        if before.is_down {
            slot.hung.store(0, SeqCst);
        }
        is_back
    }

    /// A node has answered a probe. Says whether this has brought it back.
    pub fn probed(&self, node: usize, now: Duration, latency: Duration) -> bool {
        self.slot(node).latency.store((latency.as_micros() as u64).max(1), SeqCst);
        self.answered(node, now)
    }

    /// A node that is down and to be looked at by the caller; nobody else looks at it for the next
    /// `interval`, or longer if it goes up and down.
    pub fn claim_probe(&self, now: Duration, interval: Duration) -> Option<usize> {
        let interval = interval.as_millis() as u64;
        (0..self.places.len()).find(|node| {
            let slot = self.slot(*node);
            let state = slot.state();
            state.is_down && slot.claim(state, ms(now), 1, interval)
        })
    }

    /// Whether any node is down, and so has to be looked at.
    pub fn is_any_down(&self) -> bool {
        (0..self.places.len()).any(|node| self.slot(node).state().is_down)
    }

    /// What people want to know of a node.
    pub fn health(&self, node: usize) -> Health {
        let slot = self.slot(node);
        let state = slot.state();
        let time = |ms| Some(Duration::from_millis(ms)).filter(|time| !time.is_zero());
        let latency = Duration::from_micros(slot.latency.load(SeqCst));
        Health {
            is_down: state.is_down,
            is_drained: self.is_drained(node),
            failures: state.failures,
            since: time(if state.is_down { slot.since.load(SeqCst) } else { state.mark }),
            latency: Some(latency).filter(|latency| !latency.is_zero()),
            reason: slot.reason(),
        }
    }

    fn slot(&self, node: usize) -> &Slot {
        let Place { name, shared, own } = &self.places[node];
        let shared = shared.as_ref().map(|(segment, index)| &segment.slots()[*index]);
        shared.filter(|slot| slot.name.load(SeqCst) == *name).unwrap_or(own)
    }
}

/// What `drained` holds if the node is: no bytes by chance.
const DRAINED: u64 = u64::from_be_bytes(*b"drained!");

/// A time as it is kept. Never 0; 40 bits are 34 years.
fn ms(time: Duration) -> u64 {
    (time.as_millis() as u64).clamp(1, TIME_MAX)
}

const TIME_MAX: u64 = (1 << 40) - 1;

/// What is known of one node; see the head of this file.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Slot {
    name: AtomicU64,
    opened: AtomicU64,
    state: AtomicU64,
    look: AtomicU64,
    since: AtomicU64,
    latency: AtomicU64,
    drained: AtomicU64,
    hung: AtomicU64,
    birth: AtomicU64,
    reason: [AtomicU64; 15],
}

impl Slot {
    /// The index of the slot of this name, which is taken if it is new; none if there is none to be
    /// had.
    fn find(slots: &[Self], name: u64) -> Option<usize> {
        let start = name as usize % slots.len();
        let found = (start..slots.len()).chain(0..start).find(|index| {
            let taken = slots[*index].name.compare_exchange(0, name, SeqCst, SeqCst);
            taken.is_ok() || taken == Err(name)
        });
        found.or_else(|| Self::take_over(slots, name))
    }

    /// Gives the slot that was opened longest ago to this name.
    fn take_over(slots: &[Self], name: u64) -> Option<usize> {
        let undrained = slots.iter().enumerate().filter(|(_, slot)| !slot.is_drained());
        let (index, slot) = undrained.min_by_key(|(_, slot)| slot.opened.load(SeqCst))?;
        let before = slot.name.load(SeqCst);
        slot.name.compare_exchange(before, name, SeqCst, SeqCst).ok()?;
        let Self { state, look, since, latency, drained, hung, birth, .. } = slot;
        let words = [state, look, since, latency, drained, hung, birth];
        words.into_iter().chain(&slot.reason).for_each(|word| word.store(0, SeqCst));
        Some(index)
    }

    /// What was told of the slot that was opened last.
    fn opened_last(slots: &[Self]) -> u64 {
        slots.iter().map(|slot| slot.opened.load(SeqCst)).max().unwrap_or(0)
    }

    fn is_drained(&self) -> bool {
        self.drained.load(SeqCst) == DRAINED
    }

    fn state(&self) -> State {
        State::unpack(self.state.load(SeqCst))
    }

    /// Goes to the next state, if there is one, and says which it was before.
    fn update(&self, mut next: impl FnMut(State) -> Option<State>) -> State {
        let change = |state| next(State::unpack(state)).map(State::pack);
        let (Ok(before) | Err(before)) = self.state.fetch_update(SeqCst, SeqCst, change);
        State::unpack(before)
    }

    fn look(&self) -> Look {
        Look::unpack(self.look.load(SeqCst))
    }

    /// Whether it is for the caller to look, for nobody has for so many intervals.
    fn claim(&self, state: State, now: u64, intervals: u64, interval: u64) -> bool {
        let look = self.look();
        let interval = match interval {
            0 => BOARD_INTERVAL_MS_DEFAULT,
            _ => interval.min(BOARD_INTERVAL_MS_MAX),
        };
        let pause = (interval * intervals) << state.flaps;
        let next = Look { at: now, interval };
        let is_due = now.abs_diff(look.at) >= pause;
        is_due && self.look.compare_exchange(look.pack(), next.pack(), SeqCst, SeqCst).is_ok()
    }

    fn reason(&self) -> Option<String> {
        let words = self.reason.iter().flat_map(|word| word.load(SeqCst).to_le_bytes());
        let bytes: Vec<u8> = words.take_while(|byte| *byte != 0).collect();
        let text = String::from_utf8_lossy(&bytes).replace(char::is_control, " ");
        (!text.is_empty()).then_some(text)
    }
}

/// What decides whether a node is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    is_down: bool,
    /// How often in a row it went down soon after it had come back.
    flaps: u32,
    failures: u32,
    /// Down: good since. Up: back since.
    mark: u64,
}

impl State {
    const FLAPS_MAX: u32 = 3;
    const FAILURES_MAX: u32 = (1 << 21) - 1;

    fn unpack(bits: u64) -> Self {
        Self {
            is_down: bits >> 63 != 0,
            flaps: (bits >> 61) as u32 & Self::FLAPS_MAX,
            failures: (bits >> 40) as u32 & Self::FAILURES_MAX,
            mark: bits & TIME_MAX,
        }
    }

    fn pack(self) -> u64 {
        let head = u64::from(self.is_down) << 63 | u64::from(self.flaps) << 61;
        head | u64::from(self.failures) << 40 | self.mark
    }

    fn failed(self, now: u64) -> Self {
        let failures = (self.failures + 1).min(Self::FAILURES_MAX);
        let was_just_back = self.mark != 0 && now.abs_diff(self.mark) < ms(BOARD_FLAP);
        let flaps = match was_just_back {
            _ if self.is_down => self.flaps,
            true => (self.flaps + 1).min(Self::FLAPS_MAX),
            false => 0,
        };
        Self { is_down: true, flaps, failures, mark: 0 }
    }

    /// Whether its mark is of then or later. Others may have set it since the caller has read the
    /// clock; far ahead, it is one of a clock that stands elsewhere.
    fn is_since(self, then: u64, now: u64) -> bool {
        self.mark >= then && self.mark < now.saturating_add(ms(BOARD_FLAP))
    }

    /// In milliseconds.
    fn steady(self) -> u64 {
        ms(BOARD_STEADY) << (2 * self.flaps)
    }

    /// None if nothing changes.
    fn answered(self, now: u64) -> Option<Self> {
        match self {
            Self { is_down: false, .. } => None,
            Self { mark: 0, .. } => Some(Self { mark: now, ..self }),
            Self { mark, .. } if now.abs_diff(mark) < self.steady() => None,
            _ => Some(Self { is_down: false, failures: 0, mark: now, ..self }),
        }
    }
}

/// When somebody last looked at a node that was down, and how often that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    at: u64,
    /// In milliseconds.
    interval: u64,
}

impl Look {
    const INTERVAL_BITS: u32 = 24;

    fn unpack(bits: u64) -> Self {
        Self { at: bits >> Self::INTERVAL_BITS, interval: bits & ((1 << Self::INTERVAL_BITS) - 1) }
    }

    fn pack(self) -> u64 {
        self.at << Self::INTERVAL_BITS | self.interval
    }
}
