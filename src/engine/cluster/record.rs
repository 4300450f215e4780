//! The record: what a node keeps of a session.
//!
//! Format 1, 80 bytes in front of the data, integers little-endian:
//!
//! ```text
//! offset  bytes
//!      0      4  "SCLN"
//!      4      1  format
//!      5      1  1: a tombstone, the session was destroyed; otherwise 0
//!      6      2  zero
//!      8      8  version
//!     16      8  writer
//!     24      8  lifetime in seconds; 0: no end
//!     32      8  end of life, in seconds of Unix time; 0: no end
//!     40     32  digest of the session id
//!     72      8  XXH3-64 of the data, seeded with XXH3-64 of bytes 0 to 71
//! ```
//!
//! * Of two records of one session the one with the higher *version* is newer. It is the writer's
//!   clock in microseconds when it got the lock, and always more than the version it replaces.
//! * *writer* is random for each commit: it tells a record from another one of the same version,
//!   and lets a writer find out whether what it stored has arrived.
//! * *lifetime* is the writer's `session.gc_maxlifetime`. The node forgets the record that long
//!   after its last use.
//! * *end of life* holds whatever the node thinks about time (it may have been suspended): a record
//!   past it counts as missing. It lies two lifetimes after the record was written, so a session
//!   that is only ever touched is written anew now and then.

use crate::session::id::Digest;
use std::fmt;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const MAGIC: [u8; 4] = *b"SCLN";
const FORMAT: u8 = 1;

/// Tombstones are kept for this long beyond the life of any record that they stand against, in
/// seconds.
const TOMBSTONE_EXTRA_S: u64 = 3600;

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which record is newer.
    pub stamp: Stamp,
    /// Whether the session was destroyed. The record then has no data.
    pub is_tombstone: bool,
    /// Seconds that the session lives after its last use; 0: no end.
    pub lifetime_s: u64,
    /// Unix time in seconds after which the record counts for nothing; 0: no end.
    pub end_s: u64,
}

/// Orders the records of a session. No record, `None`, is older than any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Microseconds of Unix time, as a rule.
    pub version: u64,
    /// Random; decides between equal versions.
    pub writer: u64,
}

/// Why bytes are not a record of the session that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Fewer bytes than a header has.
    Short,
    /// Not a record at all.
    Magic,
    /// The sum is wrong.
    Sum,
    /// A record of a later format.
    NewerFormat(u8),
    /// A field has a value that format 1 does not know.
    Field,
    /// A record of another session.
    OtherSession,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("cut off"),
            Self::Magic => f.write_str("not a record"),
            Self::Sum => f.write_str("wrong checksum"),
            Self::NewerFormat(format) => write!(f, "format {format} of a later version"),
            Self::Field => f.write_str("an impossible field"),
            Self::OtherSession => f.write_str("belongs to another session"),
        }
    }
}

impl Record {
    /// Bytes in front of the data.
    pub const BYTES: usize = 80;

    /// The record of a session that is used at `now_s`.
    pub fn new(stamp: Stamp, lifetime_s: u64, now_s: u64) -> Self {
        let end_s = match lifetime_s {
            0 => 0,
            _ => now_s.saturating_add(lifetime_s.saturating_mul(2)),
        };
        Self { stamp, is_tombstone: false, lifetime_s, end_s }
    }

    /// The tombstone over a record with lifetime `replaced_s`, or over none. It outlives every copy
    /// of the session that a node may still have or get.
    pub fn tombstone(stamp: Stamp, lifetime_s: u64, replaced_s: Option<u64>, now_s: u64) -> Self {
        let lifetime_s = lifetime_s.max(replaced_s.unwrap_or(0));
        let kept_s = lifetime_s.saturating_mul(2).saturating_add(TOMBSTONE_EXTRA_S);
        let end_s = match replaced_s {
            Some(0) => 0,
            _ => now_s.saturating_add(kept_s),
        };
        Self { stamp, is_tombstone: true, lifetime_s, end_s }
    }

    /// Seconds that a node has to keep it if it is used at `now_s`; none: without end.
    pub fn kept_s(&self, now_s: u64) -> Option<u64> {
        match self.end_s {
            0 => None,
            end_s if self.is_tombstone => Some(end_s.saturating_sub(now_s)),
            _ => Some(self.lifetime_s),
        }
    }

    /// Whether its life has ended.
    pub fn is_past(&self, now_s: u64) -> bool {
        self.end_s != 0 && self.end_s < now_s
    }

    /// Whether it ends before a session used at `now_s` does, so that a touch is not enough.
    pub fn ends_too_early(&self, now_s: u64) -> bool {
        self.end_s != 0 && self.end_s < now_s.saturating_add(self.lifetime_s)
    }

    /// Encodes it with its data, in place of what `out` holds.
    pub fn encode(&self, digest: &Digest, data: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.reserve(Self::BYTES + data.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[FORMAT, u8::from(self.is_tombstone), 0, 0]);
        for number in [self.stamp.version, self.stamp.writer, self.lifetime_s, self.end_s] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(digest.as_bytes());
        let sum = sum(out, data);
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(data);
    }

    /// Decodes a record of the session `digest`; its data are the bytes from [`Record::BYTES`] on.
    ///
    /// # Errors
    /// [`RecordError`], the first check that fails.
    pub fn decode(bytes: &[u8], digest: &Digest) -> Result<Self, RecordError> {
        let (header, data) = bytes.split_at_checked(Self::BYTES).ok_or(RecordError::Short)?;
        if header[..4] != MAGIC {
            return Err(RecordError::Magic);
        }
        let number = |at: usize| {
            u64::from_le_bytes(*header[at..].first_chunk().expect("a field within its header"))
        };
        if number(72) != sum(&header[..72], data) {
            return Err(RecordError::Sum);
        }
        if header[4] != FORMAT {
            return Err(RecordError::NewerFormat(header[4]));
        }
        if header[5] > 1 || header[6..8] != [0; 2] {
            return Err(RecordError::Field);
        }
        if header[40..72] != *digest.as_bytes() {
            return Err(RecordError::OtherSession);
        }
        Ok(Self {
            stamp: Stamp { version: number(8), writer: number(16) },
            is_tombstone: header[5] == 1,
            lifetime_s: number(24),
            end_s: number(32),
        })
    }
}

/// Detects damage, not malice: whoever can write to a node may as well write a record.
fn sum(header: &[u8], data: &[u8]) -> u64 {
    xxh3_64_with_seed(data, xxh3_64(header))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::id::SessionId;

    fn digest(id: &[u8]) -> Digest {
        SessionId::parse(id).expect("valid").digest()
    }

    const STAMP: Stamp = Stamp { version: 7, writer: 9 };

    fn encoded(record: &Record, data: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        record.encode(&digest(b"abc"), data, &mut out);
        out
    }

    /// Changes bytes and makes the sum right again, to reach the checks behind it.
    fn sealed(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut bytes = encoded(&Record::new(STAMP, 1440, 1_000_000), b"n|i:1;");
        change(&mut bytes);
        let sum = sum(&bytes[..72], &bytes[80..]);
        bytes[72..80].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    #[test]
    fn decode_gives_back_what_was_encoded() {
        let records = [
            Record::new(STAMP, 1440, 1_000_000),
            Record::new(STAMP, 0, 1_000_000),
            Record::tombstone(STAMP, 1440, Some(7200), 1_000_000),
        ];
        for record in records {
            for data in [&b""[..], b"n|i:1;", &[0; 5000]] {
                let bytes = encoded(&record, data);
                assert_eq!(Record::decode(&bytes, &digest(b"abc")), Ok(record));
                assert_eq!(&bytes[Record::BYTES..], data);
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = encoded(&Record::new(STAMP, 1440, 1_000_000), b"n|i:1;");
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::decode(&damaged, &digest(b"abc")).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Record::decode(&bytes[..length], &digest(b"abc")).is_err(), "{length}");
        }
    }

    #[test]
    fn each_check_has_its_reason() {
        let decode = |bytes: Vec<u8>| Record::decode(&bytes, &digest(b"abc"));
        assert_eq!(decode(b"n|i:1;".to_vec()), Err(RecordError::Short));
        assert_eq!(decode(sealed(|b| b[0] = 0)), Err(RecordError::Magic));
        assert_eq!(decode(sealed(|b| b[4] = 2)), Err(RecordError::NewerFormat(2)));
        assert_eq!(decode(sealed(|b| b[5] = 2)), Err(RecordError::Field));
        assert_eq!(decode(sealed(|b| b[6] = 1)), Err(RecordError::Field));
        assert_eq!(decode(sealed(|b| b[40] ^= 1)), Err(RecordError::OtherSession));
        let other = Record::decode(&sealed(|_| ()), &digest(b"abd"));
        assert_eq!(other, Err(RecordError::OtherSession));
    }

    #[test]
    fn a_record_ends_two_lifetimes_after_it_was_written() {
        let record = Record::new(STAMP, 100, 1000);
        assert_eq!(record.kept_s(1000), Some(100));
        assert!(!record.is_past(1200) && record.is_past(1201));
        assert!(!record.ends_too_early(1100) && record.ends_too_early(1101));
        let endless = Record::new(STAMP, 0, 1000);
        assert_eq!((endless.kept_s(1000), endless.is_past(u64::MAX)), (None, false));
        assert!(!endless.ends_too_early(u64::MAX));
        assert!(!Record::new(STAMP, u64::MAX, 1000).is_past(u64::MAX));
    }

    #[test]
    fn a_tombstone_outlives_what_it_stands_against() {
        let tombstone = Record::tombstone(STAMP, 100, Some(500), 1000);
        assert_eq!(tombstone.end_s, 1000 + 2 * 500 + TOMBSTONE_EXTRA_S);
        assert_eq!(tombstone.kept_s(1000), Some(2 * 500 + TOMBSTONE_EXTRA_S));
        assert_eq!(Record::tombstone(STAMP, 100, Some(0), 1000).kept_s(1000), None);
        assert_eq!(Record::tombstone(STAMP, 0, None, 1000).kept_s(1000), Some(TOMBSTONE_EXTRA_S));
    }

    /// The stored bytes are a format: a change needs a new number and a way to read this one.
    #[test]
    fn the_bytes_of_format_1_stay() {
        let bytes = encoded(&Record::new(STAMP, 1440, 1_000_000), b"n|i:1;");
        let start = b"SCLN\x01\0\0\0\x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\xa0\x05\0\0\0\0\0\0";
        assert_eq!(bytes[..32], *start);
        assert_eq!(bytes[32..40], (1_000_000_u64 + 2880).to_le_bytes());
        assert_eq!(bytes[40..72], *digest(b"abc").as_bytes());
        let sum = xxh3_64_with_seed(b"n|i:1;", xxh3_64(&bytes[..72]));
        assert_eq!(bytes[72..80], sum.to_le_bytes());
    }
}
