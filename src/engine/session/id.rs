//! Session ids and the digests that name sessions in every store.

use crate::error::{Error, ErrorKind, Result};
use crate::limits::ID_BYTES_MAX;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A session id that has been checked: 1 to 256 bytes of `[A-Za-z0-9,-]`.
#[derive(Clone, Copy)]
pub struct SessionId<'a>(&'a [u8]);

impl<'a> SessionId<'a> {
    /// Checks an id.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidId`], in the words of PHP's `files` handler.
    ///
    /// Source: `php_session_valid_key` in PHP's `ext/session/session.c`.
    pub fn parse(id: &'a [u8]) -> Result<Self> {
        let valid = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b',' | b'-');
        if (1..=ID_BYTES_MAX).contains(&id.len()) && id.iter().all(valid) {
            return Ok(Self(id));
        }
        Err(Error::new(
            ErrorKind::InvalidId,
            "Session ID is too long or contains illegal characters. \
             Only the A-Z, a-z, 0-9, \"-\", and \",\" characters are allowed",
        ))
    }

    /// The id itself.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The digest that stands for this id in every store.
    pub fn digest(self) -> Digest {
        Digest::of(self.0)
    }
}

/// SHA-256 of a session id. A store knows a session by its digest alone: fixed length, no hostile
/// bytes, no two ids with one name, and a listing of a store gives nobody a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; Self::BYTES]);

impl Digest {
    /// Length in bytes.
    pub const BYTES: usize = 32;
    /// Length as lower-case hexadecimal digits.
    pub const HEX_BYTES: usize = 2 * Self::BYTES;

    /// The prefix separates our digests from any other use of SHA-256 over the same id.
    fn of(id: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"sessclust session 1\0");
        hash.update(id);
        Self(hash.finalize().into())
    }

    /// A digest read from a record.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Its first eight bytes: enough to tell sessions apart where a mistake does no harm.
    pub fn short(&self) -> u64 {
        u64::from_le_bytes(*self.0.first_chunk().expect("8 of 32 bytes"))
    }

    /// The digest that these lower-case hexadecimal digits spell.
    pub fn from_hex(hex: &[u8; Self::HEX_BYTES]) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; Self::BYTES];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Lower-case hexadecimal.
    pub fn to_hex(self) -> [u8; Self::HEX_BYTES] {
        let mut digits = [0; Self::HEX_BYTES];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&hex(byte));
        }
        digits
    }
}

/// A byte's two lower-case hexadecimal digits.
pub(crate) fn hex(byte: u8) -> [u8; 2] {
    // Reckoned, not looked up: many bytes are done at once then.
    [byte >> 4, byte & 15].map(|digit| digit + if digit < 10 { b'0' } else { b'a' - 10 })
}

/// The first eight digits: enough for an operator to find the file, and no way back to the id.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_php_are_accepted() {
        for id in [&b"a"[..], b"ABCxyz-019,", &[b'x'; 256]] {
            assert!(SessionId::parse(id).is_ok(), "{id:?}");
        }
    }

    #[test]
    fn other_ids_are_refused() {
        for id in [&b""[..], b"a b", b"a\0", b"a\n", b"../x", b"a_b", b"\xc3\xa4", &[b'x'; 257]] {
            let error = SessionId::parse(id).map(|_| ()).expect_err("must be refused");
            assert_eq!(error.kind(), ErrorKind::InvalidId);
        }
    }

    /// The digest is a file name and, later, a key: changing it loses every session.
    #[test]
    fn the_digest_is_sha256_of_prefix_and_id() {
        let digest = SessionId::parse(b"abc").expect("valid").digest();
        let hex = String::from_utf8(digest.to_hex().to_vec()).expect("hex is ASCII");
        // printf 'sessclust session 1\0abc' | sha256sum
        assert_eq!(hex, "bca07d604208cb4762fed07014e6007dd575cf06c63b93179192fac3020461fc");
        assert_eq!(digest.to_string(), hex[..8]);
        assert_eq!(Digest::from_hex(&digest.to_hex()), Some(digest));
        assert_eq!(Digest::from_hex(&[b'A'; 64]), None);
    }

    #[test]
    fn ids_that_differ_in_case_or_length_have_different_digests() {
        let digests = [&b"a"[..], b"A", b"a-", b"a,"].map(Digest::of);
        for (i, one) in digests.iter().enumerate() {
            assert!(digests[i + 1..].iter().all(|other| one != other));
        }
    }
}
