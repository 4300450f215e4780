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

/// States generated in one exploration, at most; it bounds memory to about 3 GB. None of those
/// below reaches it.
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
    /// Further invariants that broke before.
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

const ONE_EPISODE: Run = Run { episodes: 1, ..Run::BASIC };
const ONE_CRASH: Run = Run { faults: &[Crash], ..ONE_EPISODE };
const TWO_EPISODES: Run = Run { episodes: 2, ..Run::BASIC };
const SUSPICION_AND_PAUSE: Run = Run { faults: &[Suspicion], pauses: 1, ..ONE_EPISODE };
const SUSPICION_AND_TWO_PAUSES: Run = Run { pauses: 2, ..SUSPICION_AND_PAUSE };
const WRITE_AND_TOUCH: &[&[crate::world::Op]] = &[&[Write], &[Touch]];
const WRITE_AND_DESTROY: &[&[crate::world::Op]] = &[&[Write], &[Destroy]];

/// Everything that is explored, in the order of the table.
pub fn all() -> Vec<Experiment> {
    let mut all = whole_protocol();
    all.extend(necessary());
    all.extend(not_shown_necessary());
    all
}

fn passes(name: &'static str, setting: &'static str, run: Run, is_quick: bool) -> Experiment {
    Experiment { name, removed: &[], setting, run, expected: &[], is_quick }
}

fn whole_protocol() -> Vec<Experiment> {
    vec![
        passes("one-episode", "one episode", ONE_EPISODE, true),
        passes("two-episodes", "two episodes", TWO_EPISODES, true),
        passes(
            "touch",
            "two episodes, write and touch",
            Run { requests: WRITE_AND_TOUCH, ..TWO_EPISODES },
            true,
        ),
        passes(
            "destroy",
            "two episodes, write and destroy",
            Run { requests: WRITE_AND_DESTROY, ..TWO_EPISODES },
            true,
        ),
        passes("three-replicas", "R = 3, two episodes", Run { replicas: 3, ..TWO_EPISODES }, true),
        passes("four-nodes", "N = 4, two episodes", Run { nodes: 4, ..TWO_EPISODES }, true),
        passes(
            "late-locks",
            "one episode, late locks",
            Run { late_locks: true, ..ONE_EPISODE },
            false,
        ),
        passes(
            "three-requests",
            "one episode, one client writes twice",
            Run { requests: &[&[Write, Write], &[Write]], ..ONE_EPISODE },
            true,
        ),
        passes("suspicion-pause", "suspicion, one pause", SUSPICION_AND_PAUSE, true),
        passes(
            "crash-pause",
            "crash, one pause",
            Run { faults: &[Crash], ..SUSPICION_AND_PAUSE },
            true,
        ),
        passes(
            "hang-pause",
            "hang, one pause",
            Run { faults: &[Hang], ..SUSPICION_AND_PAUSE },
            true,
        ),
        passes(
            "destroy-pause",
            "one episode, one pause, write and destroy",
            Run {
                faults: crate::world::ANY_FAULT,
                requests: WRITE_AND_DESTROY,
                ..SUSPICION_AND_PAUSE
            },
            false,
        ),
        passes(
            "fresh-pause",
            "hang, one pause, no session before",
            Run { faults: &[Hang], session_exists: false, ..SUSPICION_AND_PAUSE },
            false,
        ),
        passes(
            "two-episodes-pause",
            "two episodes, one pause",
            Run { pauses: 1, ..TWO_EPISODES },
            false,
        ),
        passes(
            "three-clients",
            "one episode, three clients",
            Run { requests: &[&[Write], &[Write], &[Write]], ..ONE_EPISODE },
            false,
        ),
        passes("suspicion-two-pauses", "suspicion, two pauses", SUSPICION_AND_TWO_PAUSES, false),
        passes(
            "hang-two-pauses",
            "hang, two pauses",
            Run { faults: &[Hang], ..SUSPICION_AND_TWO_PAUSES },
            false,
        ),
    ]
}

fn breaks(
    name: &'static str,
    removed: &'static [Rule],
    expected: &'static [Invariant],
    setting: &'static str,
    run: Run,
) -> Experiment {
    Experiment { name, removed, setting, run, expected, is_quick: true }
}

fn necessary() -> Vec<Experiment> {
    use Invariant::*;
    vec![
        breaks("copies", &[EnoughCopies, Replace], &[I1], "two episodes", TWO_EPISODES),
        breaks("replace", &[Replace], &[P3], "one episode", ONE_EPISODE),
        breaks("in-time", &[InTime], &[I1], "suspicion, one pause", SUSPICION_AND_PAUSE),
        breaks("retry-refusal", &[RetryRefusal], &[P3], "one crash", ONE_CRASH),
        breaks("lease-check", &[LeaseCheck], &[I1], "suspicion, one pause", SUSPICION_AND_PAUSE),
        breaks("clock", &[ClockInVersion], &[I1], "suspicion, one pause", SUSPICION_AND_PAUSE),
        breaks(
            "clocks-apart",
            &[],
            &[I1],
            "suspicion, one pause, clocks two leases apart",
            Run { clock_offsets: [17, 0, 2], ..SUSPICION_AND_PAUSE },
        ),
        breaks(
            "new-reading",
            &[NewReading],
            &[I1],
            "suspicion, two pauses",
            SUSPICION_AND_TWO_PAUSES,
        ),
        breaks(
            "check-again",
            &[CheckAgain],
            &[I1],
            "suspicion, two pauses",
            SUSPICION_AND_TWO_PAUSES,
        ),
        Experiment {
            is_quick: false,
            ..breaks(
                "check-again-hang",
                &[CheckAgain],
                &[I1],
                "hang, two pauses",
                Run { faults: &[Hang], ..SUSPICION_AND_TWO_PAUSES },
            )
        },
        breaks("cas", &[CompareAndSwap], &[I1], "suspicion, one pause", SUSPICION_AND_PAUSE),
        breaks("ask-different", &[AskWhenDifferent], &[I1], "two episodes", TWO_EPISODES),
        breaks("ask-skipped", &[AskSkipped], &[P3], "two episodes", TWO_EPISODES),
        breaks("ask-skipped-birth", &[AskSkipped, BirthMark], &[I4], "two episodes", TWO_EPISODES),
        breaks("ask-missing", &[AskWhenMissing], &[P3], "two episodes", TWO_EPISODES),
        breaks(
            "lock-further",
            &[LockFurther],
            &[I1, I2, I4],
            "two episodes, one pause",
            Run { pauses: 1, ..TWO_EPISODES },
        ),
        breaks("ask-board", &[AskBoardAgain], &[P3], "two episodes", TWO_EPISODES),
        breaks(
            "ask-board-copies",
            &[AskBoardAgain, EnoughCopies],
            &[I1],
            "two episodes",
            TWO_EPISODES,
        ),
        breaks(
            "list-order",
            &[ListOrder],
            &[I1, I4],
            "N = 4, two episodes",
            Run { nodes: 4, ..TWO_EPISODES },
        ),
        breaks("without-lock", &[StoreWithoutLock], &[P3], "one crash", ONE_CRASH),
        breaks("unlock-last", &[UnlockLast], &[P3], "one crash", ONE_CRASH),
        breaks(
            "touch-repairs",
            &[TouchRepairs],
            &[P3, Lost],
            "two episodes, write and touch",
            Run { requests: WRITE_AND_TOUCH, ..TWO_EPISODES },
        ),
        breaks(
            "touch-repairs-pause",
            &[TouchRepairs],
            &[Seen],
            "hang, one pause, write and touch",
            Run { faults: &[Hang], requests: WRITE_AND_TOUCH, ..SUSPICION_AND_PAUSE },
        ),
        breaks(
            "tombstone",
            &[Tombstone],
            &[I3],
            "one crash, write and destroy",
            Run { requests: WRITE_AND_DESTROY, ..ONE_CRASH },
        ),
        breaks(
            "front-part",
            &[FrontPartOnly],
            &[I5],
            "R = 3, one crash",
            Run { replicas: 3, progress_sample: 1, ..ONE_CRASH },
        ),
    ]
}

/// Rules that are kept for reasons that the model does not see. If one of these finds something one
/// day, the rule has become necessary, and its row belongs above.
fn not_shown_necessary() -> Vec<Experiment> {
    let kept = |name, removed, setting, run| Experiment {
        name,
        removed,
        setting,
        run,
        expected: &[],
        is_quick: false,
    };
    vec![
        kept("tokens-die", &[TokensDie], "two episodes", TWO_EPISODES),
        kept("enough-copies", &[EnoughCopies], "two episodes", TWO_EPISODES),
        kept("birth-mark", &[BirthMark], "two episodes", TWO_EPISODES),
        kept("compare-with-base", &[CompareWithBase], "two episodes", TWO_EPISODES),
        kept("base-still-there", &[BaseStillThere], "suspicion, one pause", SUSPICION_AND_PAUSE),
    ]
}
