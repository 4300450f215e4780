//! A stream with room for what is to be written and what was read.

use super::{Broken, Cause, Stream};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Room that is made for a read, in bytes: most sessions come with one.
const READ_BYTES_MIN: usize = 16 * 1024;

/// The same, at most, whatever a length says that a peer has sent.
const READ_BYTES_MAX: usize = 256 * 1024;

/// A buffer that has grown beyond this is freed after use, in bytes: one large session must not be
/// paid for by every worker for ever.
pub(super) const KEPT_BYTES: usize = 256 * 1024;

const CLOSED: &str = "the connection was closed";

/// A stream and its buffers.
pub(super) struct Buffered {
    stream: Box<dyn Stream>,
    /// What [`Buffered::flush`] writes.
    pub(super) output: Vec<u8>,
    /// What was read, up to `filled`; up to `consumed` it was dealt with.
    input: Vec<u8>,
    filled: usize,
    consumed: usize,
    /// Whether anything was answered since the last requests were sent.
    is_answering: bool,
    /// Whether nothing but greetings went over it.
    is_fresh: bool,
}

impl Buffered {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            output: Vec::new(),
            input: Vec::new(),
            filled: 0,
            consumed: 0,
            is_answering: false,
            is_fresh: true,
        }
    }

    /// How long from now on waiting for the peer may take.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.stream.set_patience(patience);
    }

    /// Whether there is something to read, as far as can be told without waiting.
    pub(super) fn has_input(&self) -> bool {
        self.stream.has_input()
    }

    /// The stream, when another protocol is to be spoken on it.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// What was read and not dealt with.
    pub(super) fn unread(&self) -> &[u8] {
        &self.input[self.consumed..self.filled]
    }

    /// The first bytes of what was read are dealt with.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.consumed += bytes;
    }

    /// An answer has come to something that is more than a greeting.
    pub(super) fn note_answer(&mut self) {
        self.is_answering = true;
        self.is_fresh = false;
    }

    /// Writes `output`, in one piece if the system takes it.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        self.is_answering = false;
        let sent = match self.stream.write(&self.output).await {
            // Nothing of it was taken.
            Err(error) => {
                let Broken { cause, reason } = self.broken(&error);
                let is_stale = cause == Cause::Stale;
                return Err(Broken { cause: if is_stale { Cause::Closed } else { cause }, reason });
            }
            Ok(sent) => sent,
        };
        let written = self.stream.write_all(&self.output[sent..]).await;
        self.output.shrink_to(KEPT_BYTES);
        written.map_err(|error| self.broken(&error))
    }

    /// Reads more of a reply that has `at_least` bytes.
    pub(super) async fn read(&mut self, at_least: usize) -> Result<(), Broken> {
        self.input.copy_within(self.consumed..self.filled, 0);
        self.filled -= self.consumed;
        self.consumed = 0;
        if self.filled == 0 && self.input.len() > KEPT_BYTES {
            self.input = Vec::new();
        }
        let missing = at_least.saturating_sub(self.filled);
        let room = missing.clamp(READ_BYTES_MIN, READ_BYTES_MAX);
        if self.input.len() < self.filled + room {
            self.input.resize(self.filled + room, 0);
        }
        match self.stream.read(&mut self.input[self.filled..]).await {
            Ok(0) => Err(self.broken(&io::ErrorKind::UnexpectedEof.into())),
            Ok(read_bytes) => {
                self.filled += read_bytes;
                Ok(())
            }
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn broken(&self, error: &io::Error) -> Broken {
        // Closed while it was idle: a server that was restarted, or its idle_timeout.
        let is_stale = !self.is_fresh && !self.is_answering && self.filled == self.consumed;
        let (cause, reason) = match error.kind() {
            io::ErrorKind::TimedOut => (Cause::Timeout, "no answer".into()),
            io::ErrorKind::UnexpectedEof if is_stale => (Cause::Stale, CLOSED.into()),
            io::ErrorKind::UnexpectedEof => (Cause::Cut, CLOSED.into()),
            _ if is_stale => (Cause::Stale, error.to_string()),
            _ => (Cause::Cut, error.to_string()),
        };
        Broken { cause, reason }
    }
}
