//! Any bytes as a server's list of its keys.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use sessclust_engine::cluster::digest_of_key;
use sessclust_engine::limits::{MEMCACHED_KEY_BYTES_MAX, MEMCACHED_LINE_BYTES_MAX};
use sessclust_engine::wire::memcached::metadump::{Line, decode};
use sessclust_engine::wire::{DecodeError, Decoded};

fuzz_target!(init: support::plant(seeds()), |input: &[u8]| {
    let mut rest = input;
    loop {
        match decode(rest) {
            Ok(Decoded::Reply { reply, consumed }) => {
                check_cuts(&rest[..consumed]);
                if let Line::Key(key) = reply
                    && let Some(key) = key.decode()
                {
                    assert!((1..=MEMCACHED_KEY_BYTES_MAX).contains(&key.len()));
                    // Read in another way: the same key, escaped as little or as much as one likes.
                    let escaped: String = key.iter().map(|byte| format!("%{byte:02x}")).collect();
                    let line = format!("key={escaped}\n");
                    let Ok(Decoded::Reply { reply: Line::Key(again), .. }) =
                        decode(line.as_bytes())
                    else {
                        panic!("{line}")
                    };
                    assert_eq!(again.decode(), Some(key.clone()));
                    if let Some(digest) = digest_of_key(&key) {
                        assert_eq!(key, [b"sc:r:", &digest.to_hex()[..]].concat());
                    }
                }
                rest = &rest[consumed..];
            }
            Ok(Decoded::Incomplete { at_least }) => {
                assert_eq!(at_least, rest.len() + 1);
                assert!(at_least <= MEMCACHED_LINE_BYTES_MAX + 2);
                return;
            }
            Err(DecodeError { offset, reason }) => {
                assert!(offset < rest.len());
                support::assert_is_printable(reason);
                return;
            }
        }
    }
});

/// What is there decides; what is missing is not guessed.
fn check_cuts(line: &[u8]) {
    assert!(line.len() <= MEMCACHED_LINE_BYTES_MAX + 2);
    for length in 0..line.len() {
        assert_eq!(decode(&line[..length]), Ok(Decoded::Incomplete { at_least: length + 1 }));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let digest = "bca07d604208cb4762fed07014e6007dd575cf06c63b93179192fac3020461fc";
    let words = "exp=-1 la=1795395341 cas=2 fetch=no cls=1 size=65";
    [
        format!("key=sc%3Ar%3A{digest} {words}\nEND\r\n"),
        format!("key=a%25b%C3%A4 {words}\nkey=%zz {words}\n"),
        "BUSY currently processing crawler request\r\n".into(),
        "CLIENT_ERROR lru crawler disabled\r\n".into(),
    ]
    .map(String::into_bytes)
    .into()
}
