//! Removing sessions that have ended: which go, which stay, and how the bounded steps get round.

mod support;

use sessclust_engine::ErrorKind;
use sessclust_engine::config::Settings;
use sessclust_engine::limits::{SWEEP_CHECK, SWEEP_FILES_MAX, SWEEP_REMOVALS_MAX};
use sessclust_engine::local::{Open, Pace};
use sessclust_engine::session::id::SessionId;
use sessclust_engine::stats::Counter;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;
use support::{LIFETIME_S, Site, age, bytes, digest, id, seeded};

/// Longer ago than the lifetime.
const LONG_AGO_S: u64 = 2 * LIFETIME_S;

/// Makes `count` sessions that have ended.
fn put_ended(site: &Site, count: usize) -> Vec<String> {
    let store = site.store();
    let names: Vec<String> = (0..count).map(|number| format!("ended-{number}")).collect();
    for name in &names {
        let mut locked =
            store.lock(&digest(name), Open::Create, &site.settings).unwrap().expect("made");
        store.commit(&mut locked, b"x", LIFETIME_S, &site.settings).unwrap();
        age(&site.file(name), LONG_AGO_S);
    }
    names
}

fn left(site: &Site, names: &[String]) -> usize {
    names.iter().filter(|name| site.exists(name)).count()
}

fn progress_file(site: &Site) -> PathBuf {
    site.store().directory().join("gc")
}

// What goes and what stays.

#[test]
fn a_full_sweep_removes_ended_sessions_and_says_how_many() {
    let site = Site::in_memory();
    site.put("used", b"x");
    let ended = put_ended(&site, 20);
    let mut request = site.request();
    assert_eq!(request.session.sweep_all(LIFETIME_S).unwrap(), 20);
    assert_eq!(request.count(Counter::Swept), 20);
    assert_eq!(left(&site, &ended), 0);
    assert_eq!(site.get("used"), b"x");
    assert_eq!(request.session.sweep_all(LIFETIME_S).unwrap(), 0);
}

#[test]
fn a_session_that_was_touched_in_time_stays() {
    let site = Site::in_memory();
    site.put("shop", b"x");
    age(&site.file("shop"), LIFETIME_S - 100);
    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap(), 0);
    let mut request = site.request();
    request.open("shop");
    request.touch("shop", b"x").unwrap();
    request.close();
    assert_eq!(site.store().sweep_all(200).unwrap(), 0);
}

#[test]
fn a_session_with_a_longer_lifetime_of_its_own_stays() {
    let site = Site::in_memory();
    let mut request = site.request();
    for (text, lifetime_s) in [("long", 10 * LIFETIME_S), ("same", LIFETIME_S), ("short", 10)] {
        request.open(text);
        request.session.write(id(text), b"x", lifetime_s).unwrap();
        request.close();
        age(&site.file(text), LONG_AGO_S);
    }
    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap(), 2);
    assert!(site.exists("long"));
    age(&site.file("long"), 20 * LIFETIME_S);
    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap(), 1);
}

#[test]
fn what_has_no_lifetime_of_its_own_goes_by_the_callers() {
    let site = Site::in_memory();
    let mut request = site.request();
    // Made and never written, damaged, and without an end.
    request.open("empty");
    request.open("endless");
    request.session.write(id("endless"), b"x", 0).unwrap();
    request.close();
    site.put("damaged", b"x");
    fs::write(site.file("damaged"), [b'x'; 5000]).unwrap();
    for text in ["empty", "endless", "damaged"] {
        age(&site.file(text), 1000);
    }
    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap(), 0);
    assert_eq!(site.store().sweep_all(900).unwrap(), 3);
}

#[test]
fn a_session_in_use_stays_however_long_it_is_used() {
    let site = Site::in_memory();
    let mut holder = site.request();
    holder.open("shop");
    age(&site.file("shop"), LONG_AGO_S);
    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap(), 0, "made and not written yet");
    holder.write("shop", b"early").unwrap();
    age(&site.file("shop"), LONG_AGO_S);
    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap(), 0);
    holder.write("shop", b"late").unwrap();
    holder.close();
    assert_eq!(site.get("shop"), b"late");
    age(&site.file("shop"), LONG_AGO_S);
    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap(), 1);
}

#[test]
fn what_a_later_version_wrote_stays() {
    let site = Site::in_memory();
    let ended = put_ended(&site, 1);
    let path = site.file(&ended[0]);
    let mut file = fs::read(&path).unwrap();
    file[4] = 2;
    let sum = xxhash_rust::xxh3::xxh3_64(&file[..72]);
    file[72..80].copy_from_slice(&sum.to_le_bytes());
    fs::write(&path, &file).unwrap();
    age(&path, LONG_AGO_S);
    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap(), 0);
    assert_eq!(fs::read(&path).unwrap(), file);
}

#[test]
fn what_is_not_a_session_stays() {
    let site = Site::in_memory();
    site.put("victim", b"x");
    let ended = put_ended(&site, 1);
    let path = site.file(&ended[0]);
    let shard = path.parent().unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let folder = site.store().directory().to_owned();
    // The names of sessions have 62 lower-case digits; these have not, or are no files.
    let upper = name.to_uppercase().replace(|digit: char| digit.is_ascii_digit(), "A");
    let files = [
        folder.join("README"),
        folder.join("gcx"),
        shard.join("notes"),
        shard.join(&name[1..]),
        shard.join(format!("{name}0")),
        shard.join(upper),
        shard.join(std::ffi::OsStr::from_bytes(&[0xff; 62])),
    ];
    for file in &files {
        fs::write(file, "x").unwrap();
        age(file, LONG_AGO_S);
    }
    let directory = shard.join("d".repeat(62));
    fs::create_dir(&directory).unwrap();
    age(&directory, LONG_AGO_S);
    let pipe = shard.join("e".repeat(62));
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
    age(&pipe, LONG_AGO_S);
    let link = shard.join("f".repeat(62));
    std::os::unix::fs::symlink(site.file("victim"), &link).unwrap();
    age(&link, LONG_AGO_S);

    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap(), 1);
    for file in files.iter().chain([&directory, &pipe, &link]) {
        assert!(file.symlink_metadata().is_ok(), "{}", file.display());
    }
    assert_eq!(site.get("victim"), b"x");
}

#[test]
fn a_directory_that_cannot_be_listed_is_an_error_and_the_others_are_swept() {
    let site = Site::in_memory();
    let ended = put_ended(&site, 20);
    let mut shards = (0..=u8::MAX).map(|shard| format!("{shard:02x}"));
    let free = shards.find(|shard| !site.store().directory().join(shard).exists()).unwrap();
    fs::write(site.store().directory().join(free), "a file").unwrap();
    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(left(&site, &ended), 0);
}

// Bounded steps.

#[test]
fn steps_are_bounded_and_go_round_the_whole_store() {
    let site = Site::in_memory();
    let bound = SWEEP_REMOVALS_MAX;
    let ended = put_ended(&site, 2 * bound as usize + 30);
    let step = || site.store().sweep_step(LIFETIME_S, Pace::Due).unwrap();
    // Each step is of another process: they share the round.
    assert_eq!([step(), step(), step(), step()], [bound, bound, 30, 0]);
    assert_eq!(left(&site, &ended), 0);
    assert!(fs::read_to_string(progress_file(&site)).unwrap().ends_with(" done\n"));
}

#[test]
fn steps_pass_over_what_stays() {
    let site = Site::in_memory();
    let ended = put_ended(&site, 2 * SWEEP_FILES_MAX);
    for name in &ended[60..] {
        age(&site.file(name), 0);
    }
    let steps = (0..3).map(|_| site.store().sweep_step(LIFETIME_S, Pace::Due).unwrap());
    let removed: Vec<u64> = steps.collect();
    assert_eq!(removed.iter().sum::<u64>(), 60, "{removed:?}");
    assert!(removed[..2].iter().all(|count| *count > 10), "spread evenly: {removed:?}");
}

#[test]
fn a_process_works_a_backlog_off_without_a_pause() {
    let site = Site::in_memory();
    let ended = put_ended(&site, 3 * SWEEP_REMOVALS_MAX as usize);
    let store = site.store();
    let removed: u64 = (0..3).map(|_| store.sweep_if_due(LIFETIME_S).unwrap()).sum();
    assert_eq!(removed, 3 * SWEEP_REMOVALS_MAX);
    assert_eq!(left(&site, &ended), 0);
}

#[test]
fn a_round_that_is_over_begins_again_when_it_is_due_or_asked_for() {
    let site = Site::in_memory();
    let step = |pace| site.store().sweep_step(LIFETIME_S, pace).unwrap();
    assert_eq!(step(Pace::Due), 0);
    put_ended(&site, 1);
    assert_eq!(step(Pace::Due), 0, "a round was finished just now");
    assert_eq!(step(Pace::Now), 1);
    // It began a quarter of the lifetime ago, or in a future that the clock was set back from.
    for started_back_s in [LIFETIME_S as i64 / 4, -(LIFETIME_S as i64)] {
        put_ended(&site, 1);
        let progress = fs::read_to_string(progress_file(&site)).unwrap();
        let fields: Vec<&str> = progress.split(' ').collect();
        let started = fields[1].parse::<i64>().unwrap() - started_back_s;
        let changed = format!("{} {started:020} {}", fields[0], fields[2]);
        fs::write(progress_file(&site), changed).unwrap();
        assert_eq!(step(Pace::Due), 1, "{started_back_s} s");
    }
}

#[test]
fn any_progress_file_is_survived() {
    let site = Site::in_memory();
    let mut random = seeded();
    let digits = "f".repeat(64);
    let mut contents: Vec<Vec<u8>> = [
        String::new(),
        "x".into(),
        "\0".repeat(91),
        "z".repeat(64) + " 00000000000000000000 more\n",
        format!("{digits} 99999999999999999999 done\n"),
        format!("{digits} {:020} more\n", u64::MAX),
        format!("{digits} -1 more\n"),
        format!("{} 0 perhaps\n", "0".repeat(64)),
        format!("{digits} 0 more\n{}", "x".repeat(10_000)),
        format!("{} 0\n", "é".repeat(32)),
    ]
    .map(String::into_bytes)
    .into();
    contents.extend((0..50).map(|_| bytes(random.u64(..), random.usize(..200))));
    for content in contents {
        fs::write(progress_file(&site), &content).unwrap();
        put_ended(&site, 1);
        // At worst the round that the file speaks of has to be finished first.
        let removed: u64 =
            (0..2).map(|_| site.store().sweep_step(LIFETIME_S, Pace::Now).unwrap()).sum();
        assert_eq!(removed, 1, "{:?}", content.escape_ascii().to_string());
    }
}

#[test]
fn a_progress_file_that_is_something_else_is_an_error_and_left_alone() {
    let site = Site::in_memory();
    let ended = put_ended(&site, 1);
    let victim = site.base().join("victim");
    fs::write(&victim, "x").unwrap();
    std::os::unix::fs::symlink(&victim, progress_file(&site)).unwrap();
    let kind = || site.store().sweep_step(LIFETIME_S, Pace::Now).unwrap_err().kind();
    assert_eq!(kind(), ErrorKind::Io);
    assert_eq!(fs::read(&victim).unwrap(), b"x");
    fs::remove_file(progress_file(&site)).unwrap();
    fs::create_dir(progress_file(&site)).unwrap();
    assert_eq!(kind(), ErrorKind::Io);
    assert_eq!(left(&site, &ended), 1);
}

#[test]
fn a_step_does_not_wait_for_another_process_that_makes_one() {
    let site = Site::in_memory();
    put_ended(&site, 1);
    let other = fs::File::create(progress_file(&site)).unwrap();
    other.lock().unwrap();
    assert_eq!(site.store().sweep_step(LIFETIME_S, Pace::Now).unwrap(), 0);
    other.unlock().unwrap();
    assert_eq!(site.store().sweep_step(LIFETIME_S, Pace::Now).unwrap(), 1);
}

#[test]
fn a_step_in_a_store_that_was_removed_does_nothing() {
    let site = Site::in_memory();
    let store = site.store();
    fs::remove_dir(store.directory()).unwrap();
    assert_eq!(store.sweep_step(LIFETIME_S, Pace::Now).unwrap(), 0);
    assert_eq!(store.sweep_all(LIFETIME_S).unwrap(), 0);
    assert!(!store.directory().exists());
}

// At the end of a request.

#[test]
fn a_process_does_not_look_more_than_once_a_second() {
    let site = Site::in_memory();
    let store = site.store();
    let started = Instant::now();
    store.sweep_if_due(LIFETIME_S).unwrap();
    fs::remove_file(progress_file(&site)).unwrap();
    store.sweep_if_due(LIFETIME_S).unwrap();
    // On a machine that took a second for this, it may look again.
    let looked = progress_file(&site).exists();
    assert!(!looked || started.elapsed() >= SWEEP_CHECK);
}

#[test]
fn the_end_of_a_request_sweeps_unless_auto_gc_is_off() {
    for (auto_gc, expected) in [(true, 0), (false, 1)] {
        let site = Site::in_memory();
        let ended = put_ended(&site, 1);
        let mut request = site.request_with(Settings { auto_gc, ..site.settings.clone() });
        request.open("shop");
        request.close();
        assert_eq!(left(&site, &ended), expected, "auto_gc {auto_gc}");
        assert_eq!(request.count(Counter::Swept), 1 - expected as u64);
    }
}

#[test]
fn an_automatic_sweep_that_fails_is_counted_and_nothing_else() {
    let site = Site::in_memory();
    fs::create_dir(progress_file(&site)).unwrap();
    let mut request = site.request_with(Settings { auto_gc: true, ..site.settings.clone() });
    request.open("shop");
    request.write("shop", b"x").unwrap();
    request.close();
    assert_eq!(request.count(Counter::SweepErrors), 1);
    assert_eq!(site.get("shop"), b"x");
}

// Many at a time.

#[test]
fn sweeps_at_the_same_time_count_every_session_once() {
    let site = Site::in_memory();
    let ended = put_ended(&site, 1500);
    let removed: u64 = thread::scope(|scope| {
        let sweeps: Vec<_> = (0..4)
            .map(|sweeper| {
                let site = &site;
                scope.spawn(move || match sweeper {
                    0 => (0..4)
                        .map(|_| site.store().sweep_step(LIFETIME_S, Pace::Now).unwrap())
                        .sum(),
                    _ => site.store().sweep_all(LIFETIME_S).unwrap(),
                })
            })
            .collect();
        sweeps.into_iter().map(|sweep| sweep.join().unwrap()).sum()
    });
    assert_eq!(removed, 1500);
    assert_eq!(left(&site, &ended), 0);
}

/// Sessions that are just about to end are used while sweeps go over them: each use either finds
/// its data, or a new session that stays from then on.
#[test]
fn a_sweep_takes_no_session_from_a_request_that_uses_it() {
    const SESSIONS: usize = 300;
    let site = Site::in_memory();
    let ended = put_ended(&site, SESSIONS);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20 {
                    site.store().sweep_all(LIFETIME_S).unwrap();
                }
            });
        }
        for name in &ended {
            let mut request = site.request();
            assert_eq!(request.open(name), b"", "it has ended, removed or not");
            request.write(name, name.as_bytes()).unwrap();
            request.close();
            assert_eq!(site.get(name), name.as_bytes());
        }
    });
    assert_eq!(left(&site, &ended), SESSIONS);
}

#[test]
fn every_shard_is_swept() {
    let site = Site::in_memory();
    let mut random = seeded();
    let mut shards = std::collections::HashSet::new();
    let mut count = 0;
    // One session in each of the 256 directories.
    while shards.len() < 256 {
        let text = format!("s{}", random.u64(..));
        let first = SessionId::parse(text.as_bytes()).unwrap().digest().as_bytes()[0];
        if shards.insert(first) {
            site.put(&text, b"x");
            age(&site.file(&text), LONG_AGO_S);
            count += 1;
        }
    }
    assert_eq!(site.store().sweep_all(LIFETIME_S).unwrap(), count);
}
