//! What a Redis or Valkey says in words, and where Redis Cluster keeps a key.
//!
//! Sources: the Redis documentation, "Redis serialization protocol specification" (errors),
//! "Redis cluster specification" (slots, redirections) and the errors in `server.c` of Redis.

use crate::limits::HOST_BYTES_MAX;

pub mod cluster;
pub mod resp;

/// Slots of Redis Cluster.
pub const SLOTS: u16 = 16384;

/// The slot of Redis Cluster that has a key.
///
/// Of a key with `{tag}` in it only the first tag counts, unless that is empty, so that keys with
/// one tag are on one server.
///
/// Source: "Redis cluster specification", "Key distribution model" and "Hash tags".
pub fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let behind = &key[open + 1..];
        let bytes = behind.iter().position(|byte| *byte == b'}')?;
        (bytes > 0).then(|| &behind[..bytes])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM: the polynomial x^16 + x^12 + x^5 + 1, begun with 0. Without a table, for keys are
/// short and there is one for each request.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let carry = crc >> 15;
            (crc << 1) ^ (carry * 0x1021)
        })
    })
}

/// Why a server did not do what it was asked, as far as it matters what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// Another server of the cluster has the slot: [`Redirect::parse`].
    Moved,
    /// Another server of the cluster has the slot by and by: [`Redirect::parse`].
    Ask,
    /// There is no script of this digest.
    NoScript,
    /// It is reading its data from the disk.
    Loading,
    /// It is a replica, which takes no writes.
    ReadOnly,
    /// No memory is left, and nothing may be evicted for it.
    OutOfMemory,
    /// It wants to know who asks.
    NoAuth,
    /// It does not know this user with this password.
    WrongPass,
    /// The user may not do this.
    NoPerm,
    /// A script of somebody else runs for too long.
    Busy,
    /// Its cluster is not whole.
    ClusterDown,
    /// The slot is on its way to another server, and some of the keys are there already.
    TryAgain,
    /// It is a replica, has lost its primary and was told not to answer then.
    MasterDown,
    /// Fewer replicas follow it than it was told that it needs for a write.
    NoReplicas,
    /// The keys belong to several slots.
    CrossSlot,
    /// It has as many clients as it may have.
    MaxClients,
    /// It cannot write to its disk, and was told to take no writes then.
    Misconf,
    /// Anything else.
    Other,
}

impl ErrorCode {
    /// What the text of an error says, which begins behind the `-`.
    ///
    /// The first word is a code by convention. That of Redis for whatever has none is `ERR`, and
    /// some of those have to be known by their words.
    pub fn of(text: &[u8]) -> Self {
        // Redis before 7 puts words of its own before the error that has ended a script, the last
        // of which are the script's name and the line.
        if text.starts_with(b"ERR Error running script")
            && let Some(at) = text.windows(3).position(|window| window == b": -")
        {
            return Self::of(&text[at + 3..]);
        }
        let code = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        match code {
            b"MOVED" => Self::Moved,
            b"ASK" => Self::Ask,
            b"NOSCRIPT" => Self::NoScript,
            b"LOADING" => Self::Loading,
            b"READONLY" => Self::ReadOnly,
            b"OOM" => Self::OutOfMemory,
            b"NOAUTH" => Self::NoAuth,
            b"WRONGPASS" => Self::WrongPass,
            b"NOPERM" => Self::NoPerm,
            b"BUSY" => Self::Busy,
            b"CLUSTERDOWN" => Self::ClusterDown,
            b"TRYAGAIN" => Self::TryAgain,
            b"MASTERDOWN" => Self::MasterDown,
            b"NOREPLICAS" => Self::NoReplicas,
            b"CROSSSLOT" => Self::CrossSlot,
            b"MISCONF" => Self::Misconf,
            _ if text.starts_with(b"ERR max number of clients") => Self::MaxClients,
            // Redis before 6, which has no users.
            _ if text == b"ERR invalid password" => Self::WrongPass,
            _ => Self::Other,
        }
    }
}

/// Whether a text that a server has sent can be the name or the address of a host, and shown.
pub fn is_host(text: &str) -> bool {
    (1..=HOST_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Which server of a cluster is to be asked instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect<'a> {
    /// Whether it is only this once, and `ASKING` has to be said before.
    pub is_ask: bool,
    /// The slot of the keys.
    pub slot: u16,
    /// A name or an address, that of IPv6 without brackets; none: the host of the server that says
    /// this, by whatever name it was reached.
    pub host: Option<&'a str>,
    /// Its port.
    pub port: u16,
}

impl<'a> Redirect<'a> {
    /// Reads the text of an error, which begins behind the `-`.
    ///
    /// None for any other error; and where the server does not know the host, which it writes as
    /// `?` if it was told to give names and has none (`cluster-preferred-endpoint-type`).
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let is_ask = match words.next()? {
            "ASK" => true,
            "MOVED" => false,
            _ => return None,
        };
        let slot = words.next()?.parse().ok().filter(|slot| *slot < SLOTS)?;
        // An address of IPv6 has colons of its own.
        let (host, port) = words.next()?.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host = (!host.is_empty()).then_some(host);
        if host.is_some_and(|host| !is_host(host)) {
            return None;
        }
        (words.next().is_none() && host != Some("?")).then_some(Self { is_ask, slot, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_xmodem() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
    }

    /// As `CLUSTER KEYSLOT` of Redis 7.0 has it.
    #[test]
    fn a_key_has_the_slot_that_redis_says() {
        let cases: [(&[u8], u16); 17] = [
            (b"", 0),
            (b"a", 15495),
            (b"foo", 12182),
            (b"123456789", 12739),
            (b"PHPREDIS_SESSION:abc", 14426),
            (b"{user1000}.following", 3443),
            (b"{user1000}.followers", 3443),
            (b"sess:{0a1b}:lock", 15090),
            (b"foo{}{bar}", 8363),
            (b"foo{{bar}}zap", 4015),
            (b"foo{bar}{zap}", 5061),
            (b"}{a}", 15495),
            (b"{a", 10276),
            (b"a}", 5921),
            (b"{}", 15257),
            (b"{}{a}", 13650),
            (b"\xff\0{\xfe}", 3793),
        ];
        for (key, expected) in cases {
            assert_eq!(slot(key), expected, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn an_error_is_known_by_its_code() {
        let cases: [(&str, ErrorCode); 28] = [
            ("MOVED 3999 127.0.0.1:6381", ErrorCode::Moved),
            ("ASK 3999 127.0.0.1:6381", ErrorCode::Ask),
            ("NOSCRIPT No matching script. Please use EVAL.", ErrorCode::NoScript),
            ("LOADING Redis is loading the dataset in memory", ErrorCode::Loading),
            ("READONLY You can't write against a read only replica.", ErrorCode::ReadOnly),
            (
                "OOM command not allowed when used memory > 'maxmemory'. script: 3ad6, on \
                 @user_script:1.",
                ErrorCode::OutOfMemory,
            ),
            ("NOAUTH Authentication required.", ErrorCode::NoAuth),
            ("WRONGPASS invalid username-password pair or user is disabled.", ErrorCode::WrongPass),
            ("ERR invalid password", ErrorCode::WrongPass),
            ("NOPERM this user has no permissions to run the 'get' command", ErrorCode::NoPerm),
            ("BUSY Redis is busy running a script.", ErrorCode::Busy),
            ("CLUSTERDOWN The cluster is down", ErrorCode::ClusterDown),
            ("CLUSTERDOWN", ErrorCode::ClusterDown),
            ("TRYAGAIN Multiple keys request during rehashing of slot", ErrorCode::TryAgain),
            ("MASTERDOWN Link with MASTER is down", ErrorCode::MasterDown),
            ("NOREPLICAS Not enough good replicas to write.", ErrorCode::NoReplicas),
            ("CROSSSLOT Keys in request don't hash to the same slot", ErrorCode::CrossSlot),
            ("ERR max number of clients reached", ErrorCode::MaxClients),
            ("ERR max number of clients + cluster connections reached", ErrorCode::MaxClients),
            ("MISCONF Redis is configured to save RDB snapshots", ErrorCode::Misconf),
            // Redis 6.
            (
                "ERR Error running script (call to f_3ad6): @user_script:1: @user_script: 1: -OOM \
                 command not allowed when used memory > 'maxmemory'.",
                ErrorCode::OutOfMemory,
            ),
            (
                "ERR Error running script (call to f_3ad6): @user_script:1: @user_script: 1: \
                 -READONLY You can't write against a read only replica.",
                ErrorCode::ReadOnly,
            ),
            (
                "ERR Error running script (call to f_3ad6): @user_script:1: user_script:1: my own",
                ErrorCode::Other,
            ),
            ("ERR unknown command 'OOM'", ErrorCode::Other),
            ("WRONGTYPE Operation against a key", ErrorCode::Other),
            ("moved 3999 127.0.0.1:6381", ErrorCode::Other),
            ("MOVEDX", ErrorCode::Other),
            ("", ErrorCode::Other),
        ];
        for (text, expected) in cases {
            assert_eq!(ErrorCode::of(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_redirection_says_where_to() {
        let to = |is_ask, slot, host, port| Some(Redirect { is_ask, slot, host, port });
        let cases: [(&str, Option<Redirect<'_>>); 22] = [
            ("MOVED 3999 127.0.0.1:6381", to(false, 3999, Some("127.0.0.1"), 6381)),
            ("ASK 16383 10.0.0.2:65535", to(true, 16383, Some("10.0.0.2"), 65535)),
            ("MOVED 0 redis-1.example.org:1", to(false, 0, Some("redis-1.example.org"), 1)),
            ("MOVED 1 2001:db8::7:6379", to(false, 1, Some("2001:db8::7"), 6379)),
            ("MOVED 1 [2001:db8::7]:6379", to(false, 1, Some("2001:db8::7"), 6379)),
            ("MOVED 1 ::1:6379", to(false, 1, Some("::1"), 6379)),
            ("MOVED 3999 :6381", to(false, 3999, None, 6381)),
            ("MOVED 3999 ?:6381", None),
            ("MOVED 16384 127.0.0.1:6381", None),
            ("MOVED -1 127.0.0.1:6381", None),
            ("MOVED a 127.0.0.1:6381", None),
            ("MOVED 3999 127.0.0.1", None),
            ("MOVED 3999 127.0.0.1:", None),
            ("MOVED 3999 127.0.0.1:0", None),
            ("MOVED 3999 127.0.0.1:65536", None),
            ("MOVED 3999", None),
            ("MOVED", None),
            ("MOVED 3999 127.0.0.1:6381 more", None),
            ("ERR 3999 127.0.0.1:6381", None),
            ("moved 3999 127.0.0.1:6381", None),
            ("TRYAGAIN", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Redirect::parse(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(Redirect::parse(b"MOVED 1 \xff:6379"), None);
    }
}
