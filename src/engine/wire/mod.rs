//! Wire protocols: requests to bytes, bytes to replies.
//!
//! Functions of bytes. No socket and no clock is known here, and nothing is allocated for a length
//! that a peer sent: a reply borrows from the input, and a length is compared with a limit before
//! anything is computed from it. The caller owns the buffer, reads into it until a reply is
//! [complete](Decoded::Reply) and then takes away what the reply has consumed.
//!
//! After a [`DecodeError`] nobody knows where the next reply starts: the connection has to be
//! closed.

use std::fmt;

pub mod memcached;
pub mod redis;

/// Adds a number's decimal digits.
pub(crate) fn put(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// What the input starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<R> {
    /// A whole reply.
    Reply {
        /// The reply.
        reply: R,
        /// Its length in bytes, from the start of the input.
        consumed: usize,
    },
    /// The beginning of a reply.
    Incomplete {
        /// Bytes that the reply has at least, from the start of the input: more than are there now.
        at_least: usize,
    },
}

/// Why the input is not the beginning of any reply. More input does not change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Position of the offending byte or word, in bytes from the start of the input.
    pub offset: usize,
    /// What is wrong there, without a word of what the peer sent.
    pub reason: &'static str,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.offset)
    }
}

impl std::error::Error for DecodeError {}
