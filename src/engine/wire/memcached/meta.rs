//! memcached's meta protocol: what we ask, and what a server answers.
//!
//! ```text
//! request                                            reply
//! mg <key> v c t O<n>                                VA <bytes> c<cas> t<seconds> O<n> + value
//!                                                    or EN O<n>
//! mg <key> T<ttl> c O<n>                             HD c<cas> O<n>  or EN O<n>
//! ms <key> <bytes> T<ttl> ME c O<n> + value          HD c<cas> O<n>  or NS O<n>
//! ms <key> <bytes> T<ttl> C<cas> c O<n> + value      HD c<cas> O<n>  or EX O<n>  or NF O<n>
//! md <key> C<cas> O<n>                               HD O<n>         or EX O<n>  or NF O<n>
//! md <key> C<cas> q O<n>                             nothing         or EX O<n>  or NF O<n>
//! mn                                                 MN
//! version                                            VERSION <text>
//! stats settings, stats                              STAT <name> <text>, many, and END
//! any of them                                        ERROR, ERROR <text>, CLIENT_ERROR <text>
//!                                                    or SERVER_ERROR <text>
//! ```
//!
//! Lines and values end with CR LF. A value may hold any bytes; its length says where it ends. What
//! follows the fixed words of a line are flags, a letter and what belongs to it, in any order:
//!
//! * *c* and *C*: the item's [`Cas`], told and compared.
//! * *t* and *T*: the time it has left, and the [`Ttl`] it gets.
//! * *v*: the value is wanted. *ME*: add, never replace. *q*: be quiet when it is done.
//! * *O*: the request's [`Opaque`], which its reply repeats.
//!
//! Replies come in the order of the requests. But a quiet request may have none, and connections go
//! wrong in ways of their own, so [`Reply::answers`] tells whether a reply can be a request's.
//!
//! Every change has a condition: an item is stored where none is or over the version that was read,
//! and no other version than that is deleted. A change without a condition cannot be written.
//!
//! Source: memcached's `doc/protocol.txt`, "Meta Commands" to "Meta No-Op", "Error strings",
//! "Settings statistics", "General-purpose statistics", "Other commands".

use super::{Cas, Key, Ttl};
use crate::limits::{MEMCACHED_FLAGS_MAX, MEMCACHED_LINE_BYTES_MAX, MEMCACHED_VALUE_BYTES_MAX};
use crate::wire::{DecodeError, Decoded, put};
use std::time::Duration;

/// The number of a request. Its reply repeats it, so that a reply is never taken for another
/// request's. Requests of one connection count upwards; when the number wraps around, after four
/// billions, the reply of its last use is long gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opaque(pub u32);

/// What a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// The value of an item, its CAS and the time it has left.
    Get {
        /// The item.
        key: Key<'a>,
        /// What else is to be had.
        wants: Wants,
        /// Comes back with the reply.
        opaque: Opaque,
    },
    /// A new time to live for an item. Its CAS stays, and the reply tells it.
    Touch {
        /// The item.
        key: Key<'a>,
        /// From now on.
        ttl: Ttl,
        /// Comes back with the reply.
        opaque: Opaque,
    },
    /// Stores a value on a condition.
    ///
    /// A set that fails for [want of room](super::ServerError) removes the item that is there,
    /// whatever the condition says (source: `process_mset_command` in memcached's `proto_text.c`).
    /// So what is too large must not be sent: [`Key::item_bytes`] tells.
    Set {
        /// The item.
        key: Key<'a>,
        /// Its new value.
        value: &'a [u8],
        /// How long it is kept.
        ttl: Ttl,
        /// When it is stored at all.
        condition: Condition,
        /// Comes back with the reply.
        opaque: Opaque,
    },
    /// Deletes an item that has still this CAS.
    Delete {
        /// The item.
        key: Key<'a>,
        /// The version that is deleted.
        cas: Cas,
        /// No reply when it was deleted.
        is_quiet: bool,
        /// Comes back with the reply.
        opaque: Opaque,
    },
    /// Nothing: its reply comes after those of all requests before.
    Noop,
    /// The version of the server.
    Version,
    /// The settings of the server, [`Reply::Stat`] by [`Reply::Stat`]; [`Reply::End`] is the last.
    Settings,
    /// What the server has counted, likewise.
    Statistics,
}

impl Request<'_> {
    /// The same request with another number.
    pub fn numbered(mut self, number: Opaque) -> Self {
        match &mut self {
            Self::Get { opaque, .. }
            | Self::Touch { opaque, .. }
            | Self::Set { opaque, .. }
            | Self::Delete { opaque, .. } => *opaque = number,
            Self::Noop | Self::Version | Self::Settings | Self::Statistics => {}
        }
        self
    }

    /// The same request about no item in particular: enough to tell its reply when it comes.
    pub fn without_payload(&self) -> Request<'static> {
        let key = Key::NONE;
        match *self {
            Self::Get { wants, opaque, .. } => Request::Get { key, wants, opaque },
            Self::Touch { ttl, opaque, .. } => Request::Touch { key, ttl, opaque },
            Self::Set { ttl, condition, opaque, .. } => {
                Request::Set { key, value: b"", ttl, condition, opaque }
            }
            Self::Delete { cas, is_quiet, opaque, .. } => {
                Request::Delete { key, cas, is_quiet, opaque }
            }
            Self::Noop => Request::Noop,
            Self::Version => Request::Version,
            Self::Settings => Request::Settings,
            Self::Statistics => Request::Statistics,
        }
    }

    /// Whether there may be no reply.
    pub fn is_quiet(&self) -> bool {
        matches!(self, Self::Delete { is_quiet: true, .. })
    }
}

/// What is to be had of an item besides its value and its CAS. Only a Redis has to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// No more.
    Value,
    /// The time that it has left.
    Life,
    /// That the server watches the lock that is asked for before it, until the item is written.
    Watch,
}

/// When [`Request::Set`] stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no such item. Otherwise [`Reply::Ns`].
    Absent,
    /// The item has still this CAS. Otherwise [`Reply::Ex`], or [`Reply::Nf`] when it is gone.
    Unchanged(Cas),
}

/// Encodes `request` at the end of `out`.
pub fn encode(request: &Request<'_>, out: &mut Vec<u8>) {
    let mut words = |words: &[&str]| {
        words.iter().for_each(|word| out.extend_from_slice(word.as_bytes()));
    };
    match *request {
        Request::Get { key, opaque, .. } => {
            words(&["mg ", key.as_str(), " v c t O"]);
            put(opaque.0, out);
        }
        Request::Touch { key, ttl, opaque } => {
            words(&["mg ", key.as_str(), " T"]);
            put(u32::from(ttl), out);
            out.extend_from_slice(b" c O");
            put(opaque.0, out);
        }
        Request::Set { key, value, ttl, condition, opaque } => {
            words(&["ms ", key.as_str(), " "]);
            put(value.len(), out);
            out.extend_from_slice(b" T");
            put(u32::from(ttl), out);
            match condition {
                Condition::Absent => out.extend_from_slice(b" ME"),
                Condition::Unchanged(cas) => {
                    out.extend_from_slice(b" C");
                    put(u64::from(cas), out);
                }
            }
            out.extend_from_slice(b" c O");
            put(opaque.0, out);
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(value);
        }
        Request::Delete { key, cas, is_quiet, opaque } => {
            words(&["md ", key.as_str(), " C"]);
            put(u64::from(cas), out);
            out.extend_from_slice(if is_quiet { b" q O" } else { b" O" });
            put(opaque.0, out);
        }
        Request::Noop => words(&["mn"]),
        Request::Version => words(&["version"]),
        Request::Settings => words(&["stats settings"]),
        Request::Statistics => words(&["stats"]),
    }
    out.extend_from_slice(b"\r\n");
}

/// What a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Done.
    Hd(Flags),
    /// The item's value.
    Va {
        /// The value.
        value: &'a [u8],
        /// What else is told about the item.
        flags: Flags,
    },
    /// Nothing to get: there is no such item.
    En(Flags),
    /// Not found: there is no such item to change.
    Nf(Flags),
    /// Not stored: there is such an item.
    Ns(Flags),
    /// Exists: the item has another CAS.
    Ex(Flags),
    /// The answer to [`Request::Noop`].
    Mn,
    /// The server's version, as it writes it.
    Version(&'a [u8]),
    /// One of the server's settings.
    Stat {
        /// Its name.
        name: &'a [u8],
        /// Its value, as the server writes it.
        text: &'a [u8],
    },
    /// The end of the settings.
    End,
    /// The server does not know the request. Or, with a text, it does not want us: "Too many open
    /// connections" is what a full one says to whatever comes next, before it closes.
    Error(&'a [u8]),
    /// The server does not understand the request.
    ClientError(&'a [u8]),
    /// The server could not do it. [`super::ServerError::of`] says why.
    ServerError(&'a [u8]),
}

/// What a reply tells beside its code. What we do not know is passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The number of the request that is answered.
    pub opaque: Option<Opaque>,
    /// The item's CAS after the request. Of a server without CAS: none.
    pub cas: Option<Cas>,
    /// The time that the item has left, in whole seconds; [`Duration::MAX`] when it has no end.
    pub time_left: Option<Duration>,
}

impl Reply<'_> {
    /// Whether this can be the reply to `request`. If it cannot, it may be the next request's where
    /// `request` is quiet; otherwise the connection is not to be trusted any more.
    ///
    /// Errors have no opaque and answer every request. A miss without one is believed as well:
    /// memcached repeats it there from 1.6.18 on.
    pub fn answers(&self, request: &Request<'_>) -> bool {
        match (request, self) {
            (_, Reply::Error(_) | Reply::ClientError(_) | Reply::ServerError(_))
            | (
                Request::Get { .. } | Request::Touch { .. },
                Reply::En(Flags { opaque: None, .. }),
            )
            | (Request::Noop, Reply::Mn)
            | (Request::Version, Reply::Version(_))
            | (Request::Settings | Request::Statistics, Reply::Stat { .. } | Reply::End) => true,

            (Request::Get { opaque, .. }, Reply::Va { flags, .. } | Reply::En(flags))
            | (Request::Touch { opaque, .. }, Reply::Hd(flags) | Reply::En(flags))
            | (
                Request::Set { condition: Condition::Absent, opaque, .. },
                Reply::Hd(flags) | Reply::Ns(flags),
            )
            | (
                Request::Set { condition: Condition::Unchanged(_), opaque, .. },
                Reply::Hd(flags) | Reply::Ex(flags) | Reply::Nf(flags),
            )
            | (Request::Delete { is_quiet: false, opaque, .. }, Reply::Hd(flags))
            | (Request::Delete { opaque, .. }, Reply::Ex(flags) | Reply::Nf(flags)) => {
                flags.opaque == Some(*opaque)
            }

            _ => false,
        }
    }
}

/// The first memcached whose meta protocol is what it is now.
///
/// Before 1.6.10 it was an experiment with other words; before 1.6.13 `md` refuses even the right
/// CAS. Source: memcached's release notes of these two, and its issue 844.
const FIRST_VERSION: [u64; 3] = [1, 6, 13];

/// The first memcached that repeats a request's number in a miss as well. Source: its release
/// notes.
const FIRST_WITH_NUMBERED_MISSES: [u64; 3] = [1, 6, 18];

/// Whether a server of this version repeats the number of a request in a miss. What has no version
/// number is expected to: a miss that may be another request's is worse than an error.
pub fn numbers_misses(version: &[u8]) -> bool {
    version_number(version).is_none_or(|number| number >= FIRST_WITH_NUMBERED_MISSES)
}

/// Whether a server speaks this protocol, by its answers to [`Request::Version`] and
/// [`Request::Noop`].
///
/// Its own word counts, since proxies and others (MySQL) have version numbers of their own; only an
/// old memcached is not believed.
pub fn is_spoken(version: &Reply<'_>, noop: &Reply<'_>) -> bool {
    let is_old = match version {
        Reply::Version(text) => version_number(text).is_some_and(|number| number < FIRST_VERSION),
        _ => false,
    };
    *noop == Reply::Mn && !is_old
}

/// The numbers in a text like `1.6.18`, whatever follows them.
fn version_number(text: &[u8]) -> Option<[u64; 3]> {
    let mut numbers = text.split(|byte| *byte == b'.').map(|part| {
        let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
        number(&part[..digits])
    });
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// How much of a peer's reply is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest line, in bytes without its end.
    pub line_bytes_max: usize,
    /// Flags of one reply, at most.
    pub flags_max: usize,
    /// Largest value, in bytes without its end.
    pub value_bytes_max: usize,
}

impl Default for Limits {
    /// What a memcached server can send.
    fn default() -> Self {
        Self {
            line_bytes_max: MEMCACHED_LINE_BYTES_MAX,
            flags_max: MEMCACHED_FLAGS_MAX,
            value_bytes_max: MEMCACHED_VALUE_BYTES_MAX,
        }
    }
}

/// Decodes one reply from the start of `input`.
///
/// # Errors
/// [`DecodeError`]: what is there is no reply, or goes beyond `limits`.
pub fn decode<'a>(input: &'a [u8], limits: &Limits) -> Result<Decoded<Reply<'a>>, DecodeError> {
    let line_end = line_end(input, limits.line_bytes_max)?;
    let line_bytes = line_end + 2;
    if input.len() < line_bytes {
        return Ok(Decoded::Incomplete { at_least: line_bytes });
    }
    let (code, rest) = split_word(&input[..line_end]);
    let words = || words(&input[..line_end], code.len());
    let reply = match code {
        b"VA" => return decode_value(input, line_bytes, words(), limits),
        b"HD" => Reply::Hd(Flags::decode(words(), limits)?),
        b"EN" => Reply::En(Flags::decode(words(), limits)?),
        b"NF" => Reply::Nf(Flags::decode(words(), limits)?),
        b"NS" => Reply::Ns(Flags::decode(words(), limits)?),
        b"EX" => Reply::Ex(Flags::decode(words(), limits)?),
        b"MN" if rest.is_empty() => Reply::Mn,
        b"VERSION" => Reply::Version(rest),
        b"STAT" => {
            let (name, text) = split_word(rest);
            Reply::Stat { name, text }
        }
        b"END" if rest.is_empty() => Reply::End,
        b"ERROR" => Reply::Error(rest),
        b"CLIENT_ERROR" => Reply::ClientError(rest),
        b"SERVER_ERROR" => Reply::ServerError(rest),
        _ => return Err(DecodeError { offset: 0, reason: "an unknown reply" }),
    };
    Ok(Decoded::Reply { reply, consumed: line_bytes })
}

/// Where the line ends, or, if that is still to come, how far it has come.
///
/// The first control byte has to be the CR of its end. So a server that speaks something else is
/// mostly known at once, without waiting for the end of a line.
fn line_end(input: &[u8], bytes_max: usize) -> Result<usize, DecodeError> {
    let seen = &input[..input.len().min(bytes_max.saturating_add(1))];
    let end = seen.iter().position(u8::is_ascii_control).unwrap_or(seen.len());
    if end > bytes_max {
        return Err(DecodeError { offset: bytes_max, reason: "too long a line" });
    }
    match input[end..] {
        [] | [b'\r'] | [b'\r', b'\n', ..] => Ok(end),
        _ => Err(DecodeError { offset: end, reason: "a control byte in a line" }),
    }
}

/// Decodes the reply `VA`, whose value starts at `start`. The words are those behind `VA`.
fn decode_value<'a>(
    input: &'a [u8],
    start: usize,
    mut words: impl Iterator<Item = (usize, &'a [u8])>,
    limits: &Limits,
) -> Result<Decoded<Reply<'a>>, DecodeError> {
    // Without a size, the line's end stands where it should be.
    let (offset, size) = words.next().unwrap_or((start - 2, b""));
    let size = number(size).ok_or(DecodeError { offset, reason: "a size that is no number" })?;
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= limits.value_bytes_max)
        .ok_or(DecodeError { offset, reason: "too large a value" })?;
    let flags = Flags::decode(words, limits)?;

    let end = start.saturating_add(size);
    let consumed = end.saturating_add(2);
    if input.len() < consumed {
        return Ok(Decoded::Incomplete { at_least: consumed });
    }
    if input[end..consumed] != *b"\r\n" {
        return Err(DecodeError { offset: end, reason: "a value that does not end with its size" });
    }
    Ok(Decoded::Reply { reply: Reply::Va { value: &input[start..end], flags }, consumed })
}

impl Flags {
    /// Decodes words of a line, each with its offset.
    fn decode<'a>(
        words: impl Iterator<Item = (usize, &'a [u8])>,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let mut flags = Self::default();
        // A letter comes once, as in requests. Twice, it would not say which of the two is meant.
        let mut is_taken = [false; 256];
        for (count, (offset, word)) in words.enumerate() {
            let error = |reason| DecodeError { offset, reason };
            if count == limits.flags_max {
                return Err(error("too many flags"));
            }
            let (letter, token) = word.split_first().expect("a word is not empty");
            if std::mem::replace(&mut is_taken[usize::from(*letter)], true) {
                return Err(error("a flag that came before"));
            }
            let as_number = || number(token).ok_or_else(|| error("a flag that is no number"));
            match letter {
                b'O' => {
                    let opaque = u32::try_from(as_number()?);
                    flags.opaque = Some(Opaque(opaque.map_err(|_| error("a foreign opaque"))?));
                }
                b'c' => flags.cas = Cas::new(as_number()?),
                b't' if token == b"-1" => flags.time_left = Some(Duration::MAX),
                b't' => flags.time_left = Some(Duration::from_secs(as_number()?)),
                _ => {}
            }
        }
        Ok(flags)
    }
}

/// The first word of `text` and what follows, without the spaces around it.
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    (&text[..end], text[end..].trim_ascii())
}

/// The words of `line` from `start` on, each with its offset. There may be more spaces than needed:
/// memcached before 1.6.18 writes some.
fn words(line: &[u8], start: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let mut next = start;
    line[start..].split(|byte| *byte == b' ').filter_map(move |word| {
        let offset = next;
        next += word.len() + 1;
        (!word.is_empty()).then_some((offset, word))
    })
}

/// The number that `digits` spell.
fn number(digits: &[u8]) -> Option<u64> {
    // str::parse would take a sign as well.
    let is_number = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPAQUE: Opaque = Opaque(7);

    fn key() -> Key<'static> {
        Key::new(b"sess:0a").expect("valid")
    }

    fn cas(number: u64) -> Cas {
        Cas::new(number).expect("not 0")
    }

    /// All requests, with the line that each becomes.
    fn requests() -> [(Request<'static>, &'static str); 10] {
        let (key, opaque, cas) = (key(), OPAQUE, cas(u64::MAX));
        let ttl = Ttl::new(Duration::from_secs(5), || std::time::SystemTime::UNIX_EPOCH);
        let set = |value, condition| Request::Set { key, value, ttl, condition, opaque };
        let delete = |is_quiet| Request::Delete { key, cas, is_quiet, opaque };
        [
            (Request::Get { key, wants: Wants::Life, opaque }, "mg sess:0a v c t O7\r\n"),
            (Request::Touch { key, ttl: Ttl::UNLIMITED, opaque }, "mg sess:0a T0 c O7\r\n"),
            (set(b"", Condition::Absent), "ms sess:0a 0 T5 ME c O7\r\n\r\n"),
            (
                set(b"a\r\nmn\r\n", Condition::Unchanged(cas)),
                "ms sess:0a 7 T5 C18446744073709551615 c O7\r\na\r\nmn\r\n\r\n",
            ),
            (delete(false), "md sess:0a C18446744073709551615 O7\r\n"),
            (delete(true), "md sess:0a C18446744073709551615 q O7\r\n"),
            (Request::Noop, "mn\r\n"),
            (Request::Version, "version\r\n"),
            (Request::Settings, "stats settings\r\n"),
            (Request::Statistics, "stats\r\n"),
        ]
    }

    fn flags(opaque: u32) -> Flags {
        Flags { opaque: Some(Opaque(opaque)), ..Flags::default() }
    }

    /// Replies of each kind, as memcached 1.6 writes them.
    fn replies() -> Vec<(&'static [u8], Reply<'static>)> {
        let none = Flags::default();
        let of_7 = flags(7);
        let stored = Flags { cas: Cas::new(12), ..of_7 };
        let lasting = Flags { time_left: Some(Duration::MAX), ..stored };
        let ending = Flags { time_left: Some(Duration::from_secs(1440)), ..stored };
        let largest = Flags { cas: Cas::new(u64::MAX), ..flags(u32::MAX) };
        let va = |value, flags| Reply::Va { value, flags };
        let stat = |name, text| Reply::Stat { name, text };
        vec![
            (b"HD\r\n", Reply::Hd(none)),
            (b"HD O7\r\n", Reply::Hd(of_7)),
            (b"HD c12 O7\r\n", Reply::Hd(stored)),
            (b"HD c18446744073709551615 O4294967295\r\n", Reply::Hd(largest)),
            (b"VA 0 c12 t-1 O7\r\n\r\n", va(b"", lasting)),
            (b"VA 6 c12 t1440 O7\r\nn|i:1;\r\n", va(b"n|i:1;", ending)),
            (b"VA 12 O7\r\n\r\nEN\r\nEN\0\xff\r\n\r\n", va(b"\r\nEN\r\nEN\0\xff\r\n", of_7)),
            (b"EN\r\n", Reply::En(none)),
            (b"EN O7\r\n", Reply::En(of_7)),
            (b"EN O70\r\n", Reply::En(flags(70))),
            (b"NF O7\r\n", Reply::Nf(of_7)),
            (b"NS O7\r\n", Reply::Ns(of_7)),
            (b"EX O7\r\n", Reply::Ex(of_7)),
            (b"MN\r\n", Reply::Mn),
            (b"VERSION 1.6.18\r\n", Reply::Version(b"1.6.18")),
            (b"STAT item_size_max 1048576\r\n", stat(b"item_size_max", b"1048576")),
            (b"STAT inter a b\r\n", stat(b"inter", b"a b")),
            (b"END\r\n", Reply::End),
            (b"ERROR\r\n", Reply::Error(b"")),
            (b"ERROR Too many open connections\r\n", Reply::Error(b"Too many open connections")),
            (b"CLIENT_ERROR bad data chunk\r\n", Reply::ClientError(b"bad data chunk")),
            (b"SERVER_ERROR out of memory\r\n", Reply::ServerError(b"out of memory")),
            (b"SERVER_ERROR %n\xc3\xa4\r\n", Reply::ServerError(b"%n\xc3\xa4")),
        ]
    }

    /// A reply as a server writes it.
    fn bytes_of(reply: &Reply<'_>) -> Vec<u8> {
        let with_flags = |code: &str, flags: &Flags| {
            let cas = flags.cas.map(|cas| format!(" c{cas}"));
            let time_left = flags.time_left.map(|left| match left {
                Duration::MAX => " t-1".to_owned(),
                left => format!(" t{}", left.as_secs()),
            });
            let opaque = flags.opaque.map(|opaque| format!(" O{}", opaque.0));
            let flags = [cas, time_left, opaque].map(Option::unwrap_or_default).concat();
            format!("{code}{flags}\r\n").into_bytes()
        };
        let with_text = |code: &[u8], text: &[u8]| {
            let space: &[u8] = if text.is_empty() { b"" } else { b" " };
            [code, space, text, b"\r\n"].concat()
        };
        match reply {
            Reply::Hd(flags) => with_flags("HD", flags),
            Reply::Va { value, flags } => {
                let line = with_flags(&format!("VA {}", value.len()), flags);
                [&line, *value, b"\r\n"].concat()
            }
            Reply::En(flags) => with_flags("EN", flags),
            Reply::Nf(flags) => with_flags("NF", flags),
            Reply::Ns(flags) => with_flags("NS", flags),
            Reply::Ex(flags) => with_flags("EX", flags),
            Reply::Mn => with_text(b"MN", b""),
            Reply::Version(text) => with_text(b"VERSION", text),
            Reply::Stat { name, text } => [b"STAT ", *name, b" ", *text, b"\r\n"].concat(),
            Reply::End => with_text(b"END", b""),
            Reply::Error(text) => with_text(b"ERROR", text),
            Reply::ClientError(text) => with_text(b"CLIENT_ERROR", text),
            Reply::ServerError(text) => with_text(b"SERVER_ERROR", text),
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

    #[test]
    fn each_request_has_its_bytes() {
        for (request, expected) in requests() {
            let mut out = b"before".to_vec();
            encode(&request, &mut out);
            assert_eq!(String::from_utf8(out).expect("ASCII"), format!("before{expected}"));
        }
    }

    #[test]
    fn each_reply_is_read_and_written_back() {
        for (bytes, reply) in replies() {
            let expected = Ok(Decoded::Reply { reply, consumed: bytes.len() });
            assert_eq!(decoded(bytes), expected, "{}", bytes.escape_ascii());
            assert_eq!(bytes_of(&reply), bytes, "{reply:?}");
            // What follows a reply is left alone.
            for next in [&b"\r"[..], b"\r\n", b"HD\r\n", b"\xff"] {
                assert_eq!(decoded(&[bytes, next].concat()), expected);
            }
        }
    }

    #[test]
    fn a_reply_cut_anywhere_is_incomplete() {
        for (bytes, reply) in replies() {
            for length in 0..bytes.len() {
                let cut = bytes[..length].escape_ascii();
                let Ok(Decoded::Incomplete { at_least }) = decoded(&bytes[..length]) else {
                    panic!("{cut} of {reply:?}: {:?}", decoded(&bytes[..length]));
                };
                assert!((length + 1..=bytes.len()).contains(&at_least), "{cut}: {at_least}");
            }
        }
    }

    #[test]
    fn random_replies_come_back() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let mut value = vec![0; random.usize(..40)];
            random.fill(&mut value);
            let mut word = || -> Vec<u8> {
                (0..random.usize(1..20)).map(|_| random.u8(b'!'..=b'~')).collect()
            };
            let (name, text) = (word(), [word(), word()].join(&b' '));
            let flags = Flags {
                opaque: random.bool().then(|| Opaque(random.u32(..))),
                cas: Cas::new(if random.bool() { random.u64(..) } else { 0 }),
                time_left: match random.u8(..3) {
                    0 => None,
                    1 => Some(Duration::MAX),
                    _ => Some(Duration::from_secs(random.u64(..))),
                },
            };
            let kinds = [
                Reply::Hd(flags),
                Reply::Va { value: &value, flags },
                Reply::En(flags),
                Reply::Nf(flags),
                Reply::Ns(flags),
                Reply::Ex(flags),
                Reply::Version(&text),
                Reply::Stat { name: &name, text: &text },
                Reply::Error(&text),
                Reply::ClientError(&text),
                Reply::ServerError(&text),
            ];
            let reply = kinds[random.usize(..kinds.len())];
            let bytes = bytes_of(&reply);
            assert_eq!(decoded(&bytes), Ok(Decoded::Reply { reply, consumed: bytes.len() }));
        }
    }

    #[test]
    fn more_spaces_and_unknown_flags_change_nothing() {
        let stored = Reply::Hd(Flags { cas: Cas::new(12), ..flags(7) });
        let lines: [&[u8]; 4] = [
            b"HD O7 c12\r\n",
            b"HD  c12   O7 \r\n",
            b"HD s6 c12 W X Z O7\r\n",
            b"HD c12 k\xff O7\r\n",
        ];
        for line in lines {
            let expected = Ok(Decoded::Reply { reply: stored, consumed: line.len() });
            assert_eq!(decoded(line), expected, "{}", line.escape_ascii());
        }
    }

    /// `memcached -C` has no CAS values and writes 0, as others do with a refusal.
    #[test]
    fn a_cas_of_0_is_none() {
        let expected = Ok(Decoded::Reply { reply: Reply::Hd(flags(7)), consumed: 10 });
        assert_eq!(decoded(b"HD c0 O7\r\n"), expected);
    }

    #[test]
    fn what_is_no_reply_is_refused_where_it_goes_wrong() {
        let unknown = (0, "an unknown reply");
        let control = "a control byte in a line";
        let number = "a flag that is no number";
        let size = "a size that is no number";
        let ending = "a value that does not end with its size";
        let cases: [(&[u8], (usize, &str)); 41] = [
            // Words that memcached does not say, or not so.
            (b"\r\n", unknown),
            (b" HD\r\n", unknown),
            (b"hd\r\n", unknown),
            (b"HDO7\r\n", unknown),
            (b"OK\r\n", unknown),
            (b"MN O7\r\n", unknown),
            (b"END 1\r\n", unknown),
            // Other protocols.
            (b"STORED\r\n", unknown),
            (b"+PONG\r\n", unknown),
            (b"-ERR unknown command\r\n", unknown),
            (b"HTTP/1.1 400 Bad Request\r\n", unknown),
            (b"SSH-2.0-OpenSSH_9.2\r\n", unknown),
            (b"\x81\0\0\0\0\0\0\0", (1, control)),
            (b"\x15\x03\x03\0\x02\x02\x46", (0, control)),
            (b"J\0\0\0\x0a8.0.36", (1, control)),
            // Lines.
            (b"HD\n", (2, control)),
            (b"HD\r\r\n", (2, control)),
            (b"HD\rO7\r\n", (2, control)),
            (b"HD\tO7\r\n", (2, control)),
            (b"HD O7\x7f\r\n", (5, control)),
            (b"HD\0", (2, control)),
            // Flags.
            (b"HD O\r\n", (3, number)),
            (b"HD O-7\r\n", (3, number)),
            (b"HD c12 O7a\r\n", (7, number)),
            (b"HD c\r\n", (3, number)),
            (b"HD c+1\r\n", (3, number)),
            (b"HD c18446744073709551616\r\n", (3, number)),
            (b"HD t-2\r\n", (3, number)),
            (b"HD t5x\r\n", (3, number)),
            (b"HD O4294967296\r\n", (3, "a foreign opaque")),
            (b"HD O7 c12 O7\r\n", (10, "a flag that came before")),
            (b"HD \xff1 \xff2\r\n", (6, "a flag that came before")),
            // Values.
            (b"VA\r\n", (2, size)),
            (b"VA \r\n", (3, size)),
            (b"VA c12\r\n", (3, size)),
            (b"VA -1 c12\r\n", (3, size)),
            (b"VA  18446744073709551616\r\n", (4, size)),
            (b"VA 18446744073709551615\r\n", (3, "too large a value")),
            (b"VA 2 c12\r\nabc\r\n", (12, ending)),
            (b"VA 2 c12\r\nab\n\r\n", (12, ending)),
            (b"VA 2 c12\r\nab\r\r\n", (12, ending)),
        ];
        for (input, expected) in cases {
            assert_eq!(refused(input), expected, "{}", input.escape_ascii());
            // With more input it stays so, and with less it is so or not known yet.
            assert_eq!(refused(&[input, b"\r\nHD\r\n"].concat()), expected);
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
        let pieces: [&[u8]; 16] = [
            b"HD", b"VA", b"EN", b"MN", b"ERROR", b" ", b" ", b"\r\n", b"\r\n", b"\r", b"O7",
            b"c1", b"3", b"abc", b"t-1", b"\xff",
        ];
        for _ in 0..50_000 {
            let count = random.usize(..10);
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
        let limits = Limits { line_bytes_max: 20, ..Limits::default() };
        let too_long = Err(DecodeError { offset: 20, reason: "too long a line" });
        for (length, is_allowed) in [(19, true), (20, true), (21, false)] {
            let text = vec![b'x'; length - b"SERVER_ERROR ".len()];
            let reply = Reply::ServerError(&text);
            let bytes = bytes_of(&reply);
            let whole = Ok(Decoded::Reply { reply, consumed: length + 2 });
            assert_eq!(decode(&bytes, &limits), if is_allowed { whole } else { too_long });
            // A line without an end is refused without waiting for it.
            let incomplete = Ok(Decoded::Incomplete { at_least: length + 2 });
            let expected = if is_allowed { incomplete } else { too_long };
            assert_eq!(decode(&bytes[..length], &limits), expected);
        }
    }

    #[test]
    fn a_value_has_a_limit() {
        let limits = Limits { value_bytes_max: 100, ..Limits::default() };
        for (length, is_allowed) in [(99, true), (100, true), (101, false)] {
            let value = vec![b'x'; length];
            let reply = Reply::Va { value: &value, flags: flags(7) };
            let bytes = bytes_of(&reply);
            let too_large = Err(DecodeError { offset: 3, reason: "too large a value" });
            let whole = Ok(Decoded::Reply { reply, consumed: bytes.len() });
            assert_eq!(decode(&bytes, &limits), if is_allowed { whole } else { too_large });
            // The line tells how much there is to read, and whether it will be.
            let line = &bytes[..bytes.len() - length - 2];
            let incomplete = Ok(Decoded::Incomplete { at_least: bytes.len() });
            assert_eq!(decode(line, &limits), if is_allowed { incomplete } else { too_large });
        }
    }

    #[test]
    fn the_flags_of_a_reply_have_a_limit() {
        for (count, is_allowed) in [(19, true), (20, true), (21, false)] {
            let flags: String = ('a'..).take(count).map(|letter| format!(" {letter}1")).collect();
            let bytes = format!("HD{flags}\r\n").into_bytes();
            match decoded(&bytes) {
                Ok(Decoded::Reply { reply: Reply::Hd(_), .. }) => assert!(is_allowed, "{count}"),
                other => {
                    let error = DecodeError { offset: 63, reason: "too many flags" };
                    assert_eq!((other, is_allowed), (Err(error), false), "{count}");
                }
            }
        }
    }

    #[test]
    fn limits_without_bound_do_not_overflow() {
        let max = usize::MAX;
        let limits = Limits { line_bytes_max: max, flags_max: max, value_bytes_max: max };
        let line = format!("VA {max} O7\r\n");
        let incomplete = Ok(Decoded::Incomplete { at_least: max });
        assert_eq!(decode(line.as_bytes(), &limits), incomplete);
    }

    #[test]
    fn a_reply_answers_the_requests_it_can_belong_to() {
        // Which codes belong to which request, in the order of `requests`.
        let codes = [
            "VA EN", "HD EN", "HD NS", "HD EX NF", "HD EX NF", "EX NF", "MN", "VERSION",
            "STAT END", "STAT END",
        ];
        for ((request, line), codes) in requests().into_iter().zip(codes) {
            for (bytes, reply) in replies() {
                let reply_line = bytes.escape_ascii().to_string();
                let code = reply_line.split([' ', '\\']).next().expect("a code");
                let is_of_7 = reply_line.contains(" O7\\r\\n");
                let is_error = code.ends_with("ERROR");
                let has_opaque = ["HD", "VA", "EN", "NF", "NS", "EX"].contains(&code);
                // The miss of an old server.
                let is_bare_miss = bytes == b"EN\r\n";
                let is_right = codes.split(' ').any(|right| right == code);
                let expected = is_error || is_right && (!has_opaque || is_of_7 || is_bare_miss);
                assert_eq!(reply.answers(&request), expected, "{reply_line} to {line}");
            }
        }
    }

    #[test]
    fn an_old_memcached_does_not_speak_it_whatever_it_says() {
        let speaks = |version| is_spoken(&Reply::Version(version), &Reply::Mn);
        for version in [&b"1.6.13"[..], b"1.6.18", b"1.6.44-rc1", b"1.10.0", b"2.0.0", b"5.7.44"] {
            assert!(speaks(version), "{}", version.escape_ascii());
        }
        for version in [&b"1.6.12"[..], b"1.6.0_beta1", b"1.5.22", b"1.4.39-x", b"0.9.9"] {
            assert!(!speaks(version), "{}", version.escape_ascii());
        }
        // What has no such number is believed.
        for version in [&b""[..], b"1.6", b"mcrouter 1.0", b"a.b.c", b"1..3"] {
            assert!(speaks(version), "{}", version.escape_ascii());
        }
    }

    #[test]
    fn misses_without_a_number_are_known_of_some_versions_only() {
        for version in [&b"1.6.18"[..], b"1.7.0", b"2.0.0", b"", b"1.6.", b"mcrouter 1.0"] {
            assert!(numbers_misses(version), "{}", version.escape_ascii());
        }
        assert!(!numbers_misses(b"1.6.13") && !numbers_misses(b"1.6.17"));
    }

    #[test]
    fn who_does_not_answer_a_noop_does_not_speak_it() {
        let version = Reply::Version(b"1.6.18");
        assert!(!is_spoken(&version, &Reply::Error(b"")));
        assert!(!is_spoken(&version, &Reply::ClientError(b"unauthenticated")));
        assert!(!is_spoken(&version, &version));
        assert!(is_spoken(&Reply::Error(b""), &Reply::Mn), "a proxy without a version");
    }
}
