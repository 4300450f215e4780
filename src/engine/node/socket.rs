//! A socket that is waited for in the kernel.
//!
//! While PHP waits for its session its thread has nothing else to do, so nothing is gained by an
//! event loop: that costs another system call for every wait, and a tenth of the time that a
//! request spends with us. So reading blocks, for as long as [`Stream::set_patience`] allows, and
//! whoever asks several nodes sends to all of them before it reads from the first.

use super::Stream;
use crate::limits::LATE_ANSWER_GRACE;
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{RecvFlags, recv};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A blocking socket as a stream of tokio.
pub(super) struct Socket<S> {
    socket: S,
    deadline: Instant,
    /// How long the kernel waits for something to read, and for room to write, as it was told last.
    patience: [Duration; 2],
}

impl<S: AsFd> Socket<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, deadline: Instant::now(), patience: [Duration::ZERO; 2] }
    }

    /// Tells the kernel how long to wait, if that has become notably less or is another time now.
    fn prepare(&mut self, step: Timeout, left: Duration) -> io::Result<()> {
        let patience = &mut self.patience[usize::from(step == Timeout::Send)];
        // A hundredth more or less does not matter, and saves telling it every time.
        if left > *patience || left < patience.mul_f64(0.99) {
            sockopt::set_socket_timeout(&self.socket, step, Some(left))?;
            *patience = left;
        }
        Ok(())
    }

    fn wait<T>(
        &mut self,
        kind: Timeout,
        mut step: impl FnMut(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        // After a signal: that of max_execution_time, or this process was stopped and goes on. What
        // came meanwhile is to be read, late as it is.
        let mut grace = Duration::ZERO;
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && grace.is_zero() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            if let Err(error) = self.prepare(kind, left.max(grace)) {
                return Poll::Ready(Err(error));
            }
            match step(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    grace = if left.is_zero() { Duration::ZERO } else { LATE_ANSWER_GRACE };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                result => return Poll::Ready(result),
            }
        }
    }
}

impl<S: AsFd + Send + Unpin> Stream for Socket<S>
where
    for<'a> &'a S: Read + Write,
{
    fn set_patience(&mut self, patience: Duration) {
        self.deadline = Instant::now() + patience;
    }

    fn has_input(&self) -> bool {
        // An end or an error is something, too.
        let read = recv(&self.socket, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        read != Err(Errno::AGAIN)
    }
}

impl<S: AsFd + Unpin> AsyncRead for Socket<S>
where
    for<'a> &'a S: Read,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unfilled = buffer.initialize_unfilled();
        self.wait(Timeout::Recv, |mut socket| socket.read(unfilled))
            .map_ok(|read_bytes| buffer.advance(read_bytes))
    }
}

impl<S: AsFd + Unpin> AsyncWrite for Socket<S>
where
    for<'a> &'a S: Write,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.wait(Timeout::Send, |mut socket| socket.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The socket is closed when it is dropped; there is nothing to say before.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
