//! The grammar of `session.save_path`.
//!
//! ```text
//! save path = ""                      the embedded store in /var/tmp/sessclust-u<uid>
//!           | directory               the embedded store in <directory>/u<uid>, taken as it stands
//!           | "local://" directory    the same as a URL: %HH stands for a byte
//! directory = an absolute path without "." and ".." as components
//! ```
//!
//! Errors name the position, counted in bytes from 0 (behind a %HH, of the decoded text), and say
//! how to write what was probably meant. They show no more of the text than its scheme, for people
//! put passwords into save paths.

use crate::error::{Error, ErrorKind, Result};
use crate::limits::DIRECTORY_BYTES_MAX;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A parsed save path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePath {
    /// Directory in which each user has a store; none for the default.
    pub local_base: Option<PathBuf>,
}

/// Schemes that name servers; the embedded store is all that this version has.
const SERVER_SCHEMES: [&[u8]; 11] = [
    b"memcached",
    b"memcached+unix",
    b"redis",
    b"rediss",
    b"redis+unix",
    b"redis+sentinel",
    b"redis+cluster",
    b"tcp",
    b"tls",
    b"ssl",
    b"unix",
];

impl SavePath {
    /// Parses a save path.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with the position and how to write it.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let (directory, start) = match text {
            b"" => return Ok(Self { local_base: None }),
            [b'/', ..] if !is_socket(text) => (text.to_vec(), 0),
            _ => {
                const LOCAL: &[u8] = b"local://";
                let rest = text.strip_prefix(LOCAL).ok_or_else(|| not_local(text))?;
                (decode_url_path(rest, LOCAL.len())?, LOCAL.len())
            }
        };
        check_directory(&directory, start)?;
        Ok(Self { local_base: Some(PathBuf::from(OsString::from_vec(directory))) })
    }
}

fn error(position: usize, what: &str) -> Error {
    let message = format!("session.save_path, position {position}: {what}");
    Error::new(ErrorKind::Config, message)
}

/// Says what is wrong with a text that is neither a directory nor a `local://` URL.
fn not_local(text: &[u8]) -> Error {
    let scheme = text.windows(3).position(|window| window == b"://").map(|end| &text[..end]);
    let scheme = scheme.map(<[u8]>::to_ascii_lowercase);
    match scheme {
        Some(scheme) if SERVER_SCHEMES.contains(&scheme.as_slice()) => {
            let scheme = String::from_utf8_lossy(&scheme);
            error(
                0,
                &format!(
                    "servers ({scheme}://) are not supported by this version, which has the \
                     embedded store only: leave it empty or write local:///directory"
                ),
            )
        }
        Some(_) => error(0, "unknown scheme: leave it empty or write local:///directory"),
        None if is_socket(text) => error(
            0,
            "this names a server's socket, and servers are not supported by this version, which \
             has the embedded store only: leave it empty or write local:///directory",
        ),
        None if text.contains(&b';') => error(
            0,
            "the depth and mode of the files handler (\"N;MODE;/directory\") are not used: write \
             local:///directory",
        ),
        None if text.starts_with(b"local:") => {
            error(6, "two slashes and an absolute directory are missing: write local:///directory")
        }
        None if text.contains(&b':') => error(
            0,
            "a list of servers (host:port) is not supported by this version, which has the \
             embedded store only: leave it empty or write local:///directory",
        ),
        None => error(
            0,
            "a relative directory would depend on where PHP was started: write \
             local:///directory with an absolute one",
        ),
    }
}

/// Whether a path is that of a server's socket, as php-memcached and phpredis take it.
fn is_socket(text: &[u8]) -> bool {
    let path = text.strip_suffix(b":0").unwrap_or(text);
    path.starts_with(b"/") && (path.ends_with(b".sock") || path.ends_with(b".socket"))
}

/// Decodes the path of a URL; `start` is its position in the save path.
fn decode_url_path(text: &[u8], start: usize) -> Result<Vec<u8>> {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text.iter().enumerate();
    while let Some((at, byte)) = rest.next() {
        let position = start + at;
        match byte {
            b'%' => {
                let digits = text.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
                let byte = digits
                    .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                    .ok_or_else(|| error(position, "% begins no byte; write %25 for a % itself"))?;
                path.push(byte);
                rest.nth(1);
            }
            b' ' | b',' => {
                let what = "one embedded store is all there can be; write %20 or %2C for a space \
                            or a comma in its directory";
                return Err(error(position, what));
            }
            b'?' | b'#' => {
                let what = "local:// takes no parameters; the settings are sessclust.* in php.ini";
                return Err(error(position, what));
            }
            byte => path.push(*byte),
        }
    }
    Ok(path)
}

/// Checks a directory that begins at `start` of the save path.
fn check_directory(directory: &[u8], start: usize) -> Result<()> {
    if directory.first() != Some(&b'/') {
        let what = "the directory has to be absolute: local:///directory, with three slashes";
        return Err(error(start, what));
    }
    if directory.len() > DIRECTORY_BYTES_MAX {
        let what = format!("the directory is longer than {DIRECTORY_BYTES_MAX} bytes");
        return Err(error(start, &what));
    }
    if let Some(at) = directory.iter().position(|byte| *byte == 0) {
        return Err(error(start + at, "a directory cannot hold a NUL byte"));
    }
    let mut position = start;
    for part in directory.split(|byte| *byte == b'/') {
        if matches!(part, b"." | b"..") {
            return Err(error(position, "the directory must not have . or .. as components"));
        }
        position += part.len() + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Option<PathBuf> {
        SavePath::parse(text.as_bytes()).expect(text).local_base
    }

    fn refused(text: &str) -> String {
        let error = SavePath::parse(text.as_bytes()).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    #[test]
    fn empty_is_the_default_store() {
        assert_eq!(base(""), None);
    }

    #[test]
    fn directories_are_taken_plain_and_as_urls() {
        for (text, directory) in [
            ("/var/lib/php/sessions", "/var/lib/php/sessions"),
            ("/with space,comma", "/with space,comma"),
            ("local:///srv/a", "/srv/a"),
            ("local:///", "/"),
            ("local:///a%20b%2Cc%25", "/a b,c%"),
            ("/a..b/.c/...", "/a..b/.c/..."),
        ] {
            assert_eq!(base(text), Some(PathBuf::from(directory)), "{text}");
        }
    }

    #[test]
    fn errors_name_the_position() {
        for (text, position) in [
            ("local://srv", 8),
            ("local://", 8),
            ("local:///a b", 10),
            ("local:///a,local:///b", 10),
            ("local:///a?x=1", 10),
            ("local:///a%", 10),
            ("local:///a%+1", 10),
            ("local:///a%zz", 10),
            ("local:///a%00", 10),
            ("local:///a\0", 10),
            ("/ab\0", 3),
            ("local:///a/../b", 11),
            ("/a/./b", 3),
            ("relative/dir", 0),
            ("local:/one/slash", 6),
        ] {
            let expected = format!("session.save_path, position {position}: ");
            assert!(refused(text).starts_with(&expected), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn save_paths_of_other_handlers_are_told_apart() {
        assert!(refused("10.0.0.1:11211,10.0.0.2:11211").contains("list of servers"));
        assert!(refused("memcached://a:11211").contains("servers (memcached://)"));
        for text in ["/run/memcached.sock", "/run/memcached.sock:0", "/run/redis/redis.sock"] {
            assert!(refused(text).contains("server's socket"), "{text}");
        }
        assert!(refused("REDIS://a").contains("servers (redis://)"));
        assert!(refused("2;0600;/tmp").contains("depth and mode"));
        assert!(refused("http://x").contains("unknown scheme"));
        let redis = refused("tcp://10.0.0.1:6379?auth=secret");
        assert!(redis.contains("servers (tcp://)") && !redis.contains("secret"), "{redis}");
    }

    #[test]
    fn the_directory_has_a_limit() {
        let longest = format!("/{}", "x".repeat(DIRECTORY_BYTES_MAX - 1));
        assert!(SavePath::parse(longest.as_bytes()).is_ok());
        assert!(refused(&format!("{longest}x")).contains("longer than"));
    }
}
