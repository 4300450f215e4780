//! The session engine of sessclust. It knows sessions, locks, records and stores, and no PHP, so
//! that it can be tested, fuzzed and used from other programs.
//!
//! ```text
//! session::Session        one request's session: validate, read, write, touch, destroy
//!   |          \
//!   v           v
//! local::Store  cluster::Cluster    the embedded store, one file a session, flock as lock;
//!   |             |        |        a pool: which node, lock and record, commit, destroy
//!   |             |        v
//!   |             |      node::Node         one memcached: connection, pipelines, timeouts
//!   |             |        v
//!   |             |      wire::memcached    requests to bytes, bytes to replies; no I/O, no clock
//!   v             v
//! machine                 which process is meant, does it live; who waits on this machine
//! ```
//!
//! Arrows go one way, and a test holds them there (`tests/tidy.rs`). [`config`], [`error`],
//! [`limits`] and [`stats`] may be used from above and use nothing above them. Both stores also use
//! [`session::id`], what a session is called; the embedded one [`session::record`] too, how it is
//! kept. How a pool works is told in `docs/pool.md`, how the embedded store does in
//! `docs/store.md`.

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
