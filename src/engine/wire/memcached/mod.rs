//! What memcached's protocols have in common: keys, CAS values, times to live, refusals.
//!
//! Source of all formats: memcached's `doc/protocol.txt`, by the titles of its sections.

use crate::limits::{
    MEMCACHED_END_S_MAX, MEMCACHED_ITEM_OVERHEAD_BYTES, MEMCACHED_KEY_BYTES_MAX,
    MEMCACHED_SPAN_S_MAX,
};
use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

pub mod meta;
pub mod metadump;

/// A key: 1 to 250 printable ASCII bytes and no space, so that nothing a key can hold ends it, or
/// the command it stands in.
///
/// Source: "Keys", which allows other bytes too; proxies do not agree about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a>(&'a str);

impl<'a> Key<'a> {
    /// Stands where a request is remembered without its item.
    pub(crate) const NONE: Self = Self("-");

    /// The key of these bytes, if they can be one.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        // Without an early end, which costs more than it saves: many bytes are looked at at once.
        let is_graphic = bytes.iter().fold(true, |all, byte| all & byte.is_ascii_graphic());
        let is_key = is_graphic && (1..=MEMCACHED_KEY_BYTES_MAX).contains(&bytes.len());
        std::str::from_utf8(bytes).ok().filter(|_| is_key).map(Self)
    }

    /// The key as a text.
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    /// What a server counts against its limit for one item (`-I`, `item_size_max` among its
    /// settings) when `value_bytes` are stored under this key, in bytes; rather some too many.
    pub fn item_bytes(self, value_bytes: usize) -> usize {
        MEMCACHED_ITEM_OVERHEAD_BYTES + self.0.len() + value_bytes
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The number that a server gives to each stored version of an item.
///
/// Never 0, which a server says where it has none to give: with a refusal, and always under
/// `memcached -C`. A comparison with it would mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cas(NonZeroU64);

impl Cas {
    /// The CAS of this number; none for 0.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

impl From<Cas> for u64 {
    fn from(cas: Cas) -> Self {
        cas.0.get()
    }
}

impl fmt::Display for Cas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long a server keeps an item, as the server is told: a number of seconds; beyond 30 days the
/// Unix time of its end; 0 for no end.
///
/// Source: "Expiration times".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl(u64);

impl Ttl {
    /// No end.
    pub const UNLIMITED: Self = Self(0);

    /// Keeps an item for `span`, rounded up to whole seconds and at least one. A server counts by
    /// the ticks of its own clock, so an item may go up to a second early.
    ///
    /// `now` is asked for beyond 30 days only. An end that is too late for a server, after January
    /// 2038, becomes the last that it knows or 30 days from now, whichever is later.
    pub fn new(span: Duration, now: impl FnOnce() -> SystemTime) -> Self {
        let span_s = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0)).max(1);
        if span_s <= MEMCACHED_SPAN_S_MAX {
            return Self(span_s);
        }
        let now_s = now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let end_s = now_s.saturating_add(span_s).min(MEMCACHED_END_S_MAX);
        let is_far = end_s > now_s.saturating_add(MEMCACHED_SPAN_S_MAX);
        Self(if is_far { end_s } else { MEMCACHED_SPAN_S_MAX })
    }
}

impl From<Ttl> for u32 {
    fn from(ttl: Ttl) -> Self {
        Self::try_from(ttl.0).expect("at most MEMCACHED_END_S_MAX")
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a server could not store an item, as far as it matters what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerError {
    /// The item is larger than the server's limit for one.
    TooLarge,
    /// No memory is left, and nothing may be evicted for it.
    OutOfMemory,
    /// It stores nothing now; what was there before is there still. A Redis says so.
    NotStored,
    /// Anything else.
    Other,
}

impl ServerError {
    /// What the text behind `SERVER_ERROR` says.
    ///
    /// memcached writes "object too large for cache" and "out of memory storing object", and others
    /// that begin with "out of memory". The protocol leaves the texts open, so the decisive words
    /// are looked for, in upper or lower case.
    ///
    /// Source: `process_mset_command` and `process_update_command` in memcached's `proto_text.c`.
    pub fn of(text: &[u8]) -> Self {
        let says = |words: &[u8]| {
            text.windows(words.len()).any(|window| window.eq_ignore_ascii_case(words))
        };
        if says(b"too large") {
            Self::TooLarge
        } else if says(b"out of memory") {
            Self::OutOfMemory
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 24 * 60 * 60;

    fn at(unix_s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s)
    }

    fn ttl(span_s: u64, now_s: u64) -> u64 {
        Ttl::new(Duration::from_secs(span_s), || at(now_s)).0
    }

    #[test]
    fn a_key_has_1_to_250_bytes() {
        for (length, is_key) in [(0, false), (1, true), (249, true), (250, true), (251, false)] {
            assert_eq!(Key::new(&vec![b'k'; length]).is_some(), is_key, "{length} bytes");
        }
    }

    #[test]
    fn a_key_has_no_byte_that_could_end_it() {
        for byte in 0..=u8::MAX {
            let is_key = Key::new(&[b'k', byte, b'k']).is_some();
            assert_eq!(is_key, (b'!'..=b'~').contains(&byte), "byte {byte}");
        }
    }

    #[test]
    fn an_item_counts_with_its_key() {
        assert_eq!(Key::new(b"key").expect("valid").item_bytes(1000), 1067);
    }

    #[test]
    fn there_is_no_cas_0() {
        assert_eq!(Cas::new(0), None);
        assert_eq!(Cas::new(u64::MAX).expect("not 0").to_string(), "18446744073709551615");
    }

    #[test]
    fn a_ttl_is_rounded_up_and_never_without_end() {
        let now = at(1_700_000_000);
        assert_eq!(Ttl::new(Duration::ZERO, || now), Ttl(1));
        assert_eq!(Ttl::new(Duration::from_nanos(1), || now), Ttl(1));
        assert_eq!(Ttl::new(Duration::from_millis(5000), || now), Ttl(5));
        assert_eq!(Ttl::new(Duration::from_millis(5001), || now), Ttl(6));
    }

    #[test]
    fn a_ttl_of_more_than_30_days_is_a_point_in_time() {
        let now_s = 1_700_000_000;
        assert_eq!(ttl(30 * DAY_S - 1, now_s), 30 * DAY_S - 1);
        assert_eq!(ttl(30 * DAY_S, now_s), 30 * DAY_S);
        assert_eq!(ttl(30 * DAY_S + 1, now_s), now_s + 30 * DAY_S + 1);
        let nearly_30_days = Duration::from_secs(30 * DAY_S) - Duration::from_nanos(1);
        assert_eq!(Ttl::new(nearly_30_days, || at(now_s)), Ttl(30 * DAY_S));
    }

    #[test]
    fn a_ttl_ends_with_the_time_that_memcached_knows() {
        const END_S: u64 = i32::MAX as u64;
        assert_eq!(ttl(31 * DAY_S, END_S - 31 * DAY_S), END_S);
        assert_eq!(ttl(31 * DAY_S, END_S - 31 * DAY_S + 1), END_S);
        assert_eq!(ttl(31 * DAY_S, END_S - 30 * DAY_S - 1), END_S);
        assert_eq!(ttl(31 * DAY_S, END_S - 30 * DAY_S), 30 * DAY_S);
        assert_eq!(ttl(31 * DAY_S, END_S + DAY_S), 30 * DAY_S);
        let longest = Ttl::new(Duration::MAX, || at(1_700_000_000));
        assert_eq!(longest, Ttl(END_S));
        assert_eq!(u32::from(longest), i32::MAX as u32);
    }

    #[test]
    fn a_refusal_is_known_by_its_words() {
        let cases: [(&[u8], ServerError); 8] = [
            (b"object too large for cache", ServerError::TooLarge),
            (b"Object Too Large", ServerError::TooLarge),
            (b"out of memory storing object", ServerError::OutOfMemory),
            (b"Out of memory during read", ServerError::OutOfMemory),
            (b"out of memory", ServerError::OutOfMemory),
            (b"out of memor", ServerError::Other),
            (b"backend failure", ServerError::Other),
            (b"", ServerError::Other),
        ];
        for (text, kind) in cases {
            assert_eq!(ServerError::of(text), kind, "{}", text.escape_ascii());
        }
    }
}
