//! The list of the keys that a server has, for an operator's tool.
//!
//! ```text
//! lru_crawler metadump hash     key=<key> exp=<s> la=<s> cas=<n> fetch=<word> cls=<n> size=<n>
//!                               many, each with LF behind it, and END
//!                               or BUSY <text>, or any other text
//! ```
//!
//! The words behind `key=` differ between versions, and are passed over. The key is there as in a
//! URL: all but letters, digits and `-._~` as `%HH`. The list must be asked for alone, with no
//! other request in the same write. With `hash` the server walks its hash table, so that items that
//! are used meanwhile are met as well; what is stored or deleted meanwhile may be listed or not.
//!
//! Source: memcached's `doc/protocol.txt`, "LRU_Crawler"; `crawler_metadump_eval` in its
//! `crawler.c`.

use crate::limits::{MEMCACHED_KEY_BYTES_MAX, MEMCACHED_LINE_BYTES_MAX};
use crate::wire::{DecodeError, Decoded};

/// Asks for the list.
pub const REQUEST: &[u8] = b"lru_crawler metadump hash\r\n";

/// A line of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A key, as it is written in the list.
    Key(Escaped<'a>),
    /// The end of the list.
    End,
    /// The server does something else with its items just now; a second later it may not.
    Busy,
    /// There is no list; why, in the server's words.
    Refused(&'a [u8]),
}

/// A key with `%HH` for some of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escaped<'a>(&'a [u8]);

impl Escaped<'_> {
    /// The key; none if what was sent can be no key.
    pub fn decode(self) -> Option<Vec<u8>> {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let mut key = Vec::new();
        let mut rest = self.0;
        while let Some((byte, after)) = rest.split_first() {
            let (byte, after) = match (byte, after) {
                (b'%', [high, low, after @ ..]) => (digit(*high)? << 4 | digit(*low)?, after),
                (b'%', _) => return None,
                _ => (*byte, after),
            };
            key.push(byte);
            rest = after;
        }
        (1..=MEMCACHED_KEY_BYTES_MAX).contains(&key.len()).then_some(key)
    }
}

/// Decodes one line from the start of `input`.
///
/// # Errors
/// [`DecodeError`]: what is there is no line of a list.
pub fn decode(input: &[u8]) -> Result<Decoded<Line<'_>>, DecodeError> {
    // The CR of the lines that have one is no part of the line.
    let seen = &input[..input.len().min(MEMCACHED_LINE_BYTES_MAX + 2)];
    let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
        return match input.len() < MEMCACHED_LINE_BYTES_MAX + 2 {
            true => Ok(Decoded::Incomplete { at_least: input.len() + 1 }),
            false => {
                let offset = MEMCACHED_LINE_BYTES_MAX;
                Err(DecodeError { offset, reason: "too long a line" })
            }
        };
    };
    let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
    if let Some(offset) = line.iter().position(u8::is_ascii_control) {
        return Err(DecodeError { offset, reason: "a control byte in a line" });
    }
    let word = line.split(|byte| *byte == b' ').next().expect("split gives something");
    let line = match word.strip_prefix(b"key=") {
        Some(key) => Line::Key(Escaped(key)),
        None if line == b"END" => Line::End,
        None if word == b"BUSY" => Line::Busy,
        None => Line::Refused(line),
    };
    Ok(Decoded::Reply { reply: line, consumed: end + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8]) -> Line<'_> {
        match decode(bytes) {
            Ok(Decoded::Reply { reply, consumed }) if consumed == bytes.len() => reply,
            other => panic!("{}: {other:?}", bytes.escape_ascii()),
        }
    }

    /// As memcached 1.6.18 writes them.
    const LINES: [(&[u8], Line<'static>); 6] = [
        (
            b"key=sc%3Ar%3Aabc exp=1795395441 la=1795395341 cas=1 fetch=no cls=1 size=70\n",
            Line::Key(Escaped(b"sc%3Ar%3Aabc")),
        ),
        (b"key=a exp=-1\n", Line::Key(Escaped(b"a"))),
        (b"END\r\n", Line::End),
        (b"BUSY currently processing crawler request\r\n", Line::Busy),
        (
            b"CLIENT_ERROR lru crawler disabled\r\n",
            Line::Refused(b"CLIENT_ERROR lru crawler disabled"),
        ),
        (b"\r\n", Line::Refused(b"")),
    ];

    #[test]
    fn each_line_is_known_and_each_cut_is_incomplete() {
        for (bytes, expected) in LINES {
            assert_eq!(line(bytes), expected);
            for length in 0..bytes.len() {
                let incomplete = Ok(Decoded::Incomplete { at_least: length + 1 });
                assert_eq!(decode(&bytes[..length]), incomplete);
            }
            let followed = [bytes, b"END\r\n"].concat();
            let reply = Decoded::Reply { reply: expected, consumed: bytes.len() };
            assert_eq!(decode(&followed), Ok(reply));
        }
    }

    #[test]
    fn a_line_has_a_limit_and_no_control_bytes() {
        let of = |length| [vec![b'x'; length], b"\r\n".to_vec()].concat();
        let longest = of(MEMCACHED_LINE_BYTES_MAX);
        assert_eq!(line(&longest), Line::Refused(&longest[..MEMCACHED_LINE_BYTES_MAX]));
        let too_long = of(MEMCACHED_LINE_BYTES_MAX + 1);
        let error = DecodeError { offset: MEMCACHED_LINE_BYTES_MAX, reason: "too long a line" };
        assert_eq!(decode(&too_long), Err(error));
        assert_eq!(decode(&vec![b'x'; 1 << 20]), Err(error));
        let error = DecodeError { offset: 5, reason: "a control byte in a line" };
        assert_eq!(decode(b"key=a\0\n"), Err(error));
    }

    #[test]
    fn a_key_is_what_was_stored() {
        let decoded = |key| Escaped(key).decode();
        assert_eq!(decoded(b"sc%3Ar%3aabc-._~"), Some(b"sc:r:abc-._~".to_vec()));
        assert_eq!(decoded(b"%00%ff%0A"), Some(vec![0, 255, 10]));
        for wrong in [&b""[..], b"%", b"%3", b"a%3", b"%3g", b"%%41", b"%+1"] {
            assert_eq!(decoded(wrong), None, "{}", wrong.escape_ascii());
        }
        let most = b"%41".repeat(MEMCACHED_KEY_BYTES_MAX);
        assert_eq!(decoded(&most), Some(vec![b'A'; MEMCACHED_KEY_BYTES_MAX]));
        assert_eq!(decoded(&[&most[..], b"x"].concat()), None);
    }
}
