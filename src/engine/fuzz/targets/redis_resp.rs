//! Any bytes as what a Redis server sends, as the arguments of what it is sent, and as its errors.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use sessclust_engine::wire::redis::resp::{Limits, Reply, decode, encode};
use sessclust_engine::wire::redis::{ErrorCode, Redirect, SLOTS, slot};
use sessclust_engine::wire::{DecodeError, Decoded};

/// Limits that short inputs reach.
const SMALL: Limits =
    Limits { line_bytes_max: 30, bulk_bytes_max: 40, elements_max: 6, depth_max: 3 };

fuzz_target!(init: support::plant(seeds()), |input: &[u8]| {
    check_replies(input, &Limits::default());
    check_replies(input, &SMALL);
    check_command(input);
    check_error(input);
    check_slot(input);
});

/// All replies, one after the other.
fn check_replies(mut input: &[u8], limits: &Limits) {
    loop {
        let result = decode(input, limits);
        check_cuts(input, &result, limits);
        match result {
            Ok(Decoded::Reply { reply, consumed }) => {
                let mut rest = &input[..consumed];
                let elements = check_reply(&reply, &mut rest, limits, 0);
                assert!(rest.is_empty());
                assert!(elements <= limits.elements_max);
                input = &input[consumed..];
            }
            Ok(Decoded::Incomplete { at_least }) => {
                assert!(at_least > input.len());
                let beyond = limits.bulk_bytes_max + 3 * limits.elements_max + 4;
                assert!(at_least <= input.len() + beyond);
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

/// Takes the reply from the start of `bytes`, read in a simpler way, and says how many elements it
/// has.
fn check_reply(reply: &Reply<'_>, bytes: &mut &[u8], limits: &Limits, depth: usize) -> usize {
    let end = bytes.windows(2).position(|end| end == b"\r\n").expect("an end of the line");
    let (kind, text) = bytes[..end].split_first().expect("a first byte");
    *bytes = &bytes[end + 2..];
    assert!(text.len() <= limits.line_bytes_max);
    assert!(!text.contains(&b'\r') && !text.contains(&b'\n'));
    let number = || -> i64 { std::str::from_utf8(text).expect("ASCII").parse().expect("a number") };
    match reply {
        Reply::Simple(said) => assert_eq!((kind, text), (&b'+', *said)),
        Reply::Error(said) => assert_eq!((kind, text), (&b'-', *said)),
        Reply::Integer(said) => assert_eq!((*kind, number()), (b':', *said)),
        Reply::Nil => {
            assert!(matches!(kind, b'$' | b'*'));
            assert_eq!(number(), -1);
        }
        Reply::Bulk(value) => {
            assert_eq!((*kind, number()), (b'$', value.len() as i64));
            assert!(value.len() <= limits.bulk_bytes_max);
            let rest = bytes.strip_prefix(*value).and_then(|rest| rest.strip_prefix(b"\r\n"));
            *bytes = rest.expect("the value and its end");
        }
        Reply::Array(replies) => {
            assert_eq!((*kind, number()), (b'*', replies.len() as i64));
            assert!(depth < limits.depth_max);
            let inner = replies.iter().map(|reply| check_reply(reply, bytes, limits, depth + 1));
            return replies.len() + inner.sum::<usize>();
        }
    }
    0
}

/// No argument can say more than it is: read back, a command is what was meant.
fn check_command(input: &[u8]) {
    let arguments: Vec<&[u8]> = input.split(|byte| *byte == b' ').take(100).collect();
    let mut output = Vec::new();
    encode(&arguments, &mut output);
    let expected = Reply::Array(arguments.into_iter().map(Reply::Bulk).collect());
    let whole = Decoded::Reply { reply: expected, consumed: output.len() };
    assert_eq!(decode(&output, &Limits::default()), Ok(whole));
}

/// Only what is called so is a redirection, and it goes somewhere.
fn check_error(text: &[u8]) {
    let code = ErrorCode::of(text);
    if let Some(Redirect { is_ask, slot, host, port }) = Redirect::parse(text) {
        assert_eq!(code, if is_ask { ErrorCode::Ask } else { ErrorCode::Moved });
        assert!(slot < SLOTS && port > 0);
        assert!(host.is_none_or(|host| !host.is_empty() && !host.contains(' ')));
    }
}

/// All keys with one tag have the slot of it.
fn check_slot(key: &[u8]) {
    assert!(slot(key) < SLOTS);
    if !key.is_empty() && !key.contains(&b'}') {
        assert_eq!(slot(&[b"a{", key, b"}{b}"].concat()), slot(key));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    [
        "+OK\r\n$6\r\nn|i:1;\r\n$-1\r\n:1\r\n",
        "*2\r\n:1\r\n$3\r\nabc\r\n*-1\r\n*0\r\n",
        "*2\r\n*3\r\n:0\r\n:8191\r\n*4\r\n$3\r\n::1\r\n:6379\r\n$4\r\n0a1b\r\n*0\r\n+x\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+\r\n",
        ":-9223372036854775808\r\n:+9223372036854775807\r\n",
        "$1048576\r\n",
        "*1048576\r\n+\r\n",
        "-NOSCRIPT No matching script. Please use EVAL.\r\n",
        "MOVED 3999 127.0.0.1:6381",
        "ASK 16383 ::1:6381",
        "MOVED 3999 :6381",
        "ERR Error running script (call to f_3ad6): @user_script:1: @user_script: 1: -OOM command",
        "ERR max number of clients reached",
        "SET sess:{0a1b} value NX PX 5000",
        "HD c12 O7\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
