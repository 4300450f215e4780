//! The rules that can be taken out, one by one, to see what breaks without them, and one
//! assumption.
//!
//! The numbers are those of the protocol; the functions in [`crate::client`] are named by them.

/// A part of a rule that the model can do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    FrontPartOnly,
    AskWhenDifferent,
    AskWhenMissing,
    AskSkipped,
    LockFurther,
    BirthMark,
    TokensDie,
    LeaseCheck,
    ClockInVersion,
    NewReading,
    CheckAgain,
    BaseStillThere,
    AskBoardAgain,
    ListOrder,
    Replace,
    CompareWithBase,
    StoreWithoutLock,
    RetryRefusal,
    CompareAndSwap,
    EnoughCopies,
    InTime,
    UnlockLast,
    TouchRepairs,
    Tombstone,
    ClocksAgree,
}

/// Every rule with its number and what it demands.
pub const ALL: [(Rule, &str, &str); 25] = [
    (Rule::FrontPartOnly, "2", "a waiting request keeps only the unbroken front part of its set"),
    (Rule::AskWhenDifferent, "3", "further nodes are asked when copies differ"),
    (Rule::AskWhenMissing, "3", "further nodes are asked when all copies are missing"),
    (Rule::AskSkipped, "3", "the nodes that the request's view skips are among those asked"),
    (Rule::LockFurther, "3", "further nodes are locked, not only read"),
    (Rule::BirthMark, "3", "a node that was born a moment ago proves no empty session"),
    (Rule::TokensDie, "4", "lock and CAS of a node end with the connection to it"),
    (Rule::LeaseCheck, "5", "nothing is sent after the lease has run out"),
    (Rule::ClockInVersion, "5", "a version is a reading of the clock, not only base + 1"),
    (Rule::NewReading, "5", "a lock that is taken again brings a new reading of the clock"),
    (Rule::CheckAgain, "5", "after locks were taken again the lease is checked again"),
    (Rule::BaseStillThere, "5", "locks are taken again only if some copy still equals base"),
    (Rule::AskBoardAgain, "6", "the board is asked again when a node has to be replaced"),
    (Rule::ListOrder, "6", "the replacement is the first that is up in list order"),
    (Rule::Replace, "6", "a node that fails in a commit is replaced"),
    (Rule::CompareWithBase, "7", "a replacement's copy is compared with base, not with ours"),
    (Rule::StoreWithoutLock, "7", "a replacement whose lock is held is written without it"),
    (Rule::RetryRefusal, "8", "a refused store is read, and sent again if nothing newer is there"),
    (Rule::CompareAndSwap, "8", "a store names the CAS of what it replaces"),
    (Rule::EnoughCopies, "9", "success needs min(R, N - 1) copies"),
    (Rule::InTime, "10", "success needs its last answer within the lease"),
    (Rule::UnlockLast, "11", "the unlock follows when the outcome is known"),
    (Rule::TouchRepairs, "12", "a touch writes the record where it is missing or older"),
    (Rule::Tombstone, "13", "a destroyed session leaves a tombstone"),
    (Rule::ClocksAgree, "assumption", "the clients' clocks differ by less than a lease"),
];

impl Rule {
    /// The number of the rule and what it demands.
    pub fn describe(self) -> (&'static str, &'static str) {
        let (_, number, demand) =
            ALL.iter().find(|(rule, ..)| *rule == self).expect("every rule is in the list");
        (number, demand)
    }
}

/// The protocol without some of its rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    removed: &'static [Rule],
}

impl Rules {
    pub const fn without(removed: &'static [Rule]) -> Rules {
        Rules { removed }
    }

    pub fn has(self, rule: Rule) -> bool {
        !self.removed.contains(&rule)
    }
}
