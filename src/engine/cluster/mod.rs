//! A pool of nodes as one store.
//!
//! [`ring`] answers which node a session belongs to, and which nodes come next when that one is
//! down or new. It is the same answer on every web server, from the save path alone: nothing is
//! stored, asked or agreed on.

pub mod ring;
