//! The record header: what every store keeps in front of a session's data.
//!
//! Format 1, 80 bytes, integers little-endian:
//!
//! ```text
//! offset  bytes
//!      0      4  "SCLR"
//!      4      1  format
//!      5      3  zero
//!      8      8  version
//!     16      8  lifetime in seconds
//!     24      8  length of the data in bytes
//!     32     32  digest of the session id
//!     64      8  sum of the data
//!     72      8  sum of bytes 0 to 71
//! ```
//!
//! * *version* grows by one with each commit; of two records of a session the higher one is newer.
//! * *lifetime* is the writer's `session.gc_maxlifetime` in seconds, 0 for none: a session ends
//!   that long after its last use, whatever the lifetime of the application that looks at it.
//! * *digest* names the session, so that a record is never handed out for another one.
//! * the sums are XXH3-64, of the data and of the header's first 72 bytes.
//!
//! A header is believed only if every field is right; nothing is allocated from its length before
//! that length has been compared with a limit.

use super::id::Digest;
use crate::limits::DATA_BYTES_MAX;
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 4] = *b"SCLR";
const FORMAT: u8 = 1;

/// The header of one stored version of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Orders two records of one session.
    pub version: u64,
    /// Seconds that the session lives after its last use; 0: no end of its own.
    pub lifetime_s: u64,
    /// Length of the data in bytes.
    pub data_bytes: u64,
    /// The session.
    pub digest: Digest,
    /// XXH3-64 of the data.
    pub data_sum: u64,
}

/// Why bytes are not a header of the session that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Fewer than [`Header::BYTES`] bytes.
    Short,
    /// Not a record at all.
    Magic,
    /// A record of a later format.
    NewerFormat(u8),
    /// A field that is zero in format 1 is not.
    Reserved,
    /// The header's own sum is wrong.
    Sum,
    /// The data's sum is wrong, or the data are cut off.
    DataSum,
    /// The length is beyond [`DATA_BYTES_MAX`].
    Length,
    /// A record of another session.
    OtherSession,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("cut off"),
            Self::Magic => f.write_str("not a record"),
            Self::NewerFormat(format) => write!(f, "format {format} of a later version"),
            Self::Reserved => f.write_str("reserved bytes are set"),
            Self::Sum => f.write_str("wrong header checksum"),
            Self::DataSum => f.write_str("wrong data checksum"),
            Self::Length => f.write_str("impossible length"),
            Self::OtherSession => f.write_str("belongs to another session"),
        }
    }
}

impl Header {
    /// Length of a header in bytes.
    pub const BYTES: usize = 80;

    /// The header for `data` as version `version` of a session.
    pub fn of(digest: Digest, version: u64, lifetime_s: u64, data: &[u8]) -> Self {
        Self { version, lifetime_s, data_bytes: data.len() as u64, digest, data_sum: sum(data) }
    }

    /// Whether `data` is what this header was made for.
    pub fn matches(&self, data: &[u8]) -> bool {
        self.data_bytes == data.len() as u64 && self.data_sum == sum(data)
    }

    /// Encodes the header.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..4].copy_from_slice(&MAGIC);
        out[4] = FORMAT;
        out[8..16].copy_from_slice(&self.version.to_le_bytes());
        out[16..24].copy_from_slice(&self.lifetime_s.to_le_bytes());
        out[24..32].copy_from_slice(&self.data_bytes.to_le_bytes());
        out[32..64].copy_from_slice(self.digest.as_bytes());
        out[64..72].copy_from_slice(&self.data_sum.to_le_bytes());
        let header_sum = sum(&out[..72]);
        out[72..].copy_from_slice(&header_sum.to_le_bytes());
        out
    }

    /// Decodes a header of the session `digest` from the start of `input`.
    ///
    /// # Errors
    /// [`HeaderError`], the first check that fails.
    pub fn decode(input: &[u8], digest: &Digest) -> Result<Self, HeaderError> {
        let bytes: &[u8; Self::BYTES] = input.first_chunk().ok_or(HeaderError::Short)?;
        if bytes[..4] != MAGIC {
            return Err(HeaderError::Magic);
        }
        if read_u64(bytes, 72) != sum(&bytes[..72]) {
            return Err(HeaderError::Sum);
        }
        if bytes[4] != FORMAT {
            return Err(HeaderError::NewerFormat(bytes[4]));
        }
        if bytes[5..8] != [0; 3] {
            return Err(HeaderError::Reserved);
        }
        let found = Digest::from_bytes(*bytes[32..].first_chunk().expect("32 of 48 bytes"));
        if found != *digest {
            return Err(HeaderError::OtherSession);
        }
        let data_bytes = read_u64(bytes, 24);
        if data_bytes > DATA_BYTES_MAX {
            return Err(HeaderError::Length);
        }
        Ok(Self {
            version: read_u64(bytes, 8),
            lifetime_s: read_u64(bytes, 16),
            data_bytes,
            digest: found,
            data_sum: read_u64(bytes, 64),
        })
    }
}

/// XXH3-64: detects damage, not malice; whoever can write a store's files may as well write a
/// record.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The little-endian integer at `at`, which must lie within `bytes`.
pub(crate) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("a field within its header"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::id::SessionId;

    fn digest(id: &[u8]) -> Digest {
        SessionId::parse(id).expect("valid").digest()
    }

    fn header() -> Header {
        Header::of(digest(b"abc"), 7, 1440, b"n|i:1;")
    }

    /// Re-seals changed bytes, to reach the checks behind the sum.
    fn sealed(change: impl FnOnce(&mut [u8; Header::BYTES])) -> [u8; Header::BYTES] {
        let mut bytes = header().encode();
        change(&mut bytes);
        let header_sum = sum(&bytes[..72]);
        bytes[72..].copy_from_slice(&header_sum.to_le_bytes());
        bytes
    }

    #[test]
    fn decode_gives_back_what_was_encoded() {
        assert_eq!(Header::decode(&header().encode(), &digest(b"abc")), Ok(header()));
        assert!(header().matches(b"n|i:1;"));
        assert!(!header().matches(b"n|i:2;"));
        assert!(!header().matches(b"n|i:1"));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = header().encode();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&damaged, &digest(b"abc")).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = header().encode();
        for length in 0..bytes.len() {
            let result = Header::decode(&bytes[..length], &digest(b"abc"));
            assert_eq!(result, Err(HeaderError::Short));
        }
    }

    #[test]
    fn each_check_has_its_reason() {
        let decode = |bytes: [u8; Header::BYTES]| Header::decode(&bytes, &digest(b"abc"));
        assert_eq!(decode(sealed(|b| b[0] = 0)), Err(HeaderError::Magic));
        assert_eq!(decode(sealed(|b| b[4] = 2)), Err(HeaderError::NewerFormat(2)));
        assert_eq!(decode(sealed(|b| b[5] = 1)), Err(HeaderError::Reserved));
        assert_eq!(decode(sealed(|b| b[32] ^= 1)), Err(HeaderError::OtherSession));
        let set_length = |length: u64| sealed(|b| b[24..32].copy_from_slice(&length.to_le_bytes()));
        assert_eq!(decode(set_length(DATA_BYTES_MAX + 1)), Err(HeaderError::Length));
        assert!(decode(set_length(DATA_BYTES_MAX)).is_ok());
    }

    /// The stored bytes are a format: a change needs a new format number and a way to read this
    /// one.
    #[test]
    fn the_bytes_of_format_1_stay() {
        let bytes = header().encode();
        assert_eq!(
            bytes[..32],
            *b"SCLR\x01\0\0\0\x07\0\0\0\0\0\0\0\xa0\x05\0\0\0\0\0\0\x06\0\0\0\0\0\0\0"
        );
        assert_eq!(read_u64(&bytes, 64), sum(b"n|i:1;"));
        // XXH3-64 of no bytes, from the test vectors of the xxHash project.
        assert_eq!(sum(b""), 0x2d06_8005_38d3_94c2);
    }
}
