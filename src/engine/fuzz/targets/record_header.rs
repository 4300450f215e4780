//! Any bytes as a record header, those with right sums included.
#![no_main]

mod support;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use sessclust_engine::limits::DATA_BYTES_MAX;
use sessclust_engine::session::record::{Header, HeaderError};

fuzz_target!(init: support::plant(seeds()), |input: &[u8]| {
    let digest = support::digest();
    let decoded = Header::decode(input, &digest);
    // What follows the header does not matter.
    let header = &input[..input.len().min(Header::BYTES)];
    assert_eq!(Header::decode(header, &digest), decoded);
    match decoded {
        Ok(decoded) => {
            assert_eq!(decoded.encode(), header);
            assert!(decoded.data_bytes <= DATA_BYTES_MAX);
            assert_eq!(decoded.digest, digest);
            let data = &input[Header::BYTES..];
            let made_for = Header::of(digest, decoded.version, decoded.lifetime_s, data);
            assert_eq!(decoded.matches(data), decoded == made_for);
        }
        Err(error) => {
            assert_eq!(error == HeaderError::Short, input.len() < Header::BYTES);
            support::assert_is_printable(&error.to_string());
        }
    }
});

fuzz_mutator!(|input: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(input, size, max_size);
    if !seed.is_multiple_of(4) {
        support::seal(&mut input[..size], Header::BYTES - 8);
    }
    size
});

fn seeds() -> Vec<Vec<u8>> {
    let header = |version, lifetime_s, data: &[u8]| {
        [&Header::of(support::digest(), version, lifetime_s, data).encode(), data].concat()
    };
    vec![
        header(1, 1440, b""),
        header(7, 0, b"n|i:1;"),
        header(u64::MAX, u64::MAX, &[b'x'; 300]),
        header(1, 1440, b"")[..Header::BYTES - 1].to_vec(),
    ]
}
