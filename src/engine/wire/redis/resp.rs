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
//! No library does this, for none keeps the rules of [`crate::wire`]. redis-protocol 6.0 follows
//! nested arrays for as long as the stack lasts, has no limit for a length, and of an incomplete
//! reply does not tell how much is missing. redis-rs 1.8 copies each value, has no limit for a
//! length either, and the decoder of incomplete input is no part of its documented interface.
//!
//! Source: the Redis documentation, "Redis serialization protocol specification".

use crate::limits::{
    REDIS_BULK_BYTES_MAX, REDIS_DEPTH_MAX, REDIS_ELEMENTS_MAX, REDIS_LINE_BYTES_MAX,
};
use crate::wire::{DecodeError, Decoded, put};

/// Encodes a command at the end of `out`: its name and what it is told, each any bytes.
pub fn encode(arguments: &[&[u8]], out: &mut Vec<u8>) {
    array(arguments.len(), out);
    arguments.iter().for_each(|argument| bulk(&[argument], out));
}

/// The beginning of a command of so many arguments, its name among them.
pub fn array(arguments: usize, out: &mut Vec<u8>) {
    out.push(b'*');
    put(arguments, out);
    out.extend_from_slice(b"\r\n");
}

/// One argument: these parts, one behind the other.
pub fn bulk(parts: &[&[u8]], out: &mut Vec<u8>) {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    out.push(b'$');
    put(bytes, out);
    out.extend_from_slice(b"\r\n");
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.extend_from_slice(b"\r\n");
}

/// One argument: a number.
pub fn integer(value: u32, out: &mut Vec<u8>) {
    bulk(&[itoa::Buffer::new().format(value).as_bytes()], out);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Replies of each kind, as Redis writes them.
    fn replies() -> Vec<(&'static [u8], Reply<'static>)> {
        use Reply::{Array, Bulk, Error, Integer, Nil, Simple};
        let server = || Array(vec![Bulk(b"::1"), Integer(6379), Bulk(b"0a1b"), Array(vec![])]);
        vec![
            (b"+OK\r\n", Simple(b"OK")),
            (b"+\r\n", Simple(b"")),
            (b"+a\tb\0\xff\r\n", Simple(b"a\tb\0\xff")),
            (b"-ERR unknown command 'a'\r\n", Error(b"ERR unknown command 'a'")),
            (b"-\r\n", Error(b"")),
            (b":0\r\n", Integer(0)),
            (b":-2\r\n", Integer(-2)),
            (b":+7\r\n", Integer(7)),
            (b":9223372036854775807\r\n", Integer(i64::MAX)),
            (b":-9223372036854775808\r\n", Integer(i64::MIN)),
            (b"$0\r\n\r\n", Bulk(b"")),
            (b"$6\r\nn|i:1;\r\n", Bulk(b"n|i:1;")),
            (b"$14\r\n\r\n+OK\r\n$-1\r\n\0\xff\r\n", Bulk(b"\r\n+OK\r\n$-1\r\n\0\xff")),
            (b"$-1\r\n", Nil),
            (b"*-1\r\n", Nil),
            (b"*0\r\n", Array(vec![])),
            (b"*1\r\n*0\r\n", Array(vec![Array(vec![])])),
            (
                b"*5\r\n+OK\r\n-NOSCRIPT no\r\n:1\r\n$-1\r\n$2\r\nab\r\n",
                Array(vec![Simple(b"OK"), Error(b"NOSCRIPT no"), Integer(1), Nil, Bulk(b"ab")]),
            ),
            (
                b"*2\r\n*3\r\n:0\r\n:8191\r\n*4\r\n$3\r\n::1\r\n:6379\r\n$4\r\n0a1b\r\n*0\r\n\
                  *3\r\n:8192\r\n:16383\r\n*4\r\n$3\r\n::1\r\n:6379\r\n$4\r\n0a1b\r\n*0\r\n",
                Array(vec![
                    Array(vec![Integer(0), Integer(8191), server()]),
                    Array(vec![Integer(8192), Integer(16383), server()]),
                ]),
            ),
        ]
    }

    /// A reply as a server writes it.
    fn bytes_of(reply: &Reply<'_>) -> Vec<u8> {
        let line = |kind: &[u8], text: &[u8]| [kind, text, b"\r\n"].concat();
        match reply {
            Reply::Simple(text) => line(b"+", text),
            Reply::Error(text) => line(b"-", text),
            Reply::Integer(number) => line(b":", number.to_string().as_bytes()),
            Reply::Bulk(value) => {
                [&line(b"$", value.len().to_string().as_bytes()), *value, b"\r\n"].concat()
            }
            Reply::Nil => line(b"$", b"-1"),
            Reply::Array(replies) => {
                let mut bytes = line(b"*", replies.len().to_string().as_bytes());
                replies.iter().for_each(|reply| bytes.extend(bytes_of(reply)));
                bytes
            }
        }
    }

    fn decoded(input: &[u8]) -> Result<Decoded<Reply<'_>>, DecodeError> {
        decode(input, &Limits::default())
    }

    fn refused(input: &[u8]) -> (usize, &'static str) {
        match decoded(input) {
            Err(DecodeError { offset, reason }) => (offset, reason),
            Ok(decoded) => panic!("{}: {decoded:?}", input.escape_ascii()),
        }
    }

    /// What `decode` says to a whole reply, to one that is within a limit or beyond it.
    fn check_limit(bytes: &[u8], limits: &Limits, is_allowed: bool, reason: &str) {
        match decode(bytes, limits) {
            Ok(Decoded::Reply { consumed, .. }) => {
                assert!(is_allowed && consumed == bytes.len(), "{}", bytes.escape_ascii());
            }
            Err(error) => assert_eq!((error.reason, is_allowed), (reason, false)),
            Ok(incomplete) => panic!("{incomplete:?}"),
        }
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let mut out = b"before".to_vec();
        encode(&[b"SET", b"a\r\nb", b"", b"\0\xff"], &mut out);
        assert_eq!(out, b"before*4\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n$2\r\n\0\xff\r\n");
        let expected = ["SET".as_bytes(), b"a\r\nb", b"", b"\0\xff"].map(Reply::Bulk).into();
        let consumed = out.len() - b"before".len();
        let whole = Decoded::Reply { reply: Reply::Array(expected), consumed };
        assert_eq!(decoded(&out[b"before".len()..]), Ok(whole));
    }

    #[test]
    fn each_reply_is_read() {
        for (bytes, reply) in replies() {
            let expected = Ok(Decoded::Reply { reply, consumed: bytes.len() });
            assert_eq!(decoded(bytes), expected, "{}", bytes.escape_ascii());
            // What follows a reply is left alone.
            for next in [&b"\r"[..], b"\r\n", b"+OK\r\n", b"\xff"] {
                assert_eq!(decoded(&[bytes, next].concat()), expected);
            }
        }
    }

    #[test]
    fn a_reply_cut_anywhere_is_incomplete() {
        for (bytes, reply) in replies() {
            let mut before = 0;
            for length in 0..bytes.len() {
                let cut = bytes[..length].escape_ascii();
                let Ok(Decoded::Incomplete { at_least }) = decoded(&bytes[..length]) else {
                    panic!("{cut} of {reply:?}: {:?}", decoded(&bytes[..length]));
                };
                assert!((length + 1..=bytes.len()).contains(&at_least), "{cut}: {at_least}");
                assert!(at_least >= before, "{cut}: {at_least}");
                before = at_least;
            }
        }
    }

    #[test]
    fn as_much_as_is_known_is_asked_for() {
        let cases: [(&[u8], usize); 9] = [
            (b"", 3),
            (b"+", 3),
            (b"+OK", 5),
            (b"+OK\r", 5),
            (b"$1000000\r\n", 1_000_012),
            (b"$1000000\r\nabc", 1_000_012),
            // Each of the elements to come has at least three bytes.
            (b"*3\r\n", 13),
            (b"*3\r\n$1000\r\n", 4 + 7 + 1002 + 6),
            (b"*3\r\n*2\r\n:1\r\n:2", 4 + 4 + 4 + 4 + 6),
        ];
        for (input, expected) in cases {
            let incomplete = Ok(Decoded::Incomplete { at_least: expected });
            assert_eq!(decoded(input), incomplete, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn random_replies_come_back() {
        fn draw<'a>(random: &mut fastrand::Rng, value: &'a [u8], depth: usize) -> Reply<'a> {
            let text = value.split(|byte| b"\r\n".contains(byte)).next().unwrap_or_default();
            match random.u8(..if depth == REDIS_DEPTH_MAX { 5 } else { 7 }) {
                0 => Reply::Simple(text),
                1 => Reply::Error(text),
                2 => Reply::Integer(random.i64(..)),
                3 => Reply::Bulk(value),
                4 => Reply::Nil,
                _ => {
                    let count = random.usize(..4);
                    Reply::Array((0..count).map(|_| draw(random, value, depth + 1)).collect())
                }
            }
        }
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let mut value = vec![0; random.usize(..40)];
            random.fill(&mut value);
            let reply = draw(&mut random, &value, 0);
            let bytes = bytes_of(&reply);
            assert_eq!(decoded(&bytes), Ok(Decoded::Reply { reply, consumed: bytes.len() }));
        }
    }

    #[test]
    fn what_is_no_reply_is_refused_where_it_goes_wrong() {
        let unknown = "an unknown reply";
        let number = "a number that is none";
        let half = "half of the end of a line";
        let long = "too long a line";
        let negative = "a negative length";
        let ending = "a value that does not end with its size";
        let cases: [(&[u8], (usize, &str)); 31] = [
            // Other protocols, and version 3 of this one.
            (b"\r\n", (0, unknown)),
            (b"OK\r\n", (0, unknown)),
            (b"ERROR\r\n", (0, unknown)),
            (b"HTTP/1.1 400 Bad Request\r\n", (0, unknown)),
            (b"\x15\x03\x03\0\x02\x02\x46", (0, unknown)),
            (b"_\r\n", (0, unknown)),
            (b">1\r\n+a\r\n", (0, unknown)),
            (b"*1\r\n%0\r\n", (4, unknown)),
            // Lines.
            (b"+OK\n", (3, half)),
            (b"+OK\rx", (3, half)),
            (b"+OK\r\r\n", (3, half)),
            (b"-ERR\n\r\n", (4, half)),
            // Numbers.
            (b":\r\n", (1, number)),
            (b":1 \r\n", (1, number)),
            (b":0x1\r\n", (1, number)),
            (b":1.5\r\n", (1, number)),
            (b":--1\r\n", (1, number)),
            (b":9223372036854775808\r\n", (1, number)),
            (b":-9223372036854775809\r\n", (1, number)),
            (b":000000000000000000001", (21, long)),
            (b"$\r\n", (1, number)),
            (b"$-2\r\n", (1, negative)),
            (b"$18446744073709551615\r\n", (1, number)),
            (b"$9223372036854775807\r\n", (1, "too large a value")),
            (b"*-2\r\n", (1, negative)),
            (b"*a\r\n", (1, number)),
            (b"*9223372036854775807\r\n", (1, "too many elements")),
            // Values.
            (b"$2\r\nabc\r\n", (6, ending)),
            (b"$2\r\nab\n\r\n", (6, ending)),
            (b"$2\r\nab\r\r\n", (6, ending)),
            (b"*2\r\n$2\r\nab\r\n$0\r\nab", (16, ending)),
        ];
        for (input, expected) in cases {
            assert_eq!(refused(input), expected, "{}", input.escape_ascii());
            // With more input it stays so, and with less it is so or not known yet.
            assert_eq!(refused(&[input, b"\r\n+OK\r\n"].concat()), expected);
            for length in 0..input.len() {
                let before = decoded(&input[..length]);
                let is_known = before == decoded(input);
                assert!(is_known || matches!(before, Ok(Decoded::Incomplete { .. })), "{before:?}");
            }
        }
    }

    #[test]
    fn random_bytes_are_never_more_than_they_are() {
        let mut random = fastrand::Rng::with_seed(2);
        let pieces: [&[u8]; 14] = [
            b"+", b"-", b":", b"$", b"*", b"*2\r\n", b"\r\n", b"\r\n", b"\r", b"1", b"0", b"-1",
            b"abc", b"\xff",
        ];
        for _ in 0..50_000 {
            let count = random.usize(..12);
            let input: Vec<u8> =
                (0..count).flat_map(|_| pieces[random.usize(..pieces.len())]).copied().collect();
            match decoded(&input) {
                Ok(Decoded::Reply { consumed, .. }) => assert!(consumed <= input.len()),
                Ok(Decoded::Incomplete { at_least }) => assert!(at_least > input.len()),
                Err(error) => assert!(error.offset < input.len(), "{}", input.escape_ascii()),
            }
        }
    }

    #[test]
    fn a_line_has_a_limit() {
        let limits = Limits { line_bytes_max: 30, ..Limits::default() };
        for (length, is_allowed) in [(29, true), (30, true), (31, false)] {
            let text = vec![b'x'; length];
            for reply in [Reply::Simple(&text), Reply::Error(&text)] {
                let bytes = bytes_of(&reply);
                check_limit(&bytes, &limits, is_allowed, "too long a line");
                // A line without an end is refused without waiting for it.
                let incomplete = Ok(Decoded::Incomplete { at_least: length + 3 });
                let too_long = Err(DecodeError { offset: 31, reason: "too long a line" });
                let expected = if is_allowed { incomplete } else { too_long };
                assert_eq!(decode(&bytes[..=length], &limits), expected);
            }
        }
    }

    #[test]
    fn a_value_has_a_limit() {
        let limits = Limits { bulk_bytes_max: 100, ..Limits::default() };
        for (length, is_allowed) in [(99, true), (100, true), (101, false)] {
            let value = vec![b'x'; length];
            let bytes = bytes_of(&Reply::Bulk(&value));
            check_limit(&bytes, &limits, is_allowed, "too large a value");
            // The line tells how much there is to read, and whether it will be.
            let line = &bytes[..bytes.len() - length - 2];
            let incomplete = Ok(Decoded::Incomplete { at_least: bytes.len() });
            let too_large = Err(DecodeError { offset: 1, reason: "too large a value" });
            assert_eq!(decode(line, &limits), if is_allowed { incomplete } else { too_large });
        }
    }

    /// Of all arrays together: not each may have so many.
    #[test]
    fn the_elements_of_a_reply_have_a_limit() {
        let limits = Limits { elements_max: 10, ..Limits::default() };
        for (count, is_allowed) in [(9, true), (10, true), (11, false)] {
            let flat = Reply::Array(vec![Reply::Nil; count]);
            check_limit(&bytes_of(&flat), &limits, is_allowed, "too many elements");
            let nested = Reply::Array(vec![
                Reply::Array(vec![Reply::Nil; 3]),
                Reply::Array(vec![Reply::Array(vec![]), Reply::Array(vec![Reply::Nil; count - 7])]),
            ]);
            check_limit(&bytes_of(&nested), &limits, is_allowed, "too many elements");
        }
    }

    #[test]
    fn arrays_within_each_other_have_a_limit() {
        let limits = Limits { depth_max: 4, ..Limits::default() };
        for (depth, is_allowed) in [(3, true), (4, true), (5, false)] {
            let nested = (0..depth).fold(Reply::Nil, |inner, _| Reply::Array(vec![inner]));
            let reason = "too many arrays within each other";
            check_limit(&bytes_of(&nested), &limits, is_allowed, reason);
        }
        // A peer cannot make the stack grow.
        let endless = b"*1\r\n".repeat(1_000_000);
        assert_eq!(refused(&endless), (4 * REDIS_DEPTH_MAX, "too many arrays within each other"));
    }

    /// Nor is anything allocated for them: there is not so much memory.
    #[test]
    fn limits_without_bound_do_not_overflow() {
        let max = usize::MAX;
        let limits =
            Limits { line_bytes_max: max, bulk_bytes_max: max, elements_max: max, depth_max: max };
        let bulk = format!("*2\r\n${}\r\n", i64::MAX);
        let array = format!("*{}\r\n*{}\r\n", i64::MAX, i64::MAX);
        for input in [bulk, array] {
            match decode(input.as_bytes(), &limits) {
                Ok(Decoded::Incomplete { at_least }) => assert!(at_least > i64::MAX as usize),
                other => panic!("{input}: {other:?}"),
            }
        }
    }
}
