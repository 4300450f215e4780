//! The files of the embedded store: what is in them, and what happens when it is something else.

mod support;

use sessclust_engine::config::Settings;
use sessclust_engine::local::format::{INLINE_BYTES_MAX, PAGE_BYTES, Page, SLOT_HEADER_BYTES};
use sessclust_engine::local::{Found, Open, Store};
use sessclust_engine::session::Access;
use sessclust_engine::session::record::{Header, HeaderError};
use sessclust_engine::stats::Counter;
use sessclust_engine::{ErrorKind, Result};
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use support::{LIFETIME_S, PATIENCE, Site, bytes, digest, id, seeded};

/// What the store finds in the session's file, with the data.
fn read(store: &Store, text: &str) -> Result<(Found, Vec<u8>)> {
    let settings = Settings { lock_wait: PATIENCE, ..Settings::default() };
    let mut locked = store.lock(&digest(text), Open::Create, &settings)?.expect("made");
    let mut buffer = Vec::new();
    let found = store.read(&mut locked, &mut buffer)?;
    assert!(found == Found::Data || buffer.is_empty(), "{found:?}, but {} bytes", buffer.len());
    Ok((found, buffer))
}

/// The same without the lock.
fn peek(store: &Store, text: &str) -> Result<(Found, Vec<u8>)> {
    let mut buffer = Vec::new();
    let found = store.peek(&digest(text), &mut buffer, &Settings::default())?;
    Ok((found.expect("a file"), buffer))
}

/// A new seal for a changed record header, to reach the checks behind it.
fn seal(header: &mut [u8]) {
    let sum = xxhash_rust::xxh3::xxh3_64(&header[..72]);
    header[72..80].copy_from_slice(&sum.to_le_bytes());
    if let Some(slot) = header.get_mut(..SLOT_HEADER_BYTES) {
        let sum = xxhash_rust::xxh3::xxh3_64(&slot[..88]);
        slot[88..].copy_from_slice(&sum.to_le_bytes());
    }
}

// Names and modes.

#[test]
fn everything_is_for_its_owner_only() {
    let site = Site::new();
    site.put("shop", b"x");
    let file = site.file("shop");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    assert_eq!(mode(site.store().directory()), 0o700);
    let user = rustix::process::geteuid().as_raw();
    assert_eq!(site.store().directory(), site.base().join(format!("u{user}")));
    assert_eq!(fs::metadata(&file).unwrap().uid(), user);
}

#[test]
fn every_session_has_a_file_of_its_own() {
    let site = Site::new();
    let longest = "x".repeat(256);
    let ids = ["a", "A", "a-", "a,", "aa", &longest[..255], &longest];
    for text in ids {
        site.put(text, text.as_bytes());
    }
    for text in ids {
        assert_eq!(site.get(text), text.as_bytes());
    }
}

#[test]
fn a_short_session_is_one_page_and_a_long_one_little_more() {
    let site = Site::new();
    let length = |data: usize| {
        site.put("shop", &bytes(1, data));
        fs::metadata(site.file("shop")).unwrap().len()
    };
    assert!(length(INLINE_BYTES_MAX) <= PAGE_BYTES as u64);
    assert!(length(INLINE_BYTES_MAX) <= PAGE_BYTES as u64);
    assert_eq!(length(100_000), PAGE_BYTES as u64 + 100_000);
}

#[test]
fn a_file_shrinks_once_both_versions_are_small_again() {
    let site = Site::new();
    let length = || fs::metadata(site.file("shop")).unwrap().len();
    site.put("shop", &bytes(1, 1_000_000));
    site.put("shop", &bytes(2, 1_000_000));
    assert!(length() >= 2_000_000);
    site.put("shop", b"small");
    assert_eq!(site.get("shop"), b"small");
    site.put("shop", b"smaller");
    assert!(length() <= 100_000, "{} bytes", length());
    assert_eq!(site.get("shop"), b"smaller");
}

#[test]
fn a_file_does_not_grow_with_the_number_of_writes() {
    let site = Site::new();
    let mut random = seeded();
    let mut longest = 0;
    for version in 0..300 {
        site.put("shop", &bytes(version, random.usize(..100_000)));
        longest = longest.max(fs::metadata(site.file("shop")).unwrap().len());
    }
    assert!(longest < 4 * 100_000, "{longest} bytes");
}

#[test]
fn two_stores_on_one_directory_have_the_same_sessions() {
    let site = Site::new();
    let (one, other) = (site.store(), site.store());
    for (writer, reader, version) in [(&one, &other, 1), (&other, &one, 2), (&one, &other, 3)] {
        let settings = Settings::default();
        let mut locked = writer.lock(&digest("shop"), Open::Create, &settings).unwrap().unwrap();
        writer.read(&mut locked, &mut Vec::new()).unwrap();
        let data = bytes(version, 1000 * version as usize);
        writer.commit(&mut locked, &data, LIFETIME_S, &settings).unwrap();
        assert_eq!(peek(reader, "shop").unwrap(), (Found::Data, data.clone()));
        drop(locked);
        assert_eq!(read(reader, "shop").unwrap(), (Found::Data, data));
    }
}

#[test]
fn two_directories_have_nothing_in_common() {
    let (one, other) = (Site::new(), Site::new());
    one.put("shop", b"x");
    assert!(!other.exists("shop"));
    let mut holder = one.request();
    holder.open("shop");
    assert_eq!(other.impatient().open("shop"), b"");
}

#[test]
fn a_store_that_is_removed_under_a_running_process_is_made_again() {
    let site = Site::new();
    let mut request = site.request();
    request.open("shop");
    request.write("shop", b"x").unwrap();
    request.close();
    fs::remove_dir_all(site.store().directory()).unwrap();
    assert!(!request.knows("shop"));
    assert_eq!(request.open("shop"), b"");
    request.write("shop", b"new").unwrap();
    assert_eq!(site.get("shop"), b"new");
}

/// The kernel counts dirty pages that a removal saves it from writing, see proc_pid_io(5). There
/// are none once the disk has the data.
#[test]
fn with_sync_a_commit_waits_until_the_disk_has_the_data() {
    let site = Site::new();
    let cancelled_by_removal = |sync: bool, length: usize| {
        let mut request = site.request_with(Settings { sync, ..site.settings.clone() });
        request.open("shop");
        request.write("shop", &bytes(1, length)).unwrap();
        request.write("shop", &bytes(2, length)).unwrap();
        let path = site.file("shop");
        assert_eq!(site.get("shop"), bytes(2, length));
        let before = cancelled_write_bytes();
        fs::remove_file(path).unwrap();
        request.close();
        cancelled_write_bytes() - before
    };
    for length in [1000, 100_000] {
        let unsynced = cancelled_by_removal(false, length);
        assert_eq!(cancelled_by_removal(true, length), 0, "{length} bytes");
        if unsynced == 0 {
            println!("not shown: the temporary folder's file system has no dirty pages (tmpfs?)");
        }
    }
}

fn cancelled_write_bytes() -> u64 {
    let io = fs::read_to_string("/proc/thread-self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("cancelled_write_bytes: "));
    line.map_or(0, |bytes| bytes.parse().expect("a number"))
}

// Damage.

#[test]
fn damage_is_reported_once_and_the_session_starts_anew() {
    let site = Site::new();
    site.put("shop", b"x");
    let garbage = [b'x'; PAGE_BYTES];
    fs::write(site.file("shop"), garbage).unwrap();
    for access in [Access::Locked, Access::Unlocked] {
        let mut request = site.request();
        let data = request.session.read(id("shop"), access).unwrap();
        assert!(data.bytes.is_empty());
        assert_eq!(data.loss.unwrap().kind(), ErrorKind::Damaged);
        assert_eq!((request.count(Counter::Damaged), request.count(Counter::Hits)), (1, 0));
        request.close();
    }
    assert_eq!(fs::read(site.file("shop")).unwrap(), garbage, "reading changes nothing");
    let mut request = site.request();
    request.session.read(id("shop"), Access::Locked).unwrap();
    request.session.delivered();
    request.write("shop", b"new").unwrap();
    request.close();
    assert_eq!(site.request().open("shop"), b"new");
}

#[test]
fn a_touch_of_a_damaged_session_stores_it() {
    let site = Site::new();
    site.put("shop", b"x");
    fs::write(site.file("shop"), [b'x'; PAGE_BYTES]).unwrap();
    let mut request = site.request();
    request.session.read(id("shop"), Access::Locked).unwrap();
    request.session.delivered();
    request.touch("shop", b"").unwrap();
    request.close();
    assert_eq!(site.request().open("shop"), b"");
}

/// Two versions of which the newer one is longer than its slot.
fn two_versions(site: &Site) -> (Vec<u8>, Vec<u8>) {
    let versions = (bytes(1, 1000), bytes(2, 5000));
    site.put("shop", &versions.0);
    site.put("shop", &versions.1);
    versions
}

#[test]
fn a_flipped_bit_gives_the_other_version_and_never_wrong_data() {
    let site = Site::new();
    let (old, new) = two_versions(&site);
    let store = site.store();
    let path = site.file("shop");
    let whole = fs::read(&path).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    let mut random = seeded();
    for at in 0..whole.len() {
        file.write_all_at(&[whole[at] ^ 1 << random.u8(..8)], at as u64).unwrap();
        let (found, data) = peek(&store, "shop").unwrap();
        file.write_all_at(&whole[at..=at], at as u64).unwrap();
        assert_eq!(found, Found::Data, "byte {at}");
        let is_of_new = (2048..2048 + SLOT_HEADER_BYTES).contains(&at) || at >= PAGE_BYTES;
        assert!(data == if is_of_new { &*old } else { &*new }, "byte {at}");
    }
}

#[test]
fn a_file_cut_off_anywhere_gives_a_whole_version_or_none() {
    let site = Site::new();
    let (old, new) = two_versions(&site);
    let store = site.store();
    let path = site.file("shop");
    let whole = fs::read(&path).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    for length in (0..=whole.len()).rev() {
        file.set_len(length as u64).unwrap();
        let (found, data) = peek(&store, "shop").unwrap();
        let expected = match length {
            _ if length == whole.len() => &*new,
            _ if length >= SLOT_HEADER_BYTES + old.len() => &*old,
            _ => b"",
        };
        assert!(data == expected, "{length} bytes: {found:?}, {} bytes of data", data.len());
        match length {
            0 => assert_eq!(found, Found::Absent, "{length} bytes"),
            _ if expected.is_empty() => {
                assert!(matches!(found, Found::Damaged(_)), "{length} bytes: {found:?}");
            }
            _ => assert_eq!(found, Found::Data, "{length} bytes"),
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_can_be_written_again() {
    let site = Site::new();
    two_versions(&site);
    let path = site.file("shop");
    let whole = fs::read(&path).unwrap();
    let mut random = seeded();
    for length in (0..=whole.len()).step_by(61) {
        fs::write(&path, &whole[..length]).unwrap();
        let mut request = site.request();
        request.session.read(id("shop"), Access::Locked).unwrap();
        request.session.delivered();
        let data = bytes(length as u64, random.usize(..8000));
        request.write("shop", &data).unwrap();
        request.close();
        assert_eq!(site.get("shop"), data, "{length} bytes");
    }
}

#[test]
fn random_bytes_are_damage_and_can_be_overwritten() {
    let site = Site::new();
    site.put("shop", b"");
    let store = site.store();
    let path = site.file("shop");
    let mut random = seeded();
    for round in 0..300 {
        let mut file = bytes(random.u64(..), random.usize(1..20_000));
        // Not zeros, which nobody has written yet.
        file[0] |= 1;
        fs::write(&path, &file).unwrap();
        let (found, _) = read(&store, "shop").unwrap();
        assert!(matches!(found, Found::Damaged(_)), "round {round}: {found:?}");
        assert_eq!(peek(&store, "shop").unwrap().0, found);
        let data = bytes(random.u64(..), random.usize(..8000));
        let mut request = site.request();
        request.write("shop", &data).unwrap();
        request.close();
        assert_eq!(site.get("shop"), data, "round {round}");
    }
}

/// Headers with right sums and any values in their fields.
#[test]
fn a_forged_header_gives_a_version_that_was_written_or_none() {
    let site = Site::new();
    let (old, new) = two_versions(&site);
    let store = site.store();
    let path = site.file("shop");
    let whole = fs::read(&path).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    let mut random = seeded();
    for round in 0..3000 {
        let slot = random.choice([0, 2048]).unwrap();
        let mut header = whole[slot..slot + SLOT_HEADER_BYTES].to_vec();
        // Version, lifetime, length, sum of the data, offset.
        let field = random.choice([8, 16, 24, 64, 80]).unwrap();
        let value: u64 = match random.u8(..4) {
            0 => random.u64(..),
            1 => random.u64(..1 << 40),
            2 => random.u64(..20_000),
            _ => 1 << random.u8(..64),
        };
        header[field..field + 8].copy_from_slice(&value.to_le_bytes());
        seal(&mut header);
        file.write_all_at(&header, slot as u64).unwrap();
        let settings = Settings::default();
        let mut locked = store.lock(&digest("shop"), Open::Existing, &settings).unwrap().unwrap();
        let mut buffer = Vec::new();
        let found = store.read(&mut locked, &mut buffer).unwrap();
        let is_known = [&*old, &*new, b""].contains(&&*buffer);
        assert!(is_known, "round {round}: {found:?} of field {field} = {value}");
        // A length is compared with the file's before anything is allocated.
        assert!(buffer.capacity() < 2 * whole.len(), "{} bytes", buffer.capacity());
        file.write_all_at(&whole[slot..slot + SLOT_HEADER_BYTES], slot as u64).unwrap();
    }
}

#[test]
fn the_file_of_another_session_is_damage() {
    let site = Site::new();
    site.put("mine", b"x");
    site.put("theirs", b"secret");
    fs::copy(site.file("theirs"), site.file("mine")).unwrap();
    let store = site.store();
    for found in [read(&store, "mine").unwrap(), peek(&store, "mine").unwrap()] {
        assert_eq!(found, (Found::Damaged(HeaderError::OtherSession), Vec::new()));
    }
}

#[test]
fn a_file_of_a_later_format_is_neither_read_nor_written() {
    let site = Site::new();
    // In either slot, alone or beside a version of this format.
    for (versions, slot) in [(1, 0), (2, 0), (2, 2048)] {
        for version in 0..versions {
            site.put("shop", &bytes(version, 100));
        }
        let path = site.file("shop");
        let mut file = fs::read(&path).unwrap();
        file[slot + 4] = 2;
        seal(&mut file[slot..slot + Header::BYTES]);
        fs::write(&path, &file).unwrap();
        let store = site.store();
        for error in [read(&store, "shop").unwrap_err(), peek(&store, "shop").unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::NewerFormat);
            assert!(error.to_string().contains("format 2 of a later version"), "{error}");
        }
        let error = site.request().write("shop", b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NewerFormat);
        assert_eq!(fs::read(&path).unwrap(), file);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn the_bytes_of_a_file_stay_as_they_are_in_format_1() {
    let site = Site::new();
    site.put("shop", b"a|i:1;");
    let data = bytes(3, 5000);
    site.put("shop", &data);
    let file = fs::read(site.file("shop")).unwrap();
    assert_eq!(file.len(), PAGE_BYTES + 5000);
    assert_eq!(file[SLOT_HEADER_BYTES..SLOT_HEADER_BYTES + 6], *b"a|i:1;");
    assert_eq!(file[PAGE_BYTES..], data);
    let page = Page::decode(&file[..PAGE_BYTES], &digest("shop"));
    let found: Vec<_> = page.newest_first().map(|slot| (slot.header, slot.data_offset())).collect();
    let expected = [
        (Header::of(digest("shop"), 2, LIFETIME_S, &data), PAGE_BYTES as u64),
        (Header::of(digest("shop"), 1, LIFETIME_S, b"a|i:1;"), SLOT_HEADER_BYTES as u64),
    ];
    assert_eq!(found, expected);
    assert_eq!(page.damage(), None);
}

// Something else in the file's place.

#[test]
fn what_is_not_a_file_of_this_user_is_refused_and_left_alone() {
    let site = Site::new();
    site.put("victim", b"of somebody else");
    site.put("shop", b"x");
    let path = site.file("shop");
    let victim = site.file("victim");
    let before = fs::read(&victim).unwrap();
    type Place = fn(&Path, &Path);
    let places: [(&str, Place); 5] = [
        ("a symbolic link to a session", |path, victim| {
            std::os::unix::fs::symlink(victim, path).unwrap();
        }),
        ("a symbolic link to nothing", |path, _| {
            std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap();
        }),
        ("a directory", |path, _| fs::create_dir(path).unwrap()),
        ("a pipe that nobody reads", |path, _| {
            let mode = rustix::fs::Mode::RWXU;
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
                .unwrap();
        }),
        ("a socket", |path, _| {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("s");
            std::os::unix::net::UnixListener::bind(&socket).unwrap();
            fs::rename(socket, path).unwrap();
        }),
    ];
    for (what, place) in places {
        let _ = fs::remove_file(&path);
        place(&path, &victim);
        let kind = |error: sessclust_engine::Error| {
            assert!(error.to_string().contains("is not a regular file of user"), "{what}: {error}");
            error.kind()
        };
        assert_eq!(kind(site.request().try_open("shop").unwrap_err()), ErrorKind::ForeignFile);
        assert_eq!(kind(peek(&site.store(), "shop").unwrap_err()), ErrorKind::ForeignFile);
        assert_eq!(kind(site.request().write("shop", b"x").unwrap_err()), ErrorKind::ForeignFile);
        assert!(site.request().knows("shop"), "{what}: no would log the visitor out");
        if what == "a directory" {
            fs::remove_dir(&path).unwrap();
        }
    }
    assert_eq!(fs::read(&victim).unwrap(), before);
}

#[test]
fn another_users_file_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: only root can give a file to another user");
    }
    let site = Site::new();
    site.put("shop", b"x");
    std::os::unix::fs::chown(site.file("shop"), Some(65534), None).unwrap();
    let before = fs::read(site.file("shop")).unwrap();
    assert_eq!(site.request().try_open("shop").unwrap_err().kind(), ErrorKind::ForeignFile);
    assert_eq!(peek(&site.store(), "shop").unwrap_err().kind(), ErrorKind::ForeignFile);
    assert_eq!(site.request().write("shop", b"y").unwrap_err().kind(), ErrorKind::ForeignFile);
    assert_eq!(fs::read(site.file("shop")).unwrap(), before);
}

#[test]
fn a_symbolic_link_in_place_of_the_store_is_refused() {
    let site = Site::new();
    let directory = site.store().directory().to_owned();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::remove_dir(&directory).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), &directory).unwrap();
    let error = Store::open(Some(site.base())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Directory);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
