//! The session engine of sessclust. It knows sessions, locks, records and stores, and no PHP, so
//! that it can be tested, fuzzed and used from other programs.
//!
//! ```text
//! session::Session    one request's session: validate, read, write, touch, destroy
//!   v
//! local::Store        the embedded store: one file a session, two slots a file, flock as lock
//!
//! cluster::ring       for pools of servers, to come: which node has a session, which are next
//! wire::memcached     for the same: requests to bytes, bytes to replies; no I/O, no clock
//! ```
//!
//! [`config`], [`error`], [`limits`] and [`stats`] may be used by both layers and use neither. The
//! store also uses [`session::id`] and [`session::record`]: what a session is called and how it is
//! kept.

pub mod cluster;
pub mod config;
pub mod error;
pub mod limits;
pub mod local;
pub mod machine;
pub mod node;
pub mod session;
pub mod stats;
pub mod wire;

pub use error::{Error, ErrorKind, Result};
