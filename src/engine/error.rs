//! The engine's error: a kind by which callers and tests tell cases apart, a sentence, the cause.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What went wrong, as far as a caller has to tell cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The session id is empty, too long or has a character outside `[A-Za-z0-9,-]`.
    InvalidId,
    /// A setting or the save path cannot be used.
    Config,
    /// The store's directory cannot be used: wrong owner, wrong type, network file system.
    Directory,
    /// A session's file is not a regular file of this user.
    ForeignFile,
    /// The session stayed locked by another request for longer than `lock_wait`.
    Locked,
    /// A record failed its checks and no older version was left. It is never handed out.
    Damaged,
    /// The record was written by a later version of sessclust, in a format this one cannot read.
    NewerFormat,
    /// The session is larger than `max_size`.
    TooLarge,
    /// The session was destroyed by somebody else while this request held it; nothing was written.
    Destroyed,
    /// The session was opened by another process, of which this one is a fork.
    Forked,
    /// What is stored never reached PHP, so it must not be overwritten.
    NotDelivered,
    /// A fresh id is in use already.
    Collision,
    /// A node of the pool cannot do what it is asked; nothing was saved.
    Node,
    /// No node that could know the session answers; nothing was saved.
    NoNode,
    /// Another request has changed the session since this one read it, or its node has lost it;
    /// nothing was written.
    LeaseLost,
    /// Perhaps done, perhaps not: the last step that would have told failed.
    Indeterminate,
    /// A callback came without the store being open.
    NotOpen,
    /// A panic was caught: a bug of ours.
    Internal,
    /// The operating system refused: disk full, I/O error, too many open files and the like.
    Io,
}

/// The result of the engine's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the engine. Its text names the cause, and never a session id in full.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<io::Error>,
}

impl Error {
    /// An error with a sentence: lower case, no full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// A system call's failure; `doing` says what was tried, with the path.
    pub fn io(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { kind: ErrorKind::Io, message: doing.into(), source: Some(source.into()) }
    }

    /// Whether another node may do what one could not.
    pub fn is_of_one_node(&self) -> bool {
        matches!(self.kind, ErrorKind::Node | ErrorKind::NoNode)
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// Runs `f`, and makes an error of a panic. Every way from PHP into the engine leads through here:
/// a panic that leaves an `extern "C"` function ends the process, and with it the visitor's
/// request.
///
/// # Errors
/// Those of `f`, and [`ErrorKind::Internal`] with the panic's message.
pub fn catch<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic leaves half done is a request's own state, which is dropped with the request.
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(message), _) => message,
            (None, Some(message)) => message.as_str(),
            (None, None) => "a panic without a message",
        };
        let message = shown(message.as_bytes());
        let text = format!("internal error of sessclust, please report it: {message}");
        Err(Error::new(ErrorKind::Internal, text))
    })
}

/// Bytes from outside made fit for a message: cut at [`crate::limits::SHOWN_BYTES_MAX`], control
/// and non-ASCII bytes escaped (PHP drops a message that holds a NUL).
pub fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(crate::limits::SHOWN_BYTES_MAX)];
    let dots = if cut.len() < bytes.len() { "..." } else { "" };
    format!("{}{dots}", cut.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_comes_last() {
        let error = Error::io("cannot open /x", io::Error::from_raw_os_error(28));
        assert_eq!(error.to_string(), "cannot open /x: No space left on device (os error 28)");
        assert_eq!(error.kind(), ErrorKind::Io);
    }

    #[test]
    fn a_panic_becomes_an_error() {
        assert_eq!(catch(|| Ok(1)).expect("no panic"), 1);
        let formatted = catch::<()>(|| panic!("{} number\n", "a"));
        let plain = catch::<()>(|| panic!("plain"));
        let odd = catch::<()>(|| std::panic::panic_any(7));
        for (error, text) in
            [(formatted, "a number\\n"), (plain, "plain"), (odd, "a panic without a message")]
        {
            let error = error.expect_err("a panic");
            assert_eq!(error.kind(), ErrorKind::Internal);
            assert!(error.to_string().ends_with(&format!("please report it: {text}")), "{error}");
        }
    }

    #[test]
    fn foreign_text_is_cut_and_escaped() {
        assert_eq!(shown(b"a\0b\n%n\xff"), "a\\x00b\\n%n\\xff");
        assert_eq!(shown(&[b'x'; 81]), format!("{}...", "x".repeat(80)));
    }
}
