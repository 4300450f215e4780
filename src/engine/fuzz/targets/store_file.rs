//! Any bytes as the file of a session, those with right sums included: read, written, read again.
#![no_main]

mod support;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use sessclust_engine::ErrorKind;
use sessclust_engine::config::Settings;
use sessclust_engine::local::format::{
    INLINE_BYTES_MAX, PAGE_BYTES, Page, SLOT_HEADER_BYTES, Slot,
};
use sessclust_engine::local::{Found, Open, Store};
use sessclust_engine::session::record::{Header, HeaderError};
use std::ops::Range;
use std::path::PathBuf;

const SLOTS: [usize; 2] = [0, PAGE_BYTES / 2];
const LIFETIME_S: u64 = 1440;

thread_local! {
    static PLACE: Place = Place::new();
}

fuzz_target!(init: support::plant(seeds()), |file: &[u8]| {
    // No store gets to the last version by writing, and none could follow it.
    let page = Page::decode(&file[..file.len().min(PAGE_BYTES)], &support::digest());
    if page.live().is_some_and(|live| live.header.version == u64::MAX) {
        return;
    }
    PLACE.with(|place| {
        check_page(file);
        check_store(place, file);
    });
});

/// A store with one session.
struct Place {
    store: Store,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let base = std::env::temp_dir().join(format!("sessclust-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&base).expect("a temporary folder");
        let store = Store::open(Some(&base)).expect("a store");
        let hex = String::from_utf8(support::digest().to_hex().to_vec()).expect("ASCII");
        let file = store.directory().join(&hex[..2]).join(&hex[2..]);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        Self { store, file }
    }
}

/// Data of one of the lengths that matter, different for different files.
fn new_data(file: &[u8]) -> Vec<u8> {
    let sum = xxhash_rust::xxh3::xxh3_64(file);
    let lengths = [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 4096, 9000];
    sum.to_le_bytes().iter().copied().cycle().take(lengths[sum as usize % lengths.len()]).collect()
}

/// Where a slot's data lies in the file.
fn extent(slot: &Slot) -> Range<u64> {
    slot.data_offset()..slot.data_offset() + slot.header.data_bytes
}

fn check_page(file: &[u8]) {
    let page = Page::decode(&file[..file.len().min(PAGE_BYTES)], &support::digest());
    let slots: Vec<Slot> = page.newest_first().collect();
    assert!(slots.is_sorted_by(|newer, older| newer.header.version >= older.header.version));
    assert_eq!(page.live(), slots.first().copied());
    for slot in &slots {
        let start = slot.index.file_offset() as usize;
        assert_eq!(slot.encode(), file[start..start + SLOT_HEADER_BYTES]);
        assert!(!slot.is_inline() || extent(slot).end <= (start + PAGE_BYTES / 2) as u64);
        assert!(slot.is_inline() || extent(slot).start >= PAGE_BYTES as u64);
        assert!(extent(slot).end <= page.end().max(PAGE_BYTES as u64));
    }

    // What is written next leaves the live version alone, and is believed and newer.
    let data = new_data(file);
    let next = page.place(support::digest(), LIFETIME_S, &data);
    let start = next.index.file_offset() as usize;
    let mut bytes = file[..file.len().min(PAGE_BYTES)].to_vec();
    bytes.resize(PAGE_BYTES, 0);
    bytes[start..start + SLOT_HEADER_BYTES].copy_from_slice(&next.encode());
    if let Some(live) = page.live() {
        assert_ne!(next.index, live.index);
        let (one, other) = (extent(&live), extent(&next));
        assert!(one.end <= other.start || other.end <= one.start, "{live:?} {next:?}");
    }
    if !matches!(page.damage(), Some(HeaderError::NewerFormat(_))) {
        assert_eq!(Page::decode(&bytes, &support::digest()).live(), Some(next));
    }
}

/// The data that have to be found: of the newest version that is whole. In a file shorter than a
/// page the rest counts as zeros; data that match their sum are right all the same.
fn expected(file: &[u8]) -> Option<Vec<u8>> {
    let page = Page::decode(&file[..file.len().min(PAGE_BYTES)], &support::digest());
    let mut file = file.to_vec();
    file.resize(file.len().max(PAGE_BYTES), 0);
    page.newest_first().find_map(|slot| {
        let range = extent(&slot);
        // No bytes are whole wherever they are said to be.
        let data = match slot.header.data_bytes {
            0 => b"",
            _ => file.get(range.start as usize..range.end as usize)?,
        };
        slot.header.matches(data).then(|| data.to_vec())
    })
}

fn check_store(place: &Place, file: &[u8]) {
    let (store, settings, digest) = (&place.store, Settings::default(), support::digest());
    std::fs::write(&place.file, file).expect("a file");
    let mut buffer = Vec::new();
    let mut locked = store.lock(&digest, Open::Existing, &settings).expect("free").expect("there");
    let found = match store.read(&mut locked, &mut buffer) {
        Ok(found) => found,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NewerFormat, "{error}");
            assert_eq!(std::fs::read(&place.file).expect("a file"), file);
            return;
        }
    };
    let expected = expected(file);
    assert_eq!(found == Found::Data, expected.is_some(), "{found:?}");
    assert!(buffer == expected.unwrap_or_default(), "{} bytes read", buffer.len());
    // Never more than there is to read, whatever the headers say.
    assert!(buffer.capacity() <= 2 * file.len().max(PAGE_BYTES), "{}", buffer.capacity());

    let data = new_data(file);
    store.commit(&mut locked, &data, LIFETIME_S, &settings).expect("a commit");
    drop(locked);
    let found = store.peek(&digest, &mut buffer, &settings).expect("readable");
    assert_eq!(found, Some(Found::Data));
    assert!(buffer == data, "{} bytes read, {} written", buffer.len(), data.len());
}

fuzz_mutator!(|file: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(file, size, max_size);
    let file = &mut file[..size];
    for (number, start) in SLOTS.into_iter().enumerate() {
        // Each bit decides for one slot whether its data and its headers become right.
        if seed >> (2 * number) & 1 != 0 {
            seal_data(file, start);
        }
        if seed >> (2 * number) & 2 != 0
            && let Some(header) = file.get_mut(start..)
        {
            support::seal(header, Header::BYTES - 8);
            support::seal(header, SLOT_HEADER_BYTES - 8);
        }
    }
    size
});

/// Puts the sum of what the slot at `start` says are its data into its record header.
fn seal_data(file: &mut [u8], start: usize) {
    let Some(header) = file.get(start..start + SLOT_HEADER_BYTES) else { return };
    let field = |at: usize| u64::from_le_bytes(*header[at..].first_chunk().expect("a field"));
    let (length, offset) = (field(24), field(80));
    let begin = if offset == 0 { (start + SLOT_HEADER_BYTES) as u64 } else { offset };
    let end = begin.saturating_add(length);
    let (Ok(begin), Ok(end)) = (usize::try_from(begin), usize::try_from(end)) else { return };
    let Some(data) = file.get(begin..end) else { return };
    let sum = xxhash_rust::xxh3::xxh3_64(data);
    file[start + 64..start + 72].copy_from_slice(&sum.to_le_bytes());
}

/// Files as the store writes them, with one to three versions of lengths that matter.
fn seeds() -> Vec<Vec<u8>> {
    let lengths = [0, 10, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 6000];
    let mut seeds = vec![Vec::new(), vec![0; PAGE_BYTES]];
    for first in lengths {
        seeds.push(written(&[first]));
        for second in lengths {
            seeds.push(written(&[first, second]));
            seeds.push(written(&[first, second, 3000]));
        }
    }
    seeds
}

fn written(lengths: &[usize]) -> Vec<u8> {
    PLACE.with(|place| {
        let (settings, digest) = (Settings::default(), support::digest());
        let _ = std::fs::remove_file(&place.file);
        for (version, length) in lengths.iter().enumerate() {
            let locked = place.store.lock(&digest, Open::Create, &settings).expect("free");
            let mut locked = locked.expect("made");
            place.store.read(&mut locked, &mut Vec::new()).expect("readable");
            let data = vec![b'a' + version as u8; *length];
            place.store.commit(&mut locked, &data, LIFETIME_S, &settings).expect("a commit");
        }
        std::fs::read(&place.file).expect("a file")
    })
}
