//! What the fuzz targets share.

#![allow(dead_code, reason = "each target uses its own part of this module")]

use sessclust_engine::session::id::{Digest, SessionId};
use xxhash_rust::xxh3::xxh3_64;

/// Writes the inputs to start from into the folder that script/fuzz names, if it does.
pub fn plant(seeds: impl IntoIterator<Item = Vec<u8>>) {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    for (number, seed) in seeds.into_iter().enumerate() {
        let file = std::path::Path::new(&folder).join(format!("seed-{number}"));
        std::fs::write(file, seed).expect("script/fuzz has made the folder");
    }
}

/// The session whose bytes are fuzzed.
pub fn digest() -> Digest {
    SessionId::parse(b"abc").expect("valid").digest()
}

/// A text that PHP can show: no control bytes (PHP drops what follows a NUL), and not too long.
#[track_caller]
pub fn assert_is_printable(text: &str) {
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
    assert!(text.len() < 500, "{} bytes", text.len());
}

/// Puts the sum of `bytes` before `end` there.
pub fn seal(bytes: &mut [u8], end: usize) {
    if let Some((sealed, rest)) = bytes.split_at_mut_checked(end)
        && let Some(sum) = rest.first_chunk_mut()
    {
        *sum = xxh3_64(sealed).to_le_bytes();
    }
}
