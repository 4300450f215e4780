//! The lock of a session: nobody loses an update, nobody waits for too long, and who reads without
//! it reads what was last written.

mod support;

use sessclust_engine::ErrorKind;
use sessclust_engine::config::Settings;
use sessclust_engine::stats::Counter;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Child, PATIENCE, Site, id, seeded, wait_for, waiters};

/// Adds one to the number that the session begins with. The rest is filled up to `length` bytes.
fn increment(site: &Site, text: &str, length: usize) {
    let mut request = site.request();
    let before = request.open(text);
    let number: u64 = match before.split(|byte| *byte == b' ').next() {
        Some(b"") | None => 0,
        Some(digits) => std::str::from_utf8(digits).unwrap().parse().unwrap(),
    };
    let after = format!("{} {}", number + 1, "x".repeat(length));
    request.write(text, after.as_bytes()).unwrap();
    request.close();
}

#[test]
fn no_increment_is_lost_between_threads() {
    const THREADS: u64 = 8;
    const INCREMENTS: u64 = 60;
    let site = Site::new();
    let seed = seeded().u64(..);
    thread::scope(|scope| {
        for worker in 0..THREADS {
            let site = &site;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed ^ worker);
                for _ in 0..INCREMENTS {
                    // Within a slot and behind it.
                    increment(site, "shop", random.usize(..6000));
                }
            });
        }
    });
    let data = site.get("shop");
    let expected = format!("{} ", THREADS * INCREMENTS);
    assert!(data.starts_with(expected.as_bytes()), "{}", data[..20].escape_ascii());
}

#[test]
fn no_increment_is_lost_between_processes() {
    const PROCESSES: usize = 4;
    const INCREMENTS: usize = 50;
    let site = Site::new();
    let children: Vec<Child> = (0..PROCESSES)
        .map(|_| {
            Child::start(|parent| {
                (0..INCREMENTS).for_each(|_| increment(&site, "shop", 100));
                parent.say("done");
            })
        })
        .collect();
    for mut child in children {
        assert_eq!(child.line(), "done");
    }
    let expected = format!("{} ", PROCESSES * INCREMENTS);
    assert!(site.get("shop").starts_with(expected.as_bytes()));
}

#[test]
fn sessions_do_not_wait_for_each_other() {
    let site = Site::new();
    let mut holder = site.request();
    holder.open("one");
    assert_eq!(site.impatient().open("two"), b"");
}

// Waiting.

#[test]
fn a_session_that_stays_locked_is_given_up_in_time_and_its_holder_named() {
    let site = Site::new();
    let mut holder = Child::start(|parent| {
        let mut request = site.request();
        request.open("shop");
        parent.say("open");
        parent.wait();
    });
    assert_eq!(holder.line(), "open");
    for (lock_wait, text) in [(0, "within 0 "), (80, "within 80ms ")] {
        let lock_wait = Duration::from_millis(lock_wait);
        let mut request = site.request_with(Settings { lock_wait, ..site.settings.clone() });
        let started = Instant::now();
        let error = request.try_open("shop").unwrap_err();
        let waited = started.elapsed();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(waited >= lock_wait, "{waited:?}");
        assert!(waited < lock_wait + Duration::from_secs(5), "{waited:?}");
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(request.count(Counter::LockFailures), 1);
        assert!(request.session.stats().lock_wait_us >= lock_wait.as_micros() as u64);
    }
    // The kernel lists locks a page at a time: one may be left out while others come and go.
    let named = format!("is in use by process {} (", holder.pid());
    wait_for("the holder's number", || {
        site.impatient().try_open("shop").unwrap_err().to_string().contains(&named)
    });
}

/// Runs `release` once another thread waits for the session, and returns what that thread reads and
/// how long after the release it did.
fn handed_over(site: &Site, text: &str, release: impl FnOnce()) -> (Vec<u8>, Duration) {
    let file = site.file(text);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut request =
                site.request_with(Settings { lock_wait: PATIENCE, ..site.settings.clone() });
            let data = request.open(text);
            let obtained = Instant::now();
            assert!(site.is_locked(text), "the waiter has the lock of the file that others find");
            assert_eq!(request.count(Counter::Waits), 1);
            assert!(request.session.stats().lock_wait_us > 0);
            request.write(text, b"of the waiter").unwrap();
            request.close();
            (data, obtained)
        });
        wait_for("a waiter", || waiters(&file) == 1);
        let released = Instant::now();
        release();
        let (data, obtained) = waiter.join().unwrap();
        (data, obtained.saturating_duration_since(released))
    })
}

/// Far below the minute that the waiter is ready to wait.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
fn a_waiter_goes_on_when_the_holder_closes_and_reads_what_it_wrote() {
    let site = Site::new();
    site.put("shop", b"before");
    let mut holder = site.request();
    holder.open("shop");
    let (data, waited) = handed_over(&site, "shop", || {
        holder.write("shop", b"after").unwrap();
        holder.close();
    });
    assert_eq!(data, b"after");
    assert!(waited < AT_ONCE, "{waited:?}");
    assert_eq!(site.get("shop"), b"of the waiter");
}

#[test]
fn a_waiter_goes_on_with_a_new_session_when_the_holder_destroys_it() {
    let site = Site::new();
    site.put("shop", b"before");
    let mut holder = site.request();
    holder.open("shop");
    let (data, waited) = handed_over(&site, "shop", || {
        holder.session.destroy(id("shop")).unwrap();
    });
    assert_eq!(data, b"");
    assert!(waited < AT_ONCE, "{waited:?}");
    assert_eq!(site.get("shop"), b"of the waiter", "what it wrote is found under the name");
}

/// Between the destroy and the release a new session came under the name: the waiter takes that.
#[test]
fn a_waiter_for_a_destroyed_session_reads_the_new_one_under_its_name() {
    let site = Site::new();
    site.put("shop", b"before");
    let mut holder = site.request();
    holder.open("shop");
    let (data, _) = handed_over(&site, "shop", || {
        site.request().session.destroy(id("shop")).unwrap();
        site.put("shop", b"new");
        holder.close();
    });
    assert_eq!(data, b"new");
}

#[test]
fn a_waiter_goes_on_when_the_holder_is_killed() {
    let site = Site::new();
    let mut holder = Child::start(|parent| {
        let mut request = site.request();
        request.open("shop");
        request.write("shop", b"acknowledged").unwrap();
        parent.say("written");
        parent.wait();
    });
    assert_eq!(holder.line(), "written");
    let (data, waited) = handed_over(&site, "shop", || holder.kill());
    assert_eq!(data, b"acknowledged");
    assert!(waited < AT_ONCE, "{waited:?}");
}

#[test]
fn waiters_get_the_session_one_after_the_other() {
    let site = Site::new();
    let mut holder = site.request();
    holder.open("shop");
    let file = site.file("shop");
    let (inside, served) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut request = site.request();
                request.open("shop");
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two have the lock");
                request.write("shop", b"x").unwrap();
                inside.fetch_sub(1, Ordering::SeqCst);
                request.close();
                served.fetch_add(1, Ordering::SeqCst);
            });
        }
        wait_for("all waiters", || waiters(&file) == 6);
        holder.close();
    });
    assert_eq!(served.into_inner(), 6);
}

/// A lock wait that runs out must not disturb the waits that follow in the same thread.
#[test]
fn a_wait_after_one_that_ran_out_goes_its_full_length() {
    let site = Site::new();
    let mut holder = site.request();
    holder.open("shop");
    let lock_wait = Duration::from_millis(60);
    let mut request = site.request_with(Settings { lock_wait, ..site.settings.clone() });
    for _ in 0..3 {
        let started = Instant::now();
        assert_eq!(request.try_open("shop").unwrap_err().kind(), ErrorKind::Locked);
        assert!(started.elapsed() >= lock_wait, "{:?}", started.elapsed());
    }
}

// Reading without the lock.

/// Data of about `length` bytes in which every word tells the version.
fn versioned(version: u64, length: usize) -> Vec<u8> {
    version.to_le_bytes().repeat(length.div_ceil(8).max(1))
}

fn version_of(data: &[u8]) -> u64 {
    let word: [u8; 8] = *data.first_chunk().expect("a version");
    assert!(data.chunks(8).all(|other| other == word), "torn: {} bytes", data.len());
    u64::from_le_bytes(word)
}

/// One writer commits, three readers read; `draw` says how long each version is.
fn read_while_written(commits: u64, draw: impl Fn(&mut fastrand::Rng) -> usize + Sync) {
    let site = Site::new();
    let mut random = seeded();
    site.put("shop", &versioned(0, 100));
    // The last version whose commit has returned.
    let acknowledged = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut reader = site.request();
                let mut last = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let floor = acknowledged.load(Ordering::SeqCst).max(last);
                    let version = version_of(&reader.peek("shop"));
                    assert!(version >= floor, "read {version} after {floor} was acknowledged");
                    last = version;
                }
            });
        }
        for version in 1..=commits {
            let data = versioned(version, draw(&mut random));
            let mut request = site.request();
            assert_eq!(version_of(&request.open("shop")), version - 1);
            request.write("shop", &data).unwrap();
            acknowledged.store(version, Ordering::SeqCst);
            request.close();
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_reader_without_lock_never_reads_half_or_old_data_of_large_sessions() {
    read_while_written(1000, |random| random.usize(1024..250 * 1024));
}

#[test]
fn a_reader_without_lock_never_reads_half_or_old_data_of_small_sessions() {
    read_while_written(4000, |random| random.usize(..1900));
}

#[test]
fn a_reader_without_lock_never_reads_half_or_old_data_of_changing_sessions() {
    read_while_written(2000, |random| match random.bool() {
        true => random.usize(..1900),
        false => random.usize(1024..250 * 1024),
    });
}
