//! Pieces of entries: hosts, ports, numbers, paths.

use super::{Endpoint, error, find, split_before};
use crate::error::Result;
use crate::limits::{HOST_BYTES_MAX, NODE_WEIGHT_MAX, REDIS_DATABASE_MAX, SOCKET_BYTES_MAX};
use std::ffi::OsString;
use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Splits the host, checked, from the port behind it.
pub(in crate::config) fn host(text: &[u8], at: usize) -> Result<(String, &[u8])> {
    if text.starts_with(b"[") {
        let end = text.iter().position(|byte| *byte == b']').map_or(text.len(), |end| end + 1);
        let (host, rest) = text.split_at(end);
        let host = String::from_utf8_lossy(host);
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']')?.parse::<Ipv6Addr>().ok())
            .ok_or_else(|| error(at, "there is no IPv6 address in the brackets"))?;
        return Ok((host.into_owned(), rest));
    }
    if find(text, b"::").is_some() || text.iter().filter(|byte| **byte == b':').count() > 2 {
        return Err(error(at, "an IPv6 address is written in brackets, such as [::1]"));
    }
    let (host, rest) = split_before(text, |byte| byte == b':');
    Ok((name(host, "host", at)?, rest))
}

/// Checks the name of a `what` that begins at `at`.
pub(super) fn name(text: &[u8], what: &str, at: usize) -> Result<String> {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    if let Some(bad) = text.iter().position(|byte| !is_of_name(byte)) {
        let what = format!("a {what} has letters, digits, ., - and _ only");
        return Err(error(at + bad, &what));
    }
    if !(1..=HOST_BYTES_MAX).contains(&text.len()) {
        let what = format!("the {what} has to have 1 to {HOST_BYTES_MAX} characters");
        return Err(error(at, &what));
    }
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// A number up to `max`, digits only.
fn number(text: &[u8], max: u32) -> Option<u32> {
    let digits = std::str::from_utf8(text).ok()?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)?;
    number.parse().ok().filter(|number| *number <= max)
}

/// Parses a port with the colon before it, which is at `at`.
pub(in crate::config) fn port(text: &[u8], at: usize) -> Result<u16> {
    text.strip_prefix(b":")
        .and_then(|port| number(port, u16::MAX.into()))
        .and_then(|port| u16::try_from(port).ok().filter(|port| *port > 0))
        .ok_or_else(|| error(at, "behind the host comes a colon and a port from 1 to 65535"))
}

pub(super) fn weight(text: &[u8], at: usize) -> Result<NonZeroU32> {
    number(text, NODE_WEIGHT_MAX).and_then(NonZeroU32::new).ok_or_else(|| {
        let what = format!("the weight has to be a number from 1 to {NODE_WEIGHT_MAX}");
        error(at, &what)
    })
}

pub(super) fn database(text: &[u8], at: usize) -> Result<u32> {
    number(text, REDIS_DATABASE_MAX).ok_or_else(|| {
        let what = format!("the database has to be a number from 0 to {REDIS_DATABASE_MAX}");
        error(at, &what)
    })
}

/// Checks the path of a socket that begins at `at`.
pub(in crate::config) fn socket(path: Vec<u8>, at: usize) -> Result<Endpoint> {
    if path.first() != Some(&b'/') {
        return Err(error(at, "the path has to be absolute: there are three slashes before it"));
    }
    if path.len() > SOCKET_BYTES_MAX {
        let what = format!("the path of a socket has at most {SOCKET_BYTES_MAX} bytes");
        return Err(error(at, &what));
    }
    if let Some(nul) = path.iter().position(|byte| *byte == 0) {
        return Err(error(at + nul, "a path cannot hold a NUL byte"));
    }
    Ok(Endpoint::Unix(PathBuf::from(OsString::from_vec(path))))
}

/// Decodes the path of a URL, in which %HH stands for a byte; `at` is its position.
pub(in crate::config) fn decode(text: &[u8], at: usize) -> Result<Vec<u8>> {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text.iter().enumerate();
    while let Some((index, byte)) = rest.next() {
        path.push(match byte {
            b'%' => {
                rest.nth(1);
                let hex = text.get(index + 1..index + 3);
                hex.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
                    .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok())
                    .ok_or_else(|| {
                        error(at + index, "% begins no byte; write %25 for a % itself")
                    })?
            }
            byte => *byte,
        });
    }
    Ok(path)
}
