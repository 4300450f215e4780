//! Any bytes as what a memcached server sends, and as key and value of what it is sent.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use sessclust_engine::wire::memcached::meta::{
    Condition, Flags, Limits, Opaque, Reply, Request, Wants, decode, encode,
};
use sessclust_engine::wire::memcached::{Cas, Key, ServerError, Ttl};
use sessclust_engine::wire::{DecodeError, Decoded};
use std::time::Duration;

/// Limits that short inputs reach.
const SMALL: Limits = Limits { line_bytes_max: 60, flags_max: 3, value_bytes_max: 40 };

fuzz_target!(init: support::plant(seeds()), |input: &[u8]| {
    check_replies(input, &Limits::default());
    check_replies(input, &SMALL);
    check_requests(input);
});

/// All replies, one after the other.
fn check_replies(mut input: &[u8], limits: &Limits) {
    loop {
        let result = decode(input, limits);
        check_cuts(input, &result, limits);
        match result {
            Ok(Decoded::Reply { reply, consumed }) => {
                check_reply(&reply, &input[..consumed], limits);
                input = &input[consumed..];
            }
            Ok(Decoded::Incomplete { at_least }) => {
                assert!(at_least > input.len());
                assert!(at_least <= limits.line_bytes_max + limits.value_bytes_max + 4);
                return;
            }
            Err(DecodeError { offset, reason }) => {
                assert!(offset < input.len());
                support::assert_is_printable(reason);
                return;
            }
        }
    }
}

/// What is there decides; what follows changes nothing, and what is missing is not guessed.
fn check_cuts(input: &[u8], result: &Result<Decoded<Reply<'_>>, DecodeError>, limits: &Limits) {
    // All cuts of short inputs, the interesting ones of long ones.
    let end = match result {
        Ok(Decoded::Reply { consumed, .. }) => *consumed,
        _ => input.len(),
    };
    for length in (0..end.min(100)).chain(end.saturating_sub(3).max(100)..end) {
        let cut = decode(&input[..length], limits);
        match cut {
            Ok(Decoded::Incomplete { at_least }) => {
                assert!(at_least > length);
                match result {
                    Ok(Decoded::Reply { consumed, .. }) => assert!(at_least <= *consumed),
                    Ok(Decoded::Incomplete { at_least: later }) => assert!(at_least <= *later),
                    Err(_) => {}
                }
            }
            Err(_) => assert_eq!(cut, *result),
            Ok(Decoded::Reply { .. }) => panic!("{cut:?} of {result:?}"),
        }
    }
    if let Ok(Decoded::Reply { .. }) = result {
        assert_eq!(decode(&input[..end], limits), *result);
    }
}

/// The reply of these bytes, read in a simpler way.
fn check_reply(reply: &Reply<'_>, bytes: &[u8], limits: &Limits) {
    let line_end = bytes.iter().position(|byte| *byte == b'\r').expect("an end of the line");
    let (line, rest) = bytes.split_at(line_end);
    assert!(line.len() <= limits.line_bytes_max);
    assert!(!line.iter().any(u8::is_ascii_control));
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let code = words.next().expect("a code");
    if let Reply::Va { value, .. } = reply {
        assert_eq!(rest, [b"\r\n", *value, b"\r\n"].concat());
        assert!(value.len() <= limits.value_bytes_max);
        let size = std::str::from_utf8(words.next().expect("a size")).expect("digits");
        assert_eq!(size.parse(), Ok(value.len()));
    } else {
        assert_eq!(rest, b"\r\n");
    }
    let (expected, flags): (&[u8], _) = match reply {
        Reply::Hd(flags) => (b"HD", Some(flags)),
        Reply::Va { flags, .. } => (b"VA", Some(flags)),
        Reply::En(flags) => (b"EN", Some(flags)),
        Reply::Nf(flags) => (b"NF", Some(flags)),
        Reply::Ns(flags) => (b"NS", Some(flags)),
        Reply::Ex(flags) => (b"EX", Some(flags)),
        Reply::Mn => (b"MN", None),
        Reply::Version(_) => (b"VERSION", None),
        Reply::Stat { .. } => (b"STAT", None),
        Reply::End => (b"END", None),
        Reply::Error(_) => (b"ERROR", None),
        Reply::ClientError(_) => (b"CLIENT_ERROR", None),
        Reply::ServerError(text) => {
            let says_more = [text, &b" too large"[..]].concat();
            assert_eq!(ServerError::of(&says_more), ServerError::TooLarge);
            (b"SERVER_ERROR", None)
        }
    };
    assert_eq!(code, expected);
    if let Some(flags) = flags {
        let words: Vec<&[u8]> = words.collect();
        assert!(words.len() <= limits.flags_max);
        check_flags(flags, &words);
    }
}

/// Each flag says what its word says, and no word is passed over.
fn check_flags(flags: &Flags, words: &[&[u8]]) {
    let token = |letter: u8| {
        let mut tokens = words.iter().filter_map(|word| word.strip_prefix(&[letter]));
        let token = tokens.next();
        assert!(tokens.next().is_none());
        token.map(|token| std::str::from_utf8(token).expect("ASCII"))
    };
    let number = |letter| token(letter).map(|token| token.parse::<u64>().expect("a number"));
    assert_eq!(flags.opaque.map(|Opaque(number)| u64::from(number)), number(b'O'));
    assert_eq!(flags.cas, number(b'c').and_then(Cas::new));
    let time_left = match token(b't') {
        Some("-1") => Some(Duration::MAX),
        _ => number(b't').map(Duration::from_secs),
    };
    assert_eq!(flags.time_left, time_left);
}

/// No key and no value can say more than it is: read in a simple way, the requests are those that
/// were meant, and nothing is left.
fn check_requests(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (text, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_key = (1..=250).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
    let key = Key::new(text);
    assert_eq!(key.is_some(), is_key);
    let Some(key) = key else { return };

    let cas = Cas::new(input.len() as u64).expect("a key has bytes");
    let (ttl, opaque) = (Ttl::UNLIMITED, Opaque(value.len() as u32));
    let set = |condition| Request::Set { key, value, ttl, condition, opaque };
    let mut output = Vec::new();
    encode(&set(Condition::Absent), &mut output);
    encode(&Request::Delete { key, cas, is_quiet: true, opaque }, &mut output);
    encode(&set(Condition::Unchanged(cas)), &mut output);
    encode(&Request::Get { key, wants: Wants::Value, opaque }, &mut output);
    encode(&Request::Touch { key, ttl, opaque }, &mut output);

    let mut rest = &output[..];
    let size = value.len();
    for (command, flags) in [
        ("ms", format!("{size} T0 ME c O{size}")),
        ("md", format!("C{cas} q O{size}")),
        ("ms", format!("{size} T0 C{cas} c O{size}")),
        ("mg", format!("v c t O{size}")),
        ("mg", format!("T0 c O{size}")),
    ] {
        let line_end = rest.iter().position(|byte| *byte == b'\n').expect("a line");
        let line = rest[..line_end].strip_suffix(b"\r").expect("CR LF");
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        assert_eq!(words[..2], [command.as_bytes(), text]);
        assert_eq!(words[2..].join(&b' '), flags.as_bytes());
        rest = &rest[line_end + 1..];
        if command == "ms" {
            rest =
                rest.strip_prefix(value).and_then(|rest| rest.strip_prefix(b"\r\n")).expect("it");
        }
    }
    assert!(rest.is_empty());
}

fn seeds() -> Vec<Vec<u8>> {
    [
        "HD c12 O7\r\nEN O8\r\nVA 6 c12 t1440 O9\r\nn|i:1;\r\nMN\r\n",
        "VA 0 c18446744073709551615 t-1 O4294967295\r\n\r\n",
        "NF c0 O1\r\nNS  c0 O2 \r\nEX k s5 W X Z O3\r\n",
        "VERSION 1.6.18\r\nMN\r\n",
        "STAT item_size_max 1048576\r\nSTAT inter\r\nEND\r\n",
        "ERROR\r\nERROR Too many open connections\r\n",
        "CLIENT_ERROR bad data chunk\r\n",
        "SERVER_ERROR object too large for cache\r\nSERVER_ERROR out of memory storing object\r\n",
        "VA 1048576 c1\r\n",
        "+PONG\r\n",
        "sess:0a1b\n\r\nmn\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
