//! One node of a pool: what it is asked, and what it answers.

use crate::wire::memcached::{Cas, ServerError};

pub mod classic;

/// What a node answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done; the item's CAS, if it has one now.
    Done {
        /// None after a delete, and where somebody else has changed the item since.
        cas: Option<Cas>,
    },
    /// The item.
    Value {
        /// Its value.
        bytes: Vec<u8>,
        /// Its CAS.
        cas: Option<Cas>,
    },
    /// There is no such item.
    Missing,
    /// The condition does not hold: the item is there, or has another CAS.
    Refused,
    /// The server could not do it.
    ServerError(ServerError, String),
}
