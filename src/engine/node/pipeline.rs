//! The meta protocol over a stream: requests leave in one write, answers are matched to them in
//! order and by number.

use super::buffered::Buffered;
use super::{Answer, Broken, Cause, Late, Stream, Tag};
use crate::error::shown;
use crate::limits::MEMCACHED_LIST_PAUSE_MAX;
use crate::wire::Decoded;
use crate::wire::memcached::ServerError;
use crate::wire::memcached::meta::{self, Flags, Limits, Opaque, Reply, Request};
use crate::wire::memcached::metadump::{self, Line};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::timeout;

const NO_MEMCACHED: &str = "not a memcached server";

/// A stream and what is expected on it.
pub(super) struct Pipeline {
    buffered: Buffered,
    next: u32,
    expected: VecDeque<Expected>,
    limits: Limits,
    /// Whether the server repeats the number of a request in a miss too.
    numbers_misses: bool,
}

/// A request that was sent.
struct Expected {
    request: Request<'static>,
    /// None: the exchange that is running waits for it.
    tag: Option<Tag>,
}

impl Pipeline {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            buffered: Buffered::new(stream),
            next: 0,
            expected: VecDeque::new(),
            limits: Limits::default(),
            numbers_misses: false,
        }
    }

    /// How long from now on waiting for the server may take.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.buffered.set_patience(patience);
    }

    /// Whether there is something to read, as far as can be told without waiting.
    pub(super) fn has_input(&self) -> bool {
        self.buffered.has_input()
    }

    /// Believes only numbered misses from now on.
    pub(super) fn expect_numbered_misses(&mut self) {
        self.numbers_misses = true;
    }

    /// The stream, when it turns out that another protocol is spoken on it. Nothing must be
    /// expected.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.buffered.into_stream()
    }

    /// Whether there are bytes that nothing was asked for.
    pub(super) fn has_unasked_input(&self) -> bool {
        self.expected.is_empty() && !self.buffered.unread().is_empty()
    }

    /// Whether answers to requests are missing that will come.
    pub(super) fn owes_answers(&self) -> bool {
        self.expected.iter().any(|expected| !expected.request.is_quiet())
    }

    /// The tags of requests that will never be answered.
    pub(super) fn into_owed(self) -> impl Iterator<Item = Tag> {
        let owed = self.expected.into_iter().filter(|expected| !expected.request.is_quiet());
        owed.filter_map(|expected| expected.tag)
    }

    /// Sends what is asked on a new connection only. `take` gets each reply with the request that
    /// it belongs to, and says whether it was the last one to that; or why it will not do.
    pub(super) async fn greet(
        &mut self,
        requests: &[Request<'_>],
        mut take: impl FnMut(&Request<'_>, &Reply<'_>) -> Result<bool, String>,
    ) -> Result<(), Broken> {
        let refused = |reason| Broken { cause: Cause::Nonsense, reason };
        self.send(requests, None).await?;
        self.expected.clear();
        for request in requests {
            loop {
                match meta::decode(self.buffered.unread(), &self.limits) {
                    Err(error) => return Err(refused(format!("{NO_MEMCACHED}: {error}"))),
                    Ok(Decoded::Incomplete { at_least }) => {
                        self.buffered.read(at_least).await?;
                    }
                    Ok(Decoded::Reply { reply, consumed }) => {
                        if !reply.answers(request) {
                            return Err(refused(NO_MEMCACHED.into()));
                        }
                        let is_last = take(request, &reply).map_err(refused)?;
                        self.buffered.consume(consumed);
                        if is_last {
                            break;
                        }
                    }
                }
            }
        }
        match self.buffered.unread().is_empty() {
            true => Ok(()),
            false => Err(refused(format!("{NO_MEMCACHED}: it says more than it is asked"))),
        }
    }

    /// Lists the keys that the server has. Nothing must be expected. False if the server has no
    /// time for that now.
    pub(super) async fn list(&mut self, mut take: impl FnMut(Vec<u8>)) -> Result<bool, Broken> {
        self.buffered.output.clear();
        self.buffered.output.extend_from_slice(metadump::REQUEST);
        self.buffered.flush().await?;
        loop {
            match metadump::decode(self.buffered.unread()) {
                Err(error) => return Err(Broken::nonsense(error)),
                Ok(Decoded::Incomplete { at_least }) => {
                    self.buffered.set_patience(MEMCACHED_LIST_PAUSE_MAX);
                    let piece =
                        timeout(MEMCACHED_LIST_PAUSE_MAX, self.buffered.read(at_least)).await;
                    piece.unwrap_or_else(|_| Err(Broken::late()))?;
                }
                Ok(Decoded::Reply { reply, consumed }) => {
                    match reply {
                        // Who has keys that nobody can have is asked for none of them.
                        Line::Key(key) => key.decode().into_iter().for_each(&mut take),
                        Line::Refused(text) => {
                            let reason = format!("the server lists no keys: {}", shown(text));
                            return Err(Broken { cause: Cause::Nonsense, reason });
                        }
                        Line::End | Line::Busy => {
                            let is_done = matches!(reply, Line::End);
                            self.buffered.consume(consumed);
                            return Ok(is_done);
                        }
                    }
                    self.buffered.consume(consumed);
                }
            }
        }
    }

    /// The answers to what was sent without a tag.
    pub(super) async fn receive_all(
        &mut self,
        late: &mut Vec<Late>,
    ) -> Result<Vec<Answer>, Broken> {
        let is_awaited =
            |expected: &Expected| expected.tag.is_none() && !expected.request.is_quiet();
        let mut answers = Vec::with_capacity(self.expected.len());
        while self.expected.iter().any(is_awaited) {
            let (tag, answer) = self.receive().await?;
            match tag {
                None => answers.push(answer),
                Some(tag) => late.push(Late { tag, answer: Some(answer) }),
            }
        }
        Ok(answers)
    }

    pub(super) async fn settle(&mut self, late: &mut Vec<Late>) -> Result<(), Broken> {
        while self.owes_answers() {
            let (tag, answer) = self.receive().await?;
            late.extend(tag.map(|tag| Late { tag, answer: Some(answer) }));
        }
        Ok(())
    }

    /// Sends requests in one write. With a tag, nobody waits for the answers.
    pub(super) async fn send(
        &mut self,
        requests: &[Request<'_>],
        tag: Option<Tag>,
    ) -> Result<(), Broken> {
        self.buffered.output.clear();
        for request in requests {
            let request = request.numbered(Opaque(self.next));
            self.next = self.next.wrapping_add(1);
            meta::encode(&request, &mut self.buffered.output);
            self.expected.push_back(Expected { request: request.without_payload(), tag });
        }
        self.buffered.flush().await
    }

    /// Waits for the next answer, with the tag of its request.
    async fn receive(&mut self) -> Result<(Option<Tag>, Answer), Broken> {
        loop {
            match meta::decode(self.buffered.unread(), &self.limits) {
                Err(error) => return Err(Broken::nonsense(error)),
                Ok(Decoded::Incomplete { at_least }) => self.buffered.read(at_least).await?,
                Ok(Decoded::Reply { reply, consumed }) => {
                    let expected = take_expected(&mut self.expected, &reply, self.numbers_misses)?;
                    let answer = answer(&reply)?;
                    self.buffered.note_answer();
                    self.buffered.consume(consumed);
                    match expected.request.is_quiet() {
                        // The refusal of a quiet request: whoever sent it does not want to know.
                        true => continue,
                        false => return Ok((expected.tag, answer)),
                    }
                }
            }
        }
    }
}

/// Takes the request that a reply belongs to, and those before that were quiet and had none.
fn take_expected(
    expected: &mut VecDeque<Expected>,
    reply: &Reply<'_>,
    numbers_misses: bool,
) -> Result<Expected, Broken> {
    let is_error = matches!(reply, Reply::Error(_) | Reply::ClientError(_) | Reply::ServerError(_));
    let is_bare_miss = matches!(reply, Reply::En(flags) if flags.opaque.is_none());
    if is_bare_miss && numbers_misses {
        return Err(Broken::nonsense("a miss of no request"));
    }
    while let Some(first) = expected.pop_front() {
        // Errors have no number: one may be a quiet request's or the next one's, and nobody knows.
        if is_error && first.request.is_quiet() && !expected.is_empty() {
            return Err(Broken::nonsense("an error that may belong to either of two requests"));
        }
        if reply.answers(&first.request) {
            return Ok(first);
        }
        if !first.request.is_quiet() {
            return Err(Broken::nonsense("the answer to another request"));
        }
    }
    Err(Broken::nonsense("an answer to no request"))
}

/// What a reply says.
fn answer(reply: &Reply<'_>) -> Result<Answer, Broken> {
    Ok(match reply {
        Reply::Hd(flags) => Answer::Done { cas: flags.cas },
        Reply::Va { value, flags: Flags { cas, time_left, .. } } => {
            Answer::Value { bytes: value.to_vec(), cas: *cas, time_left: *time_left }
        }
        Reply::En(_) | Reply::Nf(_) => Answer::Missing,
        Reply::Ns(_) | Reply::Ex(_) => Answer::Refused,
        Reply::ServerError(text) => Answer::ServerError(ServerError::of(text), shown(text)),
        // The server does not know what it was asked, or is about to close the connection.
        Reply::Error(text) | Reply::ClientError(text) => {
            let reason = format!("the server refuses: {}", shown(text));
            return Err(Broken { cause: Cause::Nonsense, reason });
        }
        Reply::Mn | Reply::Version(_) | Reply::Stat { .. } | Reply::End => {
            return Err(Broken::nonsense("the answer to another request"));
        }
    })
}
