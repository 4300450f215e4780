//! This machine: all processes of one user on it, whatever started them (FPM, Apache, a shell).
//!
//! * [`Process`] and [`Identity`] (who.rs): which process is meant, on which machine, and whether
//!   it still lives.
//! * [`process_id`] (fork.rs): who this is.
//! * [`Queue`] (queue.rs): who of them waits for the same thing, first come first served, in memory
//!   that they share (segment.rs).
//! * [`Board`] (board.rs): what they know about the nodes of a pool, in such memory too, and which
//!   locks they have given up there (given_up.rs).
//!
//! The last two are about order and cost, and about when nodes were born. What may be done is
//! decided elsewhere, by a lock that holds between machines too; so where something is missing here
//! (no `/proc`, no shared memory), the answer is the careful one, and nothing fails.

mod board;
mod fork;
mod given_up;
mod queue;
mod segment;
mod who;

pub use board::{Birth, Board, Health, Verdict};
pub use fork::process_id;
pub use queue::{Joined, Queue, Ticket};
pub use who::{Identity, Process, host_name};
