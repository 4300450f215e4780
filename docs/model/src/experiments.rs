//! Which exploration shows what: the whole protocol passes its runs, and without any of the
//! necessary rules a run breaks an invariant.

use crate::check::Invariant;
use crate::rules::Rule::{self, *};
use crate::rules::Rules;
use crate::world::Fault::{Crash, Hang, Suspicion};
use crate::world::Op::{Destroy, Touch, Write};
use crate::world::{Action, Run, World};
use stateright::{Checker, HasDiscoveries, Model};
use std::time::{Duration, Instant};

/// States generated in one exploration, at most, so that memory has a bound. None of those below
/// reaches it; the largest takes 2 GB.
const STATES_MAX: usize = 60_000_000;

/// How often a long exploration says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// A run and what it is expected to find.
pub struct Experiment {
    /// Names it on the command line.
    pub name: &'static str,
    /// The rules that are taken out; none: the whole protocol.
    pub removed: &'static [Rule],
    /// What the run allows, in words.
    pub setting: &'static str,
    pub run: Run,
    /// One of these is violated; none: the run finds no violation at all.
    pub expected: &'static [Invariant],
    /// Belongs to the part for every day.
    pub is_quick: bool,
}

/// One violation: the invariant and how it comes about.
pub struct Violation {
    pub invariant: Invariant,
    pub trace: Vec<(World, Option<Action>)>,
}

impl Violation {
    pub fn steps(&self) -> usize {
        self.trace.len() - 1
    }
}

pub struct Finding {
    /// Of an expected invariant, if there is one.
    pub violation: Option<Violation>,
    /// Further invariants that were found broken by then.
    pub others: Vec<&'static str>,
    /// Different states that were seen.
    pub states: usize,
    /// All states within the bounds of the run were seen, or a violation ended it.
    pub is_complete: bool,
    pub duration: Duration,
}

impl Experiment {
    /// Explores the run, breadth first, until an expected invariant breaks; if none is expected,
    /// until any does. The trace is one of the shortest, or one step longer: the checker keeps the
    /// last of the violations among the states that it takes up together.
    pub fn explore(&self) -> Finding {
        let start = Instant::now();
        let run = Run { rules: Rules::without(self.removed), ..self.run.clone() };
        let finish_when = if self.expected.is_empty() {
            HasDiscoveries::AnyFailures
        } else {
            HasDiscoveries::AnyOf(self.expected.iter().map(|invariant| invariant.name()).collect())
        };
        let checker = run
            .checker()
            .threads(1)
            .target_state_count(STATES_MAX)
            .finish_when(finish_when)
            .spawn_bfs();
        let mut next_report = PROGRESS_INTERVAL;
        while !checker.is_done() {
            std::thread::sleep(Duration::from_millis(5));
            if start.elapsed() >= next_report {
                next_report += PROGRESS_INTERVAL;
                let (states, depth) = (checker.unique_state_count(), checker.max_depth());
                eprintln!("    {}: {states} states, {depth} steps deep", self.name);
            }
        }
        // It is done; what made it panic is told here.
        let checker = checker.join();
        let discoveries = checker.discoveries().into_iter().map(|(name, path)| {
            let invariant = Invariant::ALL.into_iter().find(|invariant| invariant.name() == name);
            let invariant = invariant.expect("the properties are the invariants");
            Violation { invariant, trace: path.into_vec() }
        });
        let mut violations: Vec<Violation> = discoveries.collect();
        violations.sort_by_key(|violation| {
            (!self.expected.contains(&violation.invariant), violation.steps())
        });
        let mut violations = violations.into_iter();
        let violation = violations.next();
        Finding {
            is_complete: violation.is_some() || checker.state_count() < STATES_MAX,
            violation,
            others: violations.map(|violation| violation.invariant.name()).collect(),
            states: checker.unique_state_count(),
            duration: start.elapsed(),
        }
    }

    /// Whether the finding is the expected one.
    pub fn is_met_by(&self, finding: &Finding) -> bool {
        match &finding.violation {
            Some(violation) => self.expected.contains(&violation.invariant),
            None => self.expected.is_empty() && finding.is_complete,
        }
    }
}

/// What a run allows, in words and as its bounds.
type Setting = (&'static str, Run);

const ONE_EPISODE: Setting = ("one episode", Run { episodes: 1, ..Run::BASIC });
const ONE_CRASH: Setting = ("one crash", Run { faults: &[Crash], ..ONE_EPISODE.1 });
const LATE_LOCKS: Setting =
    ("one episode, late requests for locks", Run { late_locks: true, ..ONE_EPISODE.1 });
const THREE_REQUESTS: Setting = (
    "one episode, one client writes twice",
    Run { requests: &[&[Write, Write], &[Write]], ..ONE_EPISODE.1 },
);
const THREE_CLIENTS: Setting = (
    "one episode, three clients",
    Run { requests: &[&[Write], &[Write], &[Write]], ..ONE_EPISODE.1 },
);
const CRASH_DESTROY: Setting =
    ("one crash, write and destroy", Run { requests: &[&[Write], &[Destroy]], ..ONE_CRASH.1 });
const CRASH_THREE_REPLICAS: Setting =
    ("R = 3, one crash", Run { replicas: 3, progress_sample: 1, ..ONE_CRASH.1 });

const TWO_EPISODES: Setting = ("two episodes", Run { episodes: 2, ..Run::BASIC });
const TWO_EPISODES_TOUCH: Setting =
    ("two episodes, write and touch", Run { requests: &[&[Write], &[Touch]], ..TWO_EPISODES.1 });
const TWO_EPISODES_DESTROY: Setting = (
    "two episodes, write and destroy",
    Run { requests: &[&[Write], &[Destroy]], ..TWO_EPISODES.1 },
);
const THREE_REPLICAS: Setting = ("R = 3, two episodes", Run { replicas: 3, ..TWO_EPISODES.1 });
const FOUR_NODES: Setting = ("N = 4, two episodes", Run { nodes: 4, ..TWO_EPISODES.1 });
const TWO_EPISODES_PAUSE: Setting =
    ("two episodes, one pause", Run { pauses: 1, ..TWO_EPISODES.1 });

const PAUSE: Run = Run { pauses: 1, ..ONE_EPISODE.1 };
const CRASH_PAUSE: Setting = ("crash, one pause", Run { faults: &[Crash], ..PAUSE });
const HANG_PAUSE: Setting = ("hang, one pause", Run { faults: &[Hang], ..PAUSE });
const SUSPICION_PAUSE: Setting = ("suspicion, one pause", Run { faults: &[Suspicion], ..PAUSE });
const HANG_PAUSE_TOUCH: Setting =
    ("hang, one pause, write and touch", Run { requests: &[&[Write], &[Touch]], ..HANG_PAUSE.1 });
const HANG_PAUSE_FRESH: Setting =
    ("hang, one pause, no session before", Run { session_exists: false, ..HANG_PAUSE.1 });
const PAUSE_DESTROY: Setting = (
    "one episode, one pause, write and destroy",
    Run { requests: &[&[Write], &[Destroy]], ..PAUSE },
);
const THREE_REPLICAS_PAUSE: Setting =
    ("R = 3, one crash, one pause", Run { replicas: 3, ..CRASH_PAUSE.1 });
const FOUR_NODES_PAUSE: Setting =
    ("N = 4, suspicion, one pause", Run { nodes: 4, ..SUSPICION_PAUSE.1 });
const HANG_TWO_PAUSES: Setting = ("hang, two pauses", Run { pauses: 2, ..HANG_PAUSE.1 });
const SUSPICION_TWO_PAUSES: Setting =
    ("suspicion, two pauses", Run { pauses: 2, ..SUSPICION_PAUSE.1 });

/// Everything that is explored, in the order of the table.
pub fn all() -> Vec<Experiment> {
    let mut all = whole_protocol();
    all.extend(necessary());
    all.extend(not_shown_necessary());
    all
}

fn explore(
    name: &'static str,
    removed: &'static [Rule],
    expected: &'static [Invariant],
    (setting, run): Setting,
) -> Experiment {
    Experiment { name, removed, setting, run, expected, is_quick: true }
}

fn slow(experiment: Experiment) -> Experiment {
    Experiment { is_quick: false, ..experiment }
}

fn whole_protocol() -> Vec<Experiment> {
    let passes = |name, setting| explore(name, &[], &[], setting);
    vec![
        passes("one-episode", ONE_EPISODE),
        passes("two-episodes", TWO_EPISODES),
        passes("touch", TWO_EPISODES_TOUCH),
        passes("destroy", TWO_EPISODES_DESTROY),
        passes("three-replicas", THREE_REPLICAS),
        passes("four-nodes", FOUR_NODES),
        passes("three-requests", THREE_REQUESTS),
        passes("crash-pause", CRASH_PAUSE),
        passes("hang-pause", HANG_PAUSE),
        passes("suspicion-pause", SUSPICION_PAUSE),
        slow(passes("late-locks", LATE_LOCKS)),
        slow(passes("three-clients", THREE_CLIENTS)),
        slow(passes("fresh-pause", HANG_PAUSE_FRESH)),
        slow(passes("destroy-pause", PAUSE_DESTROY)),
        slow(passes("three-replicas-pause", THREE_REPLICAS_PAUSE)),
        slow(passes("four-nodes-pause", FOUR_NODES_PAUSE)),
        slow(passes("two-episodes-pause", TWO_EPISODES_PAUSE)),
        slow(passes("hang-two-pauses", HANG_TWO_PAUSES)),
        slow(passes("suspicion-two-pauses", SUSPICION_TWO_PAUSES)),
    ]
}

fn necessary() -> Vec<Experiment> {
    use Invariant::*;
    vec![
        explore("front-part", &[FrontPartOnly], &[I5], CRASH_THREE_REPLICAS),
        explore("ask-different", &[AskWhenDifferent], &[I1], TWO_EPISODES),
        explore("ask-missing", &[AskWhenMissing], &[P3], TWO_EPISODES),
        explore("ask-skipped", &[AskSkipped], &[P3], TWO_EPISODES),
        explore("ask-skipped-birth", &[AskSkipped, BirthMark], &[I4], TWO_EPISODES),
        explore("lock-further", &[LockFurther], &[I1, I2, I4], TWO_EPISODES_PAUSE),
        explore("lease-check", &[LeaseCheck], &[I1], SUSPICION_PAUSE),
        explore("clock", &[ClockInVersion], &[I1], SUSPICION_PAUSE),
        explore("clocks-agree", &[ClocksAgree], &[I1], SUSPICION_PAUSE),
        explore("new-reading", &[NewReading], &[I1], SUSPICION_TWO_PAUSES),
        explore("check-again", &[CheckAgain], &[I1], SUSPICION_TWO_PAUSES),
        slow(explore("check-again-hang", &[CheckAgain], &[I1], HANG_TWO_PAUSES)),
        explore("ask-board", &[AskBoardAgain], &[P3], TWO_EPISODES),
        explore("ask-board-copies", &[AskBoardAgain, EnoughCopies], &[I1], TWO_EPISODES),
        explore("list-order", &[ListOrder], &[I1, I4], FOUR_NODES),
        explore("replace", &[Replace], &[P3], ONE_EPISODE),
        explore("replace-copies", &[Replace, EnoughCopies], &[I1], TWO_EPISODES),
        explore("without-lock", &[StoreWithoutLock], &[P3], ONE_CRASH),
        explore("retry-refusal", &[RetryRefusal], &[P3], ONE_CRASH),
        explore("cas", &[CompareAndSwap], &[I1], SUSPICION_PAUSE),
        explore("in-time", &[InTime], &[I1], SUSPICION_PAUSE),
        explore("in-time-hang", &[InTime], &[I1], HANG_PAUSE),
        explore("unlock-last", &[UnlockLast], &[P3], ONE_CRASH),
        explore("touch-repairs", &[TouchRepairs], &[P3, Lost], TWO_EPISODES_TOUCH),
        explore("touch-repairs-hang", &[TouchRepairs], &[Seen], HANG_PAUSE_TOUCH),
        explore("tombstone", &[Tombstone], &[I3], CRASH_DESTROY),
    ]
}

/// Rules that are kept for reasons that the model does not see. When one of these finds something
/// one day, the rule has become necessary, and its row belongs above.
fn not_shown_necessary() -> Vec<Experiment> {
    let kept = |name, removed, setting| slow(explore(name, removed, &[], setting));
    vec![
        kept("birth-mark", &[BirthMark], TWO_EPISODES),
        kept("tokens-die", &[TokensDie], TWO_EPISODES),
        kept("tokens-die-pause", &[TokensDie], CRASH_PAUSE),
        kept("base-still-there", &[BaseStillThere], SUSPICION_PAUSE),
        kept("compare-with-base", &[CompareWithBase], TWO_EPISODES),
        kept("compare-with-base-pause", &[CompareWithBase], SUSPICION_PAUSE),
        kept("enough-copies", &[EnoughCopies], TWO_EPISODES),
    ]
}
