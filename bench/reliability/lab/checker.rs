//! What a session's counter must show after what was acknowledged.

use std::collections::BTreeSet;

/// What is known of one session, from the answers of those who incremented its counter.
///
/// An answer is a token, drawn when the session was new (its life), and the count. An increment
/// that was acknowledged is in all later counts of the same life; anything else is a loss.
#[derive(Default)]
pub struct Session {
    /// The lives so far; the last one is the present.
    lives: Vec<String>,
    /// The counts of the present life that were acknowledged and are not lost.
    acknowledged: BTreeSet<u64>,
    /// Somebody was warned since the last acknowledged increment.
    is_warned: bool,
    pub losses: Losses,
}

/// What happened to one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// It began anew.
    pub is_restarted: bool,
    /// An older count came back, or two increments counted as one.
    pub is_rolled_back: bool,
    /// One of both, and no request of the session had failed or raised a warning since the last
    /// acknowledged one.
    pub is_silent: bool,
    /// Acknowledged increments that the counter lacks.
    pub increments: usize,
}

/// What was known when a request was sent.
pub struct Before {
    life: usize,
    count: u64,
}

impl Session {
    /// To be asked before a request is sent.
    pub fn before(&self) -> Before {
        Before { life: self.lives.len(), count: self.count() }
    }

    fn count(&self) -> u64 {
        self.acknowledged.last().copied().unwrap_or_default()
    }

    /// A request failed.
    pub fn failed(&mut self) {
        self.is_warned = true;
    }

    /// A request incremented the counter, with or without a warning.
    pub fn incremented(&mut self, before: &Before, life: &str, count: u64, has_warned: bool) {
        self.is_warned |= has_warned;
        if self.lives.last().is_some_and(|present| present == life) {
            if count <= before.count {
                self.roll_back(count);
            } else if !has_warned && self.acknowledged.contains(&count) {
                self.lose(1, false);
            }
        } else if before.life < self.lives.len() && self.lives.contains(&life.to_owned()) {
            // It was answered late, and its life has ended meanwhile.
            self.lose(usize::from(!has_warned), true);
            return;
        } else {
            self.restart(life);
        }
        if !has_warned {
            self.acknowledged.insert(count);
            self.is_warned = false;
        }
    }

    /// A read when nobody increments any more; `None` found no session.
    pub fn read(&mut self, found: Option<(&str, u64)>) {
        match found {
            Some((life, count)) if self.lives.last().is_some_and(|present| present == life) => {
                if count < self.count() {
                    self.roll_back(count + 1);
                }
            }
            Some((life, _)) => self.restart(life),
            None => self.lose(self.acknowledged.len(), true),
        }
    }

    /// This count and all above it are no longer counted.
    fn roll_back(&mut self, count: u64) {
        let lost = self.acknowledged.split_off(&count).len();
        self.lose(lost, false);
    }

    fn restart(&mut self, life: &str) {
        if !self.lives.is_empty() {
            self.lose(self.acknowledged.len(), !self.lives.contains(&life.to_owned()));
        }
        self.acknowledged.clear();
        self.lives.push(life.to_owned());
    }

    fn lose(&mut self, increments: usize, is_restarted: bool) {
        self.losses.increments += increments;
        self.losses.is_restarted |= is_restarted;
        self.losses.is_rolled_back |= !is_restarted;
        self.losses.is_silent |= !self.is_warned;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session whose counts up to `count` were acknowledged.
    fn counted(count: u64) -> Session {
        let mut session = Session::default();
        for count in 1..=count {
            session.incremented(&session.before(), "a", count, false);
        }
        assert_eq!(session.losses, Losses::default());
        session
    }

    fn losses(increments: usize, what: &str) -> Losses {
        Losses {
            is_restarted: what.contains("restarted"),
            is_rolled_back: what.contains("rolled back"),
            is_silent: what.contains("silent"),
            increments,
        }
    }

    #[test]
    fn answers_of_parallel_requests_may_come_in_any_order() {
        let mut session = counted(5);
        let before = session.before();
        session.incremented(&before, "a", 7, false);
        session.incremented(&before, "a", 6, false);
        // What failed may have been counted or not.
        session.failed();
        session.incremented(&session.before(), "a", 9, false);
        session.read(Some(("a", 10)));
        assert_eq!(session.losses, Losses::default());
    }

    #[test]
    fn a_session_that_begins_anew_is_lost_with_all_increments() {
        let mut session = counted(5);
        let late = session.before();
        session.incremented(&session.before(), "b", 1, false);
        assert_eq!(session.losses, losses(5, "restarted, silent"));
        session.incremented(&late, "a", 6, false);
        assert_eq!(session.losses, losses(6, "restarted, silent"));
        session.incremented(&session.before(), "b", 2, false);
        session.read(None);
        assert_eq!(session.losses, losses(8, "restarted, silent"));
    }

    #[test]
    fn an_older_count_is_a_rollback_of_what_was_acknowledged_since() {
        let mut session = counted(5);
        session.incremented(&session.before(), "a", 4, false);
        assert_eq!(session.losses, losses(2, "rolled back, silent"));
        session.incremented(&session.before(), "a", 5, false);
        session.read(Some(("a", 4)));
        assert_eq!(session.losses, losses(3, "rolled back, silent"));
    }

    #[test]
    fn an_older_life_is_a_rollback_too() {
        let mut session = counted(5);
        session.incremented(&session.before(), "b", 1, false);
        session.incremented(&session.before(), "a", 6, false);
        assert_eq!(session.losses, losses(6, "restarted, rolled back, silent"));
    }

    #[test]
    fn two_increments_that_count_as_one_lose_one() {
        let mut session = counted(5);
        let before = session.before();
        session.incremented(&before, "a", 6, false);
        session.incremented(&before, "a", 6, false);
        assert_eq!(session.losses, losses(1, "rolled back, silent"));
    }

    #[test]
    fn a_loss_after_a_warning_is_not_silent() {
        let mut session = counted(5);
        session.failed();
        session.incremented(&session.before(), "b", 1, false);
        assert_eq!(session.losses, losses(5, "restarted"));
        session.incremented(&session.before(), "b", 1, true);
        assert_eq!(session.losses, losses(6, "restarted, rolled back"));
    }
}
