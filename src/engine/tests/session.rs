//! What one request does with its session, from validating the id to closing.

mod support;

use sessclust_engine::ErrorKind;
use sessclust_engine::config::Settings;
use sessclust_engine::local::format::INLINE_BYTES_MAX;
use sessclust_engine::session::Access;
use sessclust_engine::stats::Counter;
use support::{LIFETIME_S, Site, age, bytes, digest, id, idle_s};

#[test]
fn what_is_written_is_what_the_next_request_reads() {
    let site = Site::new();
    for length in [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 4096, 4097, 250_000, 3_000_000] {
        let data = bytes(length as u64, length);
        site.put("shop", &data);
        assert_eq!(site.request().open("shop"), data, "with the lock, {length} bytes");
        assert_eq!(site.get("shop"), data, "without the lock, {length} bytes");
    }
}

#[test]
fn of_several_writes_the_last_one_counts() {
    let site = Site::new();
    let mut request = site.request();
    request.open("shop");
    for version in 0..5 {
        request.write("shop", &bytes(version, 3000)).unwrap();
        assert_eq!(site.get("shop"), bytes(version, 3000));
    }
    assert!(site.is_locked("shop"), "a write does not give the lock back");
}

#[test]
fn a_new_session_is_empty_and_exists_from_then_on() {
    let site = Site::new();
    let mut request = site.request();
    assert_eq!(request.open("shop"), b"");
    request.close();
    assert!(site.request().knows("shop"));
    assert_eq!(request.count(Counter::Hits), 0);
}

// Strict mode.

#[test]
fn validating_an_unknown_id_says_no_and_makes_no_file() {
    let site = Site::new();
    let mut request = site.request();
    assert!(!request.knows("shop"));
    assert!(!site.exists("shop"));
}

#[test]
fn validating_a_destroyed_or_ended_session_says_no() {
    let site = Site::new();
    site.put("destroyed", b"x");
    site.request().session.destroy(id("destroyed")).unwrap();
    site.put("ended", b"x");
    age(&site.file("ended"), LIFETIME_S + 100);
    for text in ["destroyed", "ended"] {
        assert!(!site.request().knows(text), "{text}");
    }
    let mut request = site.request();
    assert!(!request.knows("ended"));
    assert!(!site.exists("ended"), "nothing of it may come back under this id");
}

#[test]
fn validating_reads_once_for_the_read_that_follows() {
    let site = Site::new();
    site.put("shop", b"data");
    let mut request = site.request();
    assert!(request.knows("shop"));
    assert!(site.is_locked("shop"));
    // A second look at the file would find it damaged.
    std::fs::write(site.file("shop"), [b'x'; 4096]).unwrap();
    assert_eq!(request.open("shop"), b"data");
    assert_eq!(request.count(Counter::Opens), 1);
}

#[test]
fn validating_for_reading_only_takes_no_lock() {
    let site = Site::new();
    site.put("shop", b"data");
    let mut request = site.request();
    assert!(request.session.validate(id("shop"), Access::Unlocked));
    assert!(!site.is_locked("shop"));
    assert_eq!(request.peek("shop"), b"data");
}

#[test]
fn validating_while_a_session_is_held_looks_only() {
    let site = Site::new();
    site.put("shop", b"x");
    site.put("other", b"x");
    let mut request = site.request();
    request.open("shop");
    assert!(request.knows("shop"));
    assert!(request.knows("other"));
    assert!(!request.knows("missing"));
    assert!(site.is_locked("shop"));
    assert!(!site.is_locked("other"));
}

#[test]
fn an_error_while_validating_is_kept_for_the_read() {
    let site = Site::new();
    site.put("shop", b"x");
    let mut holder = site.request();
    holder.open("shop");
    let mut request = site.impatient();
    assert!(request.knows("shop"), "saying no would log the visitor out");
    assert_eq!(request.try_open("shop").unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(request.count(Counter::LockFailures), 1, "it waits once, not twice");
}

#[test]
fn a_validated_session_is_not_handed_out_under_another_id() {
    let site = Site::new();
    site.put("shop", b"data of shop");
    site.put("other", b"data of other");
    let mut request = site.request();
    assert!(request.knows("shop"));
    assert_eq!(request.open("other"), b"data of other");
    assert!(!site.is_locked("shop"));
}

// Fresh ids.

#[test]
fn a_fresh_id_does_not_count_as_existing_until_it_is_read() {
    let site = Site::new();
    let mut request = site.request();
    assert!(request.session.is_free(id("fresh")).unwrap());
    assert!(!request.knows("fresh"));
    assert!(!site.exists("fresh"));
    assert_eq!(request.open("fresh"), b"");
    assert!(request.knows("fresh"));
    assert!(!site.request().session.is_free(id("fresh")).unwrap());
}

#[test]
fn a_fresh_id_that_somebody_took_meanwhile_collides() {
    for access in [Access::Locked, Access::Unlocked] {
        let site = Site::new();
        let mut request = site.request();
        assert!(request.session.is_free(id("fresh")).unwrap());
        site.put("fresh", b"somebody else's");
        assert!(!request.knows("fresh"), "it was drawn for this request");
        let error = request.session.read(id("fresh"), access).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Collision);
        assert_eq!(site.get("fresh"), b"somebody else's");
    }
}

#[test]
fn a_fresh_id_that_is_read_without_lock_exists_from_then_on() {
    let site = Site::new();
    let mut request = site.request();
    assert!(request.session.is_free(id("fresh")).unwrap());
    assert_eq!(request.peek("fresh"), b"");
    assert!(!site.is_locked("fresh"));
    assert!(site.request().knows("fresh"));
}

#[test]
fn an_id_is_fresh_for_one_request_only() {
    let site = Site::new();
    let mut request = site.request();
    assert!(request.session.is_free(id("fresh")).unwrap());
    request.close();
    site.put("fresh", b"x");
    let mut request = site.request();
    assert!(request.knows("fresh"));
    assert_eq!(request.open("fresh"), b"x");
}

// Reading and closing.

#[test]
fn a_read_without_lock_neither_waits_nor_locks() {
    let site = Site::new();
    site.put("shop", b"1");
    let mut holder = site.request();
    holder.open("shop");
    holder.write("shop", b"2").unwrap();
    let mut reader = site.impatient();
    assert_eq!(reader.peek("shop"), b"2");
    holder.close();
    assert!(!site.is_locked("shop"));
    assert_eq!(reader.count(Counter::Waits), 0);
}

#[test]
fn a_read_without_lock_makes_no_file() {
    let site = Site::new();
    assert_eq!(site.get("shop"), b"");
    assert!(!site.exists("shop"));
}

#[test]
fn a_session_stays_locked_until_it_is_closed_or_dropped() {
    let site = Site::new();
    site.put("shop", b"x");
    let mut request = site.request();
    request.open("shop");
    assert!(site.is_locked("shop"));
    request.close();
    assert!(!site.is_locked("shop"));
    request.open("shop");
    assert!(site.is_locked("shop"));
    drop(request);
    assert!(!site.is_locked("shop"));
}

#[test]
fn a_request_that_opens_another_session_gives_the_first_one_back() {
    let site = Site::new();
    site.put("one", b"1");
    site.put("two", b"2");
    let mut request = site.request();
    request.open("one");
    assert_eq!(request.open("two"), b"2");
    assert!(!site.is_locked("one"));
    assert!(site.is_locked("two"));
}

#[test]
fn a_reset_reads_what_is_stored_under_its_own_lock() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut request = site.impatient();
    assert_eq!(request.open("shop"), b"stored");
    assert_eq!(request.open("shop"), b"stored");
    request.write("shop", &bytes(1, 100_000)).unwrap();
    assert_eq!(request.open("shop"), bytes(1, 100_000));
    assert!(site.is_locked("shop"));
}

#[test]
fn an_aborted_request_leaves_what_was_stored() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut request = site.request();
    request.open("shop");
    request.close();
    assert_eq!(site.get("shop"), b"stored");
}

// Writing.

#[test]
fn a_write_to_another_session_keeps_the_lock_of_the_one_in_use() {
    let site = Site::new();
    site.put("held", b"x");
    site.put("other", b"old");
    let mut request = site.request();
    request.open("held");
    request.write("other", b"new").unwrap();
    assert!(site.is_locked("held"));
    assert!(!site.is_locked("other"));
    request.close();
    assert_eq!(site.get("other"), b"new");
    assert_eq!(site.get("held"), b"x");
}

#[test]
fn a_write_without_a_read_waits_for_the_lock() {
    let site = Site::new();
    let mut holder = site.request();
    holder.open("shop");
    let error = site.impatient().write("shop", b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
}

#[test]
fn a_session_larger_than_max_size_is_refused_and_the_stored_one_stays() {
    let mut site = Site::new();
    site.settings = Settings { max_size: 10_000, ..site.settings.clone() };
    site.put("shop", &bytes(1, 10_000));
    let mut request = site.request();
    request.open("shop");
    let error = request.write("shop", &bytes(2, 10_001)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("10001 bytes") && error.to_string().contains("10000"));
    request.close();
    assert_eq!(site.get("shop"), bytes(1, 10_000));
}

#[test]
fn a_stored_session_larger_than_a_lowered_max_size_is_still_read() {
    let mut site = Site::new();
    site.put("shop", &bytes(1, 10_000));
    site.settings = Settings { max_size: 1024, ..site.settings.clone() };
    assert_eq!(site.request().open("shop"), bytes(1, 10_000));
}

#[test]
fn data_that_did_not_arrive_is_not_overwritten() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut request = site.request();
    // PHP ran into its memory limit while it copied the data.
    request.session.read(id("shop"), Access::Locked).unwrap();
    let error = request.write("shop", b"").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotDelivered);
    let error = request.touch("shop", b"stored").err().map(|error| error.kind());
    assert!(matches!(error, None | Some(ErrorKind::NotDelivered)));
    request.close();
    assert_eq!(site.get("shop"), b"stored");
    // The next request of the process has nothing to do with it.
    request.open("shop");
    request.write("shop", b"new").unwrap();
    request.close();
    assert_eq!(site.get("shop"), b"new");
}

// Destroying.

#[test]
fn a_destroyed_session_is_gone_and_its_lock_with_it() {
    let site = Site::new();
    site.put("shop", b"x");
    let mut request = site.request();
    request.open("shop");
    request.session.destroy(id("shop")).unwrap();
    assert!(!site.exists("shop"));
    let mut next = site.impatient();
    assert_eq!(next.open("shop"), b"");
}

#[test]
fn destroying_a_session_that_is_not_there_succeeds() {
    let site = Site::new();
    let mut request = site.request();
    request.session.destroy(id("shop")).unwrap();
    request.open("other");
    request.session.destroy(id("shop")).unwrap();
    assert!(site.is_locked("other"), "the session held is another one");
}

#[test]
fn a_destroy_does_not_wait_for_the_holder() {
    let site = Site::new();
    let mut holder = site.request();
    holder.open("shop");
    site.impatient().session.destroy(id("shop")).unwrap();
    assert!(!site.exists("shop"));
}

#[test]
fn a_late_write_to_a_destroyed_session_is_refused() {
    for length in [10, 100_000] {
        let site = Site::new();
        site.put("shop", b"x");
        let mut late = site.request();
        late.open("shop");
        site.request().session.destroy(id("shop")).unwrap();
        let error = late.write("shop", &bytes(1, length)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Destroyed);
        assert!(!site.exists("shop"), "logged out stays logged out");
    }
}

#[test]
fn a_late_write_does_not_reach_a_new_session_under_the_id() {
    let site = Site::new();
    site.put("shop", b"old");
    let mut late = site.request();
    late.open("shop");
    site.request().session.destroy(id("shop")).unwrap();
    site.put("shop", b"new");
    assert_eq!(late.write("shop", b"late").unwrap_err().kind(), ErrorKind::Destroyed);
    late.close();
    assert_eq!(site.get("shop"), b"new");
}

#[test]
fn a_late_touch_does_not_bring_a_destroyed_session_back() {
    let site = Site::new();
    site.put("shop", b"x");
    let mut late = site.request();
    late.open("shop");
    site.request().session.destroy(id("shop")).unwrap();
    // Nothing was changed, so nothing is lost: whether it says so is of no importance.
    let _ = late.touch("shop", b"x");
    late.close();
    assert!(!site.exists("shop"));
}

/// PHP gives up a session whose data it has no memory for, and destroys it, from 8.2.35 on.
#[test]
fn data_that_did_not_arrive_are_destroyed_if_asked_for() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut request = site.request();
    request.session.read(id("shop"), Access::Locked).unwrap();
    request.session.destroy(id("shop")).unwrap();
    assert!(!site.exists("shop"));
}

/// A version that could not be read is not overwritten by what was made of nothing.
#[test]
fn a_session_whose_read_failed_is_not_overwritten() {
    let site = Site::new();
    site.put("shop", b"a");
    site.put("shop", b"b");
    let file = site.file("shop");
    let whole = std::fs::read(&file).unwrap();
    let mut later = whole.clone();
    later[4] = 9;
    let sum = xxhash_rust::xxh3::xxh3_64(&later[..72]);
    later[72..80].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(&file, &later).unwrap();
    let mut request = site.request();
    assert_eq!(request.try_open("shop").unwrap_err().kind(), ErrorKind::NewerFormat);
    assert!(!site.is_locked("shop"), "nothing was read, so nothing is held");
    assert_eq!(request.write("shop", b"x").unwrap_err().kind(), ErrorKind::NotDelivered);
    // Nor by a request that never asked.
    for _ in 0..2 {
        let error = site.request().write("shop", b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NewerFormat);
    }
    assert_eq!(std::fs::read(&file).unwrap(), later);
}

#[test]
fn reading_again_under_the_lock_does_not_bring_a_destroyed_session_back() {
    let site = Site::new();
    site.put("shop", b"x");
    let mut request = site.request();
    assert_eq!(request.open("shop"), b"x");
    site.request().session.destroy(id("shop")).unwrap();
    assert_eq!(request.open("shop"), b"");
    request.write("shop", b"new").unwrap();
    request.close();
    assert_eq!(site.get("shop"), b"new");
}

// Lifetimes.

/// The version that has ended is the one a torn write falls back to, and a write makes the file
/// young.
#[test]
fn an_ended_session_does_not_come_back_when_the_next_write_is_torn() {
    let site = Site::new();
    site.put("shop", b"user=admin");
    age(&site.file("shop"), LIFETIME_S + 100);
    let mut request = site.request();
    assert_eq!(request.open("shop"), b"");
    // What a write leaves that is killed: a changed file and no whole new version.
    let mut file = std::fs::read(site.file("shop")).unwrap();
    file.resize(4096, 0);
    file[2048..2080].fill(b'x');
    std::fs::write(site.file("shop"), file).unwrap();
    drop(request);
    let mut request = site.request();
    let data = request.session.read(id("shop"), Access::Locked).unwrap();
    assert_eq!(data.bytes, b"");
}

#[test]
fn a_session_ends_when_its_lifetime_has_passed_since_the_last_use() {
    let site = Site::new();
    for (idle, expected) in [(LIFETIME_S - 100, &b"x"[..]), (LIFETIME_S + 100, b"")] {
        site.put("shop", b"x");
        age(&site.file("shop"), idle);
        assert_eq!(site.get("shop"), expected, "without the lock, after {idle} s");
        assert_eq!(site.request().open("shop"), expected, "with the lock, after {idle} s");
    }
}

#[test]
fn the_lifetime_is_the_writers() {
    let site = Site::new();
    let mut request = site.request();
    for (lifetime_s, expected) in [(100_000, &b"x"[..]), (10, b""), (0, b"x"), (u64::MAX, b"x")] {
        request.open("shop");
        request.session.write(id("shop"), b"x", lifetime_s).unwrap();
        request.close();
        age(&site.file("shop"), 50_000);
        assert_eq!(site.get("shop"), expected, "lifetime {lifetime_s}");
    }
}

#[test]
fn a_clock_that_was_set_back_ends_no_session() {
    let site = Site::new();
    site.put("shop", b"x");
    // Last used in an hour.
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    std::fs::File::options()
        .write(true)
        .open(site.file("shop"))
        .unwrap()
        .set_modified(soon)
        .unwrap();
    assert_eq!(site.get("shop"), b"x");
}

#[test]
fn an_ended_session_stays_ended_when_the_empty_one_is_touched() {
    let site = Site::new();
    site.put("shop", b"of somebody who left");
    age(&site.file("shop"), LIFETIME_S + 100);
    let mut request = site.request();
    assert_eq!(request.open("shop"), b"");
    // Nothing was put into the new session: with lazy_write PHP touches it.
    request.touch("shop", b"").unwrap();
    request.close();
    assert_eq!(site.get("shop"), b"");
}

#[test]
fn a_new_session_under_the_id_of_an_ended_one_works() {
    let site = Site::new();
    site.put("shop", &bytes(1, 5000));
    age(&site.file("shop"), LIFETIME_S + 100);
    site.put("shop", b"new");
    assert_eq!(site.get("shop"), b"new");
    assert!(idle_s(&site.file("shop")) < 100);
}

// Touching.

#[test]
fn a_touch_keeps_a_session_alive_and_writes_nothing() {
    let site = Site::new();
    site.put("shop", b"x");
    let path = site.file("shop");
    let before = std::fs::read(&path).unwrap();
    age(&path, LIFETIME_S - 100);
    let mut request = site.request();
    request.open("shop");
    request.touch("shop", b"x").unwrap();
    assert!(idle_s(&path) < 100);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!((request.count(Counter::Touches), request.count(Counter::Commits)), (1, 0));
}

#[test]
fn a_touch_with_another_lifetime_stores_the_session_with_it() {
    let site = Site::new();
    site.put("shop", b"x");
    let mut request = site.request();
    request.open("shop");
    request.session.touch(id("shop"), b"x", 100_000).unwrap();
    request.close();
    assert_eq!((request.count(Counter::Touches), request.count(Counter::Commits)), (0, 1));
    age(&site.file("shop"), 50_000);
    assert_eq!(site.get("shop"), b"x");
}

#[test]
fn a_touch_of_what_was_never_written_stores_it() {
    let site = Site::new();
    let mut request = site.request();
    request.open("shop");
    request.touch("shop", b"x").unwrap();
    request.close();
    assert_eq!(site.get("shop"), b"x");
}

#[test]
fn a_touch_of_a_session_that_is_not_held_stores_it_under_its_lock() {
    let site = Site::new();
    let mut holder = site.request();
    holder.open("shop");
    assert_eq!(site.impatient().touch("shop", b"x").unwrap_err().kind(), ErrorKind::Locked);
    holder.close();
    site.request().touch("shop", b"x").unwrap();
    assert_eq!(site.get("shop"), b"x");
}

// Counting.

#[test]
fn a_request_counts_what_it_does() {
    let site = Site::new();
    let mut request = site.request();
    request.open("shop");
    request.write("shop", &[b'x'; 700]).unwrap();
    request.close();
    assert_eq!(request.open("shop").len(), 700);
    request.touch("shop", b"").unwrap();
    request.session.destroy(id("shop")).unwrap();
    let counted = [
        (Counter::Opens, 2),
        (Counter::Hits, 1),
        (Counter::Waits, 0),
        (Counter::LockFailures, 0),
        (Counter::Commits, 1),
        (Counter::Touches, 1),
        (Counter::Destroys, 1),
        (Counter::ReadBytes, 700),
        (Counter::WrittenBytes, 700),
        (Counter::Damaged, 0),
    ];
    for (counter, expected) in counted {
        assert_eq!(request.count(counter), expected, "{}", counter.name());
    }
    let stats = request.session.stats();
    assert_eq!((stats.read_bytes, stats.written_bytes, stats.lock_wait_us), (700, 700, 0));
}

#[test]
fn a_session_is_stored_under_the_digest_of_its_id() {
    let site = Site::new();
    site.put("shop", b"x");
    let stored = std::fs::read(site.file("shop")).unwrap();
    assert_eq!(stored[32..64], digest("shop").as_bytes()[..]);
    assert!(!stored.windows(4).any(|window| window == b"shop"), "nowhere is the id itself");
}
