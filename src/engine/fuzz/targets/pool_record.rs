//! Any bytes as what a node of a pool keeps: the record of a session, those with right sums
//! included, and the value of a lock.
#![no_main]

mod support;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use sessclust_engine::cluster::holder::{Holder, Signature};
use sessclust_engine::cluster::record::{Record, RecordError, Stamp};
use sessclust_engine::machine::{Identity, Process};
use sessclust_engine::session::id::SessionId;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes before the sum.
const SUMMED_BYTES: usize = Record::BYTES - 8;

fuzz_target!(init: support::plant(seeds()), |input: &[u8]| {
    check_record(input);
    check_holder(input);
});

fn check_record(input: &[u8]) {
    let digest = support::digest();
    let record = match Record::decode(input, &digest) {
        Ok(record) => record,
        Err(error) => {
            assert_eq!(error == RecordError::Short, input.len() < Record::BYTES);
            return support::assert_is_printable(&error.to_string());
        }
    };
    let mut encoded = Vec::new();
    record.encode(&digest, &input[Record::BYTES..], &mut encoded);
    assert_eq!(encoded, input);
    let other = SessionId::parse(b"abd").expect("valid").digest();
    assert_eq!(Record::decode(input, &other), Err(RecordError::OtherSession));

    let Record { stamp, lifetime_s, .. } = record;
    for now_s in [0, 1_700_000_000, record.end_s, u64::MAX] {
        assert!(record.ends_too_early(now_s) || !record.is_past(now_s));
        assert!(record.kept_s(now_s).is_none() == (record.end_s == 0));
        // Whoever destroys the session now outlives whoever stores it now.
        let stored = Record::new(stamp, lifetime_s, now_s);
        let tombstone = Record::tombstone(stamp, lifetime_s, Some(lifetime_s), now_s);
        let is_endless = tombstone.end_s == 0;
        assert!(is_endless || stored.end_s != 0 && tombstone.end_s >= stored.end_s);
    }
}

fn check_holder(input: &[u8]) {
    let Some(holder) = Holder::decode(input) else { return };
    let Identity { machine, process: Process { pid, start_time } } = holder.identity;
    let (token, since_s, host, script) =
        (holder.token, holder.since_s, &holder.host, &holder.script);
    let value =
        format!("1 {token:032x} {since_s} {machine:016x} {pid} {start_time} {host} {script}");
    assert_eq!(Holder::decode(value.as_bytes()), Some(holder.clone()));
    // The machine and the process are whoever's the bytes say.
    let is_own = Identity::own().is_some_and(|own| own == holder.identity);
    assert!(!(is_own && holder.is_dead()));
    let text = holder.describe(1_700_000_000);
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
    assert!(text.len() < 1000, "{} bytes", text.len());
}

fuzz_mutator!(|input: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(input, size, max_size);
    if !seed.is_multiple_of(4)
        && let Some((header, data)) = input[..size].split_at_mut_checked(Record::BYTES)
    {
        let (summed, sum) = header.split_at_mut(SUMMED_BYTES);
        sum.copy_from_slice(&xxh3_64_with_seed(data, xxh3_64(summed)).to_le_bytes());
    }
    size
});

fn seeds() -> Vec<Vec<u8>> {
    let stamp = Stamp { version: 1_700_000_000_000_000, writer: 7 };
    let encoded = |record: Record, data: &[u8]| {
        let mut bytes = Vec::new();
        record.encode(&support::digest(), data, &mut bytes);
        bytes
    };
    let now_s = 1_700_000_000;
    let largest = Stamp { version: u64::MAX, writer: u64::MAX };
    vec![
        encoded(Record::new(stamp, 1440, now_s), b"n|i:1;"),
        encoded(Record::new(stamp, 0, now_s), b""),
        encoded(Record::new(largest, u64::MAX, now_s), &[b'x'; 300]),
        encoded(Record::tombstone(stamp, 1440, Some(7200), now_s), b""),
        encoded(Record::new(stamp, 1440, now_s), b"")[..SUMMED_BYTES].to_vec(),
        Signature::of(b"/srv/www/a b.php").sign(7, now_s),
        b"1 ff 1 7 4242 99 web-2 /srv/www/a b.php".to_vec(),
    ]
}
