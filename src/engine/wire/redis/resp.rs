//! RESP2, the protocol of Redis and Valkey.
//!
//! ```text
//! command    *<count> and so many bulk strings
//! reply      +<text>                a simple string
//!            -<text>                an error
//!            :<number>              an integer of 64 bits with sign
//!            $<bytes> and a value   a bulk string; $-1 for nil
//!            *<count> and replies   an array; *-1 for nil
//! ```
//!
//! Lines and values end with CR LF. A value may hold any bytes; its length says where it ends.
//! Replies come in the order of the commands. RESP3 has more kinds of them, for those who ask for
//! it with `HELLO 3`.
//!
//! Source: the Redis documentation, "Redis serialization protocol specification".

use crate::limits::{
    REDIS_BULK_BYTES_MAX, REDIS_DEPTH_MAX, REDIS_ELEMENTS_MAX, REDIS_LINE_BYTES_MAX,
};
use crate::wire::{DecodeError, Decoded};
use std::io::Write;

/// Encodes a command at the end of `out`: its name and what it is told, each any bytes.
pub fn encode(arguments: &[&[u8]], out: &mut Vec<u8>) {
    array(arguments.len(), out);
    arguments.iter().for_each(|argument| bulk(&[argument], out));
}

/// The beginning of a command of so many arguments, its name among them.
pub fn array(arguments: usize, out: &mut Vec<u8>) {
    write!(out, "*{arguments}\r\n").expect("a Vec takes all that is written");
}

/// One argument: these parts, one behind the other.
pub fn bulk(parts: &[&[u8]], out: &mut Vec<u8>) {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    write!(out, "${bytes}\r\n").expect("a Vec takes all that is written");
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.extend_from_slice(b"\r\n");
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A state, like `OK`.
    Simple(&'a [u8]),
    /// It was not done. [`super::ErrorCode::of`] says why.
    Error(&'a [u8]),
    /// A number.
    Integer(i64),
    /// A value.
    Bulk(&'a [u8]),
    /// There is no value, or no array.
    Nil,
    /// Several replies, of which each may be an error.
    Array(Vec<Reply<'a>>),
}

/// How much of a peer's reply is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest line, in bytes without its end and the byte that says what it is.
    pub line_bytes_max: usize,
    /// Largest bulk string, in bytes without its end.
    pub bulk_bytes_max: usize,
    /// Elements of all arrays of one reply together, at most.
    pub elements_max: usize,
    /// Arrays within each other, at most.
    pub depth_max: usize,
}

impl Default for Limits {
    /// What the largest replies need to what we ask.
    fn default() -> Self {
        Self {
            line_bytes_max: REDIS_LINE_BYTES_MAX,
            bulk_bytes_max: REDIS_BULK_BYTES_MAX,
            elements_max: REDIS_ELEMENTS_MAX,
            depth_max: REDIS_DEPTH_MAX,
        }
    }
}

/// Decodes one reply from the start of `input`.
///
/// An array is begun anew each time, so it costs as much as has arrived of it; a bulk string costs
/// its line.
///
/// # Errors
/// [`DecodeError`]: what is there is no reply, or goes beyond `limits`.
pub fn decode<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<Reply<'a>>, DecodeError> {
    let mut decoder = Decoder { input, limits, position: 0, elements: 0 };
    match decoder.reply(0) {
        Ok(reply) => Ok(Decoded::Reply { reply, consumed: decoder.position }),
        Err(Stop::Incomplete { at_least }) => Ok(Decoded::Incomplete { at_least }),
        Err(Stop::Invalid(error)) => Err(error),
    }
}

/// Bytes of the shortest reply: `+` and the end of the line.
const REPLY_BYTES_MIN: usize = 3;

/// Digits and sign of the longest number: -9223372036854775808.
const NUMBER_BYTES_MAX: usize = 20;

/// Why there is no reply.
enum Stop {
    Incomplete { at_least: usize },
    Invalid(DecodeError),
}

struct Decoder<'a, 'l> {
    input: &'a [u8],
    limits: &'l Limits,
    /// Up to here the input is decoded.
    position: usize,
    /// The elements of all arrays so far, whether they have arrived or not.
    elements: usize,
}

impl<'a> Decoder<'a, '_> {
    /// The next reply, which is in so many arrays.
    fn reply(&mut self, depth: usize) -> Result<Reply<'a>, Stop> {
        let Some(kind) = self.input.get(self.position) else {
            return Err(Stop::Incomplete { at_least: self.position + REPLY_BYTES_MIN });
        };
        match kind {
            b'+' => Ok(Reply::Simple(self.line(self.limits.line_bytes_max)?)),
            b'-' => Ok(Reply::Error(self.line(self.limits.line_bytes_max)?)),
            b':' => Ok(Reply::Integer(self.number()?)),
            b'$' => match self.length(self.limits.bulk_bytes_max, "too large a value")? {
                Some(bytes) => Ok(Reply::Bulk(self.value(bytes)?)),
                None => Ok(Reply::Nil),
            },
            b'*' => {
                let offset = self.position;
                if depth == self.limits.depth_max {
                    return Err(invalid(offset, "too many arrays within each other"));
                }
                let left = self.limits.elements_max - self.elements;
                match self.length(left, "too many elements")? {
                    Some(elements) => Ok(Reply::Array(self.array(elements, depth)?)),
                    None => Ok(Reply::Nil),
                }
            }
            _ => Err(invalid(self.position, "an unknown reply")),
        }
    }

    /// So many replies.
    fn array(&mut self, count: usize, depth: usize) -> Result<Vec<Reply<'a>>, Stop> {
        self.elements += count;
        let mut replies = Vec::new();
        for left in (0..count).rev() {
            replies.push(self.reply(depth + 1).map_err(|stop| match stop {
                Stop::Incomplete { at_least } => {
                    let at_least = at_least.saturating_add(left.saturating_mul(REPLY_BYTES_MIN));
                    Stop::Incomplete { at_least }
                }
                invalid @ Stop::Invalid(_) => invalid,
            })?);
        }
        Ok(replies)
    }

    /// A value of so many bytes, and its end.
    fn value(&mut self, bytes: usize) -> Result<&'a [u8], Stop> {
        let start = self.position;
        let end = start.saturating_add(bytes);
        let consumed = end.saturating_add(2);
        if self.input.len() < consumed {
            return Err(Stop::Incomplete { at_least: consumed });
        }
        if self.input[end..consumed] != *b"\r\n" {
            return Err(invalid(end, "a value that does not end with its size"));
        }
        self.position = consumed;
        Ok(&self.input[start..end])
    }

    /// A length up to `max`; none for -1.
    fn length(&mut self, max: usize, beyond: &'static str) -> Result<Option<usize>, Stop> {
        let offset = self.position + 1;
        match self.number()? {
            -1 => Ok(None),
            number if number < 0 => Err(invalid(offset, "a negative length")),
            number => match usize::try_from(number) {
                Ok(length) if length <= max => Ok(Some(length)),
                _ => Err(invalid(offset, beyond)),
            },
        }
    }

    /// The number in a line.
    fn number(&mut self) -> Result<i64, Stop> {
        let offset = self.position + 1;
        let digits = self.line(self.limits.line_bytes_max.min(NUMBER_BYTES_MAX))?;
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| invalid(offset, "a number that is none"))
    }

    /// A line without its first byte and its end.
    fn line(&mut self, bytes_max: usize) -> Result<&'a [u8], Stop> {
        let start = self.position + 1;
        let rest = &self.input[start..];
        let seen = &rest[..rest.len().min(bytes_max.saturating_add(1))];
        let bytes = seen.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let bytes = bytes.unwrap_or(seen.len());
        if bytes > bytes_max {
            return Err(invalid(start + bytes_max, "too long a line"));
        }
        let end = start + bytes;
        match rest[bytes..] {
            [] | [b'\r'] => Err(Stop::Incomplete { at_least: end + 2 }),
            [b'\r', b'\n', ..] => {
                self.position = end + 2;
                Ok(&rest[..bytes])
            }
            _ => Err(invalid(end, "half of the end of a line")),
        }
    }
}

fn invalid(offset: usize, reason: &'static str) -> Stop {
    Stop::Invalid(DecodeError { offset, reason })
}
