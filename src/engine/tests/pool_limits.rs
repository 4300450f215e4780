//! What memcached cannot do, or will not: limits of size, time and memory; servers that are none.

mod support;

use sessclust_engine::cluster::record::{Record, Stamp};
use sessclust_engine::config::Settings;
use sessclust_engine::session::Access;
use sessclust_engine::stats::Counter;
use sessclust_engine::{ErrorKind, Result};
use std::thread;
use std::time::{Duration, SystemTime};
use support::pool::{PoolSite, Service, lock_key, record_key};
use support::proxy::{Fault, Place};
use support::{LIFETIME_S, PATIENCE, Request, bytes, digest, id, wait_for};

on_each_service! {
    a_session_of_a_megabyte_less_its_record_is_stored,
    a_node_keeps_a_session_for_its_lifetime,
    a_session_without_a_lifetime_is_kept_without_end,
    an_unchanged_session_lives_on,
    a_touch_in_the_last_lifetime_of_a_record_writes_it_anew,
    a_touch_with_another_lifetime_writes_the_session_anew,
    a_record_past_its_end_is_missing_whatever_its_nodes_think,
    an_unchanged_session_that_was_forgotten_meanwhile_is_stored_again,
    a_destroyed_session_leaves_a_tombstone_that_outlives_its_copies,
    a_touch_leaves_a_tombstone_its_life,
    a_session_can_begin_anew_under_a_destroyed_id,
    a_session_that_does_not_exist_can_be_destroyed,
    a_session_that_others_have_destroyed_on_one_of_its_nodes_is_destroyed,
    a_record_of_another_session_is_never_handed_out,
    a_damaged_record_can_be_replaced_and_destroyed_without_its_lock,
    a_session_whose_copies_are_all_damaged_starts_anew,
    a_damaged_copy_is_no_reason_to_start_anew_while_a_node_is_silent,
    copies_that_are_all_past_their_end_are_missing,
    a_server_that_says_nothing_is_given_up,
    a_server_that_does_not_answer_a_request_is_given_up,
    a_commit_without_an_answer_may_or_may_not_have_been_saved,
    with_one_copy_the_next_node_takes_what_a_dead_one_cannot,
    a_node_that_is_not_there_is_named,
}

#[track_caller]
fn expect_error<T>(result: Result<T>, kind: ErrorKind, text: &str) {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

// Size.

/// A memcached that takes items of 16 KiB, and the most that a session can have there.
const SMALL: [&str; 4] = ["-I", "16k", "-o", "slab_chunk_max=8192"];
const SMALL_BYTES_MAX: usize = 16 * 1024 - 64 - "sc:r:".len() - 64 - Record::BYTES;

#[test]
fn a_session_larger_than_the_servers_limit_is_refused_and_the_stored_one_stays() {
    let Some(site) = PoolSite::start_with(1, &SMALL) else { return };
    let shop = site.id();
    let process = site.process();
    process.put(&shop, b"before");
    let mut request = process.request();
    request.open(&shop);
    site.proxy().reset();
    let text = format!(
        "has 20000 bytes, more than fit into an item of 16384 bytes, the limit of node {} \
         (memcached -I), not saved",
        site.addresses()[0]
    );
    expect_error(request.write(&shop, &bytes(1, 20_000)), ErrorKind::TooLarge, &text);
    request.close();
    assert_eq!(site.proxy().counts().of("ms"), 0, "memcached would remove the stored one");
    assert_eq!(process.impatient().open(&shop), b"before");
}

#[test]
fn a_session_of_exactly_the_servers_limit_is_stored() {
    let Some(site) = PoolSite::start_with(1, &SMALL) else { return };
    let (fits, too_large) = (site.id(), site.id());
    let data = bytes(2, SMALL_BYTES_MAX);
    site.put(&fits, &data);
    assert_eq!(site.get(&fits), data);
    let mut request = site.request();
    request.open(&too_large);
    let data = bytes(3, SMALL_BYTES_MAX + 1);
    expect_error(request.write(&too_large, &data), ErrorKind::TooLarge, "more than fit");
}

/// As one does that was restarted with a smaller limit.
#[test]
fn a_server_that_refuses_the_size_itself_is_quoted() {
    let Some(site) = PoolSite::start(1) else { return };
    let shop = site.id();
    let process = site.process();
    let mut request = process.request();
    request.open(&shop);
    let reply = b"SERVER_ERROR object too large for cache\r\n";
    site.proxy().plan(Place::Reply(0), Fault::Replace(reply.to_vec()));
    let text = "is not saved and may be lost: node ";
    let result = request.write(&shop, b"data");
    let error = result.as_ref().unwrap_err().to_string();
    assert!(error.ends_with("says: object too large for cache"), "{error}");
    expect_error(result, ErrorKind::TooLarge, text);
    assert_eq!(process.count(Counter::ServerErrors), 1);
}

fn a_session_of_a_megabyte_less_its_record_is_stored(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let shop = site.id();
    let data = bytes(4, 1_000_000);
    site.put(&shop, &data);
    assert_eq!(site.request().open(&shop), data);
    assert_eq!(site.get(&shop), data);
}

// Memory.

#[test]
fn a_server_without_memory_is_quoted_and_the_lock_given_back() {
    let Some(site) = PoolSite::start_with(1, &["-M", "-m", "2"]) else { return };
    let shop = site.id();
    site.put(&shop, b"before");
    let large = bytes(5, 100_000);
    let mut raw = site.raw(0);
    let full = (0..1000).find(|number| raw.store(&format!("fill{number}"), &large, "T0") != "HD");
    assert!(full.is_some(), "the server takes all");
    let process = site.process();
    let mut request = process.request();
    request.open(&shop);
    let text = "is not saved and may be lost: node ";
    let result = request.write(&shop, &large);
    assert!(result.as_ref().unwrap_err().to_string().contains("says: out of memory"));
    expect_error(result, ErrorKind::Node, text);
    request.close();
    assert_eq!(process.count(Counter::ServerErrors), 1);
    site.wait_until_free(&shop);
}

#[test]
fn a_server_without_memory_for_a_lock_is_quoted() {
    let Some(site) = PoolSite::start(1) else { return };
    let process = site.process();
    process.request().peek(&site.id());
    let reply = b"SERVER_ERROR out of memory storing object\r\n";
    site.proxy().plan(Place::Reply(0), Fault::Replace(reply.to_vec()));
    let result = process.request().try_open(&site.id());
    let error = result.as_ref().unwrap_err().to_string();
    assert!(error.ends_with("says: out of memory storing object"), "{error}");
    expect_error(result, ErrorKind::Node, "cannot be locked: node ");
}

// Time.

fn write_for(request: &mut Request, shop: &str, lifetime_s: u64) {
    request.open(shop);
    request.session.write(id(shop), b"data", lifetime_s).unwrap();
}

fn a_node_keeps_a_session_for_its_lifetime(service: Service) {
    const DAY_S: u64 = 86_400;
    /// What a loaded machine may take, and by how much the clock of its memcached may be behind.
    const SLACK_S: u64 = 60;
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    // Beyond 30 days memcached takes a number for a time, and beyond 2038 for none.
    for lifetime_s in [100, LIFETIME_S, 30 * DAY_S, 30 * DAY_S + 1, 400 * DAY_S] {
        let shop = site.id();
        write_for(&mut site.request(), &shop, lifetime_s);
        let left_s = site.raw(0).left_s(&record_key(&shop)).unwrap();
        assert!(left_s.abs_diff(lifetime_s as i64) < SLACK_S, "{left_s}");
        assert_eq!(site.record(&shop).unwrap().lifetime_s, lifetime_s);
    }
    for lifetime_s in [i32::MAX as u64, i64::MAX as u64, u64::MAX] {
        let shop = site.id();
        write_for(&mut site.request(), &shop, lifetime_s);
        assert!(site.raw(0).left_s(&record_key(&shop)).unwrap() > 30 * DAY_S as i64);
        assert_eq!(site.get(&shop), b"data");
    }
}

fn a_session_without_a_lifetime_is_kept_without_end(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let shop = site.id();
    write_for(&mut site.request(), &shop, 0);
    assert_eq!(site.raw(0).left_s(&record_key(&shop)), Some(-1));
    let mut request = site.request();
    assert_eq!(request.open(&shop), b"data");
    request.session.touch(id(&shop), b"data", 0).unwrap();
    assert_eq!(site.raw(0).left_s(&record_key(&shop)), Some(-1));
}

/// Puts a record on all nodes, as if it had been written at another time.
fn put_record(site: &PoolSite, shop: &str, end_s: u64, left_s: u64) -> Record {
    let stamp = Stamp { version: 1, writer: 2 };
    let record = Record { stamp, is_tombstone: false, lifetime_s: LIFETIME_S, end_s };
    let mut bytes = Vec::new();
    record.encode(&digest(shop), b"data", &mut bytes);
    (0..site.nodes.len()).for_each(|node| site.raw(node).put(&record_key(shop), &bytes, left_s));
    record
}

fn an_unchanged_session_lives_on(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let shop = site.id();
    let record = put_record(&site, &shop, now_s() + 2 * LIFETIME_S, 100);
    let process = site.process();
    let mut request = process.request();
    request.open(&shop);
    request.touch(&shop, b"data").unwrap();
    assert_eq!(site.record(&shop), Some(record), "it is not written");
    assert!(site.raw(0).left_s(&record_key(&shop)).unwrap() > LIFETIME_S as i64 - 5);
    assert_eq!((process.count(Counter::Touches), process.count(Counter::Commits)), (1, 0));
}

fn a_touch_in_the_last_lifetime_of_a_record_writes_it_anew(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let shop = site.id();
    let record = put_record(&site, &shop, now_s() + LIFETIME_S - 10, 100);
    let mut request = site.request();
    assert_eq!(request.open(&shop), b"data");
    request.touch(&shop, b"data").unwrap();
    let written = site.record(&shop).unwrap();
    assert!(written.end_s > record.end_s + LIFETIME_S - 10 && written.stamp > record.stamp);
    assert_eq!(site.get(&shop), b"data");
}

fn a_touch_with_another_lifetime_writes_the_session_anew(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let shop = site.id();
    put_record(&site, &shop, now_s() + 2 * LIFETIME_S, 100);
    let mut request = site.request();
    request.open(&shop);
    request.session.touch(id(&shop), b"data", 2 * LIFETIME_S).unwrap();
    assert_eq!(site.record(&shop).unwrap().lifetime_s, 2 * LIFETIME_S);
}

fn a_record_past_its_end_is_missing_whatever_its_nodes_think(service: Service) {
    for nodes in [1, 2] {
        let Some(mut site) = PoolSite::start_on(service, nodes) else { return };
        site.settings.replicas = nodes as u32;
        let shop = site.id();
        put_record(&site, &shop, now_s() - 1, 1000);
        assert!(!site.request().knows(&shop));
        assert_eq!(site.get(&shop), b"");
        site.wait_until_free(&shop);
        let mut request = site.request();
        assert_eq!(request.open(&shop), b"");
        request.write(&shop, b"new").unwrap();
        assert_eq!(site.get(&shop), b"new");
    }
}

/// The node may forget what nobody has asked for; the request still knows it.
fn an_unchanged_session_that_was_forgotten_meanwhile_is_stored_again(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let shop = site.id();
    site.put(&shop, b"data");
    let mut request = site.request();
    request.open(&shop);
    site.raw(0).delete(&record_key(&shop));
    request.touch(&shop, b"data").unwrap();
    request.close();
    assert_eq!(site.get(&shop), b"data");
    site.wait_until_free(&shop);
}

// Tombstones.

fn a_destroyed_session_leaves_a_tombstone_that_outlives_its_copies(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let shop = site.id();
    write_for(&mut site.request(), &shop, 10 * LIFETIME_S);
    site.request().session.destroy(id(&shop)).unwrap();
    let tombstone = site.record(&shop).unwrap();
    assert!(tombstone.is_tombstone);
    let kept_s = 2 * 10 * LIFETIME_S + 3600;
    let left_s = site.raw(0).left_s(&record_key(&shop)).unwrap() as u64;
    assert!((kept_s - 5..=kept_s).contains(&left_s), "{left_s} s");
    assert!(tombstone.end_s + 5 >= now_s() + kept_s);
}

/// A touch is meant for the record that was read, which need not be kept for so long.
fn a_touch_leaves_a_tombstone_its_life(service: Service) {
    let Some(mut site) = PoolSite::start_on(service, 2) else { return };
    site.settings.replicas = 2;
    let kept_s = 2 * LIFETIME_S + 3600;
    for is_locked in [true, false] {
        let shop = site.id();
        site.put(&shop, b"data");
        site.wait_until_free(&shop);
        let settings = Settings { lock: is_locked, ..site.settings.clone() };
        let mut request = site.process().request_with(&settings);
        match is_locked {
            true => assert_eq!(request.open(&shop), b"data"),
            false => assert_eq!(request.peek(&shop), b"data"),
        }
        let bury = || {
            let stamp = Stamp { version: u64::MAX, writer: 2 };
            let tombstone = Record::tombstone(stamp, LIFETIME_S, Some(LIFETIME_S), now_s());
            let mut bytes = Vec::new();
            tombstone.encode(&digest(&shop), b"", &mut bytes);
            (0..2).for_each(|node| site.raw(node).put(&record_key(&shop), &bytes, kept_s));
        };
        // Without the lock, it is read again first.
        let touch = if is_locked { 0 } else { 1 };
        site.proxy().reset();
        site.proxy().plan(Place::Request(touch), Fault::Hold);
        thread::scope(|scope| {
            scope.spawn(|| {
                wait_for("the touch", || site.asked_for(&record_key(&shop)) > touch);
                bury();
                site.proxy().heal();
            });
            request.touch(&shop, b"data").unwrap();
        });
        request.close();
        let left_s = site.raw(0).left_s(&record_key(&shop)).unwrap() as u64;
        assert!((kept_s - 5..=kept_s).contains(&left_s), "{left_s} s");
    }
}

#[test]
fn what_is_stored_late_does_not_replace_a_tombstone() {
    let Some(site) = PoolSite::start(1) else { return };
    let shop = site.id();
    site.put(&shop, b"before");
    let (mut raw, key) = (site.raw(0), record_key(&shop));
    let (before, cas) = (raw.get(&key).unwrap(), raw.cas(&key));
    site.request().session.destroy(id(&shop)).unwrap();
    // As the store of a request that had read the session, or had found none, arrives late.
    assert_eq!(raw.store(&key, &before, &format!("T1000 C{cas}")), "EX");
    assert_eq!(raw.store(&key, &before, "T1000 ME"), "NS");
    assert!(site.record(&shop).unwrap().is_tombstone);
    assert!(!site.request().knows(&shop));
}

fn a_session_can_begin_anew_under_a_destroyed_id(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let shop = site.id();
    site.put(&shop, b"before");
    site.request().session.destroy(id(&shop)).unwrap();
    let tombstone = site.record(&shop).unwrap();
    let mut request = site.request();
    assert_eq!(request.open(&shop), b"");
    request.write(&shop, b"anew").unwrap();
    assert!(site.record(&shop).unwrap().stamp > tombstone.stamp);
    assert_eq!(site.get(&shop), b"anew");
}

fn a_session_that_does_not_exist_can_be_destroyed(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let shop = site.id();
    site.request().session.destroy(id(&shop)).unwrap();
    site.request().session.destroy(id(&shop)).unwrap();
    assert!(!site.request().knows(&shop));
}

/// Two requests destroy a session at once, one of them with its lock: both have done it.
fn a_session_that_others_have_destroyed_on_one_of_its_nodes_is_destroyed(service: Service) {
    let Some(mut site) = PoolSite::start_on(service, 3) else { return };
    site.settings.replicas = 2;
    let shop = site.id();
    site.put(&shop, b"data");
    let mut request = site.request();
    request.open(&shop);
    let before = site.record(&shop).unwrap().stamp;
    let stamp = Stamp { version: before.version + 1, ..before };
    let mut bytes = Vec::new();
    let tombstone = Record::tombstone(stamp, LIFETIME_S, Some(LIFETIME_S), now_s());
    tombstone.encode(&digest(&shop), b"", &mut bytes);
    site.raw(site.primary(&shop)).put(&record_key(&shop), &bytes, 1000);
    request.session.destroy(id(&shop)).unwrap();
    let copies = (0..3).filter_map(|node| site.raw(node).get(&record_key(&shop)));
    let records: Vec<Record> =
        copies.map(|copy| Record::decode(&copy, &digest(&shop)).unwrap()).collect();
    assert!(records.len() >= 2, "{records:?}");
    let is_right = |record: &Record| record.is_tombstone && *record == records[0];
    assert!(records.iter().all(is_right), "{records:?}");
}

// Records that cannot be believed.

fn a_record_of_another_session_is_never_handed_out(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let (shop, other) = (site.id(), site.id());
    site.put(&other, b"secret");
    let mut raw = site.raw(0);
    let record = raw.get(&record_key(&other)).unwrap();
    raw.put(&record_key(&shop), &record, 1000);
    let mut request = site.request();
    let data = request.session.read(id(&shop), Access::Locked).unwrap();
    assert_eq!(data.bytes, b"");
    let text = "is damaged (belongs to another session), starting anew";
    expect_error(Result::<()>::Err(data.loss.unwrap()), ErrorKind::Damaged, text);
    request.session.delivered();
    request.write(&shop, b"anew").unwrap();
    assert_eq!(site.get(&shop), b"anew");
    assert_eq!(site.get(&other), b"secret");
}

fn a_damaged_record_can_be_replaced_and_destroyed_without_its_lock(service: Service) {
    let Some(site) = PoolSite::start_on(service, 2) else { return };
    let process = site.process();
    for is_destroyed in [true, false] {
        let shop = site.id_on(0);
        site.raw(0).put(&record_key(&shop), b"no record", 1000);
        let mut request =
            process.request_with(&Settings { lock: false, ..process.settings.clone() });
        match is_destroyed {
            true => request.session.destroy(id(&shop)).unwrap(),
            false => request.write(&shop, b"anew").unwrap(),
        }
        assert_eq!(site.record(&shop).unwrap().is_tombstone, is_destroyed);
        assert_eq!(site.get(&shop), if is_destroyed { b"" } else { &b"anew"[..] });
    }
}

/// A pool in which every node has these bytes as the record of a session with two copies.
fn three_equal(service: Service, bytes: impl Fn(&str) -> Vec<u8>) -> Option<(PoolSite, String)> {
    let mut site = PoolSite::start_on(service, 3)?;
    site.settings.replicas = 2;
    let shop = site.id();
    for node in 0..3 {
        site.raw(node).put(&record_key(&shop), &bytes(&shop), 1000);
    }
    Some((site, shop))
}

fn a_session_whose_copies_are_all_damaged_starts_anew(service: Service) {
    let Some((site, shop)) = three_equal(service, |_| b"no record".to_vec()) else { return };
    for access in [Access::Unlocked, Access::Locked] {
        let mut request = site.request();
        let data = request.session.read(id(&shop), access).unwrap();
        assert_eq!(data.bytes, b"");
        let text = "is damaged (cut off), starting anew";
        expect_error(Result::<()>::Err(data.loss.unwrap()), ErrorKind::Damaged, text);
        request.session.delivered();
        if access == Access::Locked {
            request.write(&shop, b"anew").unwrap();
        }
    }
    assert_eq!(site.get(&shop), b"anew");
}

fn a_damaged_copy_is_no_reason_to_start_anew_while_a_node_is_silent(service: Service) {
    let Some((mut site, shop)) = three_equal(service, |_| b"no record".to_vec()) else { return };
    // They have been there for long, so that the silent one alone is no reason not to.
    for node in 0..3 {
        site.raw(node).put("sc:birth", b"0 1", 0);
    }
    site.nodes[0].server.kill();
    let silent = site.addresses()[0].to_string();
    for access in [Access::Unlocked, Access::Locked] {
        let read = site.request().session.read(id(&shop), access).map(drop);
        expect_error(read, ErrorKind::NoNode, &silent);
    }
}

fn copies_that_are_all_past_their_end_are_missing(service: Service) {
    let past = |shop: &str| {
        let stamp = Stamp { version: 1, writer: 2 };
        let record =
            Record { stamp, is_tombstone: false, lifetime_s: LIFETIME_S, end_s: now_s() - 1 };
        let mut bytes = Vec::new();
        record.encode(&digest(shop), b"data", &mut bytes);
        bytes
    };
    let Some((site, shop)) = three_equal(service, past) else { return };
    assert_eq!(site.get(&shop), b"");
    let mut request = site.request();
    assert_eq!(request.open(&shop), b"");
    request.write(&shop, b"new").unwrap();
    assert_eq!(site.get(&shop), b"new");
}

// Servers that cannot be used.

#[test]
fn a_server_without_cas_is_refused() {
    let Some(site) = PoolSite::start_with(1, &["-C"]) else { return };
    let text = "the server has no CAS (memcached -C), which sessions need";
    expect_error(site.request().try_open(&site.id()), ErrorKind::NoNode, text);
}

#[test]
fn a_server_that_wants_a_password_is_refused() {
    let passwords = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(passwords.path(), "user:secret\n").unwrap();
    let path = passwords.path().to_str().unwrap();
    let Some(site) = PoolSite::start_with(1, &["-Y", path]) else { return };
    let text = "unauthenticated (servers that ask for a password are not supported)";
    expect_error(site.request().try_open(&site.id()), ErrorKind::NoNode, text);
}

#[test]
fn a_server_of_another_protocol_is_refused() {
    const OTHERS: [&[u8]; 5] = [
        b"-ERR unknown command 'version', with args beginning with: \r\n",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"J\0\0\0\x0a8.0.36\0\x08\0\0\0",
        b"220 mail ESMTP\r\n",
        b"\x15\x03\x01\0\x02\x02\x0a\r\n",
    ];
    let Some(mut site) = PoolSite::start(1) else { return };
    site.settings.connect_timeout = Duration::from_secs(2);
    for other in OTHERS {
        site.proxy().plan(Place::EveryReply, Fault::Replace(other.to_vec()));
        let text = format!("cannot connect to {}: not a memcached server", site.addresses()[0]);
        expect_error(site.request().try_open(&site.id()), ErrorKind::NoNode, &text);
    }
}

fn a_server_that_says_nothing_is_given_up(service: Service) {
    let Some(mut site) = PoolSite::start_on(service, 1) else { return };
    site.settings.connect_timeout = Duration::from_millis(50);
    site.proxy().plan(Place::EveryRequest, Fault::Swallow);
    let process = site.process();
    let text = "no answer within 50ms (sessclust.connect_timeout)";
    expect_error(process.request().try_open(&site.id()), ErrorKind::NoNode, text);
    assert_eq!(process.count(Counter::ConnectFailures), 1);
}

fn a_server_that_does_not_answer_a_request_is_given_up(service: Service) {
    let Some(site) = PoolSite::start_on(service, 1) else { return };
    let request_timeout = Duration::from_millis(50);
    let settings = Settings { request_timeout, ..site.settings.clone() };
    let shop = site.id();
    for stalled in [Fault::Swallow, Fault::Stall(0), Fault::Stall(3)] {
        let process = site.process();
        process.request().peek(&site.id());
        site.proxy().plan(Place::EveryReply, stalled);
        let text = "no answer within 50ms (sessclust.request_timeout)";
        expect_error(process.request_with(&settings).try_open(&shop), ErrorKind::NoNode, text);
        assert_eq!(process.count(Counter::Timeouts), 1);
        site.proxy().heal();
        let mut raw = site.raw(0);
        if raw.left_s(&lock_key(&shop)).is_some() {
            raw.delete(&lock_key(&shop));
        }
        // For this machine it is down until somebody has looked.
        process.live().probe(0, PATIENCE);
        assert_eq!(site.get(&shop), b"");
        // What comes late belongs to nobody: it is asked for on another connection.
        assert_eq!(process.request().peek(&shop), b"");
    }
}

/// Nobody knows whether it was saved, and whoever says otherwise may be wrong. Another node does
/// not help: with one copy, that of this one counts when it answers again.
fn a_commit_without_an_answer_may_or_may_not_have_been_saved(service: Service) {
    for nodes in [1, 2] {
        let Some(mut site) = PoolSite::start_on(service, nodes) else { return };
        let shop = site.id_on(0);
        site.put(&shop, b"before");
        site.settings.request_timeout = Duration::from_secs(1);
        site.settings.connect_timeout = Duration::from_secs(1);
        let mut request = site.request();
        request.open(&shop);
        // A process that stood still meanwhile asks again, and is not answered either.
        site.proxy().plan(Place::EveryReply, Fault::Swallow);
        let text = "may or may not have been saved: node ";
        expect_error(request.write(&shop, b"perhaps"), ErrorKind::Indeterminate, text);
    }
}

/// What a server had that refuses connections is gone with it.
fn with_one_copy_the_next_node_takes_what_a_dead_one_cannot(service: Service) {
    let Some(site) = PoolSite::start_on(service, 2) else { return };
    let shop = site.id_on(0);
    site.put(&shop, b"before");
    let mut request = site.request();
    request.open(&shop);
    site.proxy().refuse();
    site.proxy().plan(Place::Request(0), Fault::CutBefore);
    request.write(&shop, b"after").unwrap();
    assert_eq!(site.get(&shop), b"after");
}

fn a_node_that_is_not_there_is_named(service: Service) {
    let Some(mut site) = PoolSite::start_on(service, 1) else { return };
    let shop = site.id();
    site.put(&shop, b"data");
    let process = site.process();
    let mut request = process.request();
    request.open(&shop);
    site.nodes[0].server.kill();
    site.proxy().refuse();
    site.proxy().cut();
    let text = format!("cannot connect to {}: Connection refused", site.addresses()[0]);
    expect_error(site.request().try_open(&shop), ErrorKind::NoNode, &text);
    site.proxy().wait_for("the cut", |counts| counts.open == 0);
    let text = format!("is not saved: {text}");
    expect_error(request.write(&shop, b"late"), ErrorKind::NoNode, &text);
}
