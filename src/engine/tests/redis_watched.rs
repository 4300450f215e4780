//! Commits without a script: what a Redis watches, and what is sent when that has changed.

mod support;

use rustix::process::Signal;
use sessclust_engine::ErrorKind;
use sessclust_engine::config::credentials::Source;
use sessclust_engine::config::{Settings, WriteMode};
use sessclust_engine::stats::Counter;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use support::pool::{PoolSite, Process, Server};
use support::redis::{Redis, key, wait_until};
use support::{Child, PATIENCE, id, wait_for};

const SHOP: &str = "0123456789abcdef0123456789";

/// A process and the only server of its pool.
struct Shop {
    site: PoolSite,
    process: Process,
    id: String,
}

impl Shop {
    #[track_caller]
    fn start() -> Option<Self> {
        let site = PoolSite::start_redis(1)?;
        let (process, id) = (site.process(), site.id());
        process.put(&id, b"before");
        Some(Self { site, process, id })
    }

    fn server(&self) -> &Redis {
        let Server::Redis(server) = &self.site.nodes[0].server else { unreachable!() };
        server
    }

    /// The same, whose user may do these commands besides those of all.
    fn process_with(&self, rights: &[&str]) -> Process {
        let server = self.server();
        let all = ["get", "set", "getrange", "exists", "del", "type", "expire", "pexpire"];
        let more = ["pttl", "llen", "lindex", "rpush", "rpoplpush", "eval", "evalsha", "script"];
        let all = all.iter().chain(&more).chain(rights).map(|name| format!("+{name}"));
        let rights: Vec<String> = all.collect();
        let user = ["ACL", "SETUSER", "shop", "reset", "on", ">secret", "~sc:*"].into_iter();
        let command: Vec<&str> = user.chain(rights.iter().map(String::as_str)).collect();
        assert_eq!(server.cli(&command), "OK");
        let file = self.site.nodes[0].server.socket().with_file_name("credentials");
        fs::write(&file, "* shop secret\n").expect("a file");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
        let mut settings = self.process.settings.clone();
        settings.credentials = Some(Source::File(file));
        Process::of(&self.site.save_path(&[0]), &settings)
    }

    /// The commands that the server was sent since the last time.
    fn commands(&self) -> Vec<String> {
        let proxy = self.site.proxy();
        // The answer to an unlock is not waited for.
        proxy.wait_for("all answers", |counts| {
            counts.requests.values().sum::<usize>() == counts.replies
        });
        let log = proxy.log();
        proxy.reset();
        log.iter().filter_map(|entry| Some(entry.split(' ').next()?.to_owned())).collect()
    }
}

const OPEN: [&str; 3] = ["SET", "WATCH", "GET"];
const OPEN_AGAIN: [&str; 4] = ["SET", "UNWATCH", "WATCH", "GET"];
const COMMIT: [&str; 7] = ["MULTI", "SET", "DEL", "LMOVE", "EXPIRE", "COPY", "EXEC"];
const TOUCH: [&str; 7] = ["MULTI", "EXPIRE", "DEL", "LMOVE", "EXPIRE", "COPY", "EXEC"];

#[test]
fn a_commit_with_which_nobody_interferes_needs_no_script() {
    let Some(shop) = Shop::start() else { return };
    shop.commands();
    // That a session was given up makes no difference to the next one.
    let mut request = shop.process.request();
    request.open(&shop.id);
    request.close();
    shop.site.wait_until_free(&shop.id);
    assert_eq!(shop.commands(), [&OPEN[..], &["EVALSHA"]].concat());
    let other = shop.site.id();
    shop.process.put(&other, b"before");
    let mut request = shop.process.request();
    request.open(&shop.id);
    request.close();
    shop.site.wait_until_free(&shop.id);
    shop.commands();
    for (id, expected) in [(&shop.id, &OPEN_AGAIN[..]), (&other, &OPEN), (&shop.id, &OPEN)] {
        let mut request = shop.process.request();
        request.open(id);
        request.write(id, b"after").expect("saved");
        request.close();
        assert_eq!(shop.commands(), [expected, &COMMIT].concat());
        assert!(!shop.server().has_lock(id));
        assert_eq!(shop.process.request().peek(id), b"after");
        shop.commands();
    }
    let mut request = shop.process.request();
    request.open(&shop.id);
    shop.server().cli(&["EXPIRE", &key("sc:r:", &other), "5"]);
    request.touch(&shop.id, b"after").expect("touched");
    request.close();
    assert_eq!(shop.commands(), [&OPEN[..], &TOUCH].concat(), "another session is not watched");
    assert!(!shop.server().has_lock(&shop.id));
}

/// What happens to a session between its opening and its commit, and what is there afterwards: all
/// of it is as if the script had been sent at once, which is what those get who may do no more.
#[test]
fn what_has_changed_is_left_to_the_script() {
    let Some(shop) = Shop::start() else { return };
    let (lock, record) = (key("sc:l:", &shop.id), key("sc:r:", &shop.id));
    let elsewhere = "versions1 0 0 1 1 1 elsewhere /script.php";
    let does = |command: &[&str]| _ = shop.server().cli(command);
    let destroys = || shop.site.request().session.destroy(id(&shop.id)).expect("destroyed");
    let cases: [(&str, &dyn Fn(), &str); 5] = [
        ("no lock", &|| does(&["DEL", &lock]), "saved"),
        ("the lock of another", &|| does(&["SET", &lock, elsewhere]), "is in use by another"),
        ("a lock with another life", &|| does(&["EXPIRE", &lock, "60"]), "saved"),
        ("another record", &destroys, "was destroyed"),
        ("no session", &|| does(&["FLUSHALL"]), ""),
    ];
    let without = shop.process_with(&["info"]);
    for ((what, change, expected), is_touch) in
        cases.into_iter().flat_map(|case| [(case, false), (case, true)])
    {
        let [with, without] = [&shop.process, &without].map(|process| {
            shop.server().cli(&["FLUSHALL"]);
            process.put(&shop.id, b"before");
            let mut request = process.request();
            request.open(&shop.id);
            change();
            shop.commands();
            let done = match is_touch {
                true => request.touch(&shop.id, b"before"),
                false => request.write(&shop.id, b"after"),
            };
            let said = match done {
                Ok(_) => "saved".to_owned(),
                Err(error) => error.to_string(),
            };
            let commands = shop.commands();
            request.close();
            let is_there = [&lock, &record].map(|key| shop.server().cli(&["EXISTS", key]));
            (commands, (said, is_there))
        });
        let transaction = if is_touch { TOUCH } else { COMMIT };
        assert_eq!(with.0[..8], [&transaction[..], &["EVALSHA"]].concat(), "{what}: {:?}", with.0);
        assert_eq!(without.0[0], "EVALSHA", "{what}: {:?}", without.0);
        assert_eq!(with.1, without.1, "{what}");
        assert!(is_touch || with.1.0.contains(expected), "{what}: {}", with.1.0);
    }
}

/// What others do to a record that they may do: they tell the server that it was used. And what
/// Redis itself does, which evicts it.
#[test]
fn a_record_that_others_use_is_stored_all_the_same() {
    let Some(shop) = Shop::start() else { return };
    let record = key("sc:r:", &shop.id);
    let cases: [&[&str]; 2] = [&["EXPIRE", &record, "60"], &["DEL", &record]];
    for command in cases {
        let mut request = shop.process.request();
        request.open(&shop.id);
        shop.server().cli(command);
        shop.commands();
        request.write(&shop.id, b"after").expect("saved");
        assert_eq!(shop.commands(), COMMIT, "{command:?}");
        request.close();
        assert_eq!(shop.site.get(&shop.id), b"after");
    }
}

/// The first record of a session, or one in the place of what Redis has evicted, is as much a
/// reason for a transaction not to be done as any other.
#[test]
fn a_session_that_was_not_there_can_be_destroyed_while_it_is_open() {
    let Some(shop) = Shop::start() else { return };
    for was_there in [false, true] {
        let new = shop.site.id();
        if was_there {
            shop.process.put(&new, b"before");
        }
        let mut request = shop.process.request();
        request.open(&new);
        shop.server().cli(&["DEL", &key("sc:r:", &new)]);
        shop.site.request().session.destroy(id(&new)).expect("destroyed");
        let error = request.write(&new, b"late").expect_err("it was destroyed");
        assert!(error.to_string().contains("was destroyed"), "{error}");
        request.close();
        assert_eq!(shop.process.request().peek(&new), b"");
    }
}

/// One that is not the last to be opened.
#[test]
fn what_is_watched_no_more_is_left_to_the_script_at_once() {
    let Some(shop) = Shop::start() else { return };
    let (one, two) = (shop.site.id(), shop.site.id());
    let [mut first, mut second] = [&one, &two].map(|id| {
        shop.process.put(id, b"before");
        let mut request = shop.process.request();
        request.open(id);
        request
    });
    shop.commands();
    first.write(&one, b"after").expect("saved");
    assert_eq!(shop.commands(), ["EVALSHA"]);
    second.write(&two, b"after").expect("saved");
    assert_eq!(shop.commands(), COMMIT);
}

/// A lock that has ended counts as changed, though nobody has written it.
#[test]
fn a_lock_that_has_ended_is_left_to_the_script() {
    let Some(shop) = Shop::start() else { return };
    let mut request = shop.process.request();
    request.open(&shop.id);
    shop.server().cli(&["PEXPIRE", &key("sc:l:", &shop.id), "1"]);
    // Whoever looked at it would remove it.
    let ended_us = clock_us(shop.server()) + 2000;
    wait_until("its end", || clock_us(shop.server()) > ended_us);
    shop.commands();
    request.write(&shop.id, b"after").expect("saved");
    assert_eq!(shop.commands()[..8], [&COMMIT[..], &["EVALSHA"]].concat());
}

/// What its clock says.
fn clock_us(server: &Redis) -> u64 {
    let time = server.cli(&["TIME"]);
    let [seconds, us] = time.lines().collect::<Vec<_>>()[..] else { panic!("{time}") };
    let number = |text: &str| text.parse::<u64>().expect("a number");
    number(seconds) * 1_000_000 + number(us)
}

#[test]
fn who_comes_while_a_session_is_watched_gets_it_with_the_unlock() {
    let Some(shop) = Shop::start() else { return };
    let mut request = shop.process.request();
    request.open(&shop.id);
    let mut waiter = Child::start(|parent| {
        let data = shop.site.process().request().open(&shop.id);
        parent.say(String::from_utf8_lossy(&data));
    });
    wait_until("one who waits", || shop.server().info("blocked_clients") == "1");
    shop.site.proxy().reset();
    request.write(&shop.id, b"handed on").expect("saved");
    let log = shop.site.proxy().log();
    let sent: Vec<&str> = log.iter().filter_map(|entry| entry.split(' ').next()).collect();
    assert_eq!(sent[..7], COMMIT, "{log:?}");
    assert_eq!(waiter.line(), "handed on");
}

/// What has to be sent again when its answer is read, in a process that gets in line for another
/// session before: a delayed commit whose transaction was not done, and an unlock whose script was
/// lost. It does not come behind what blocks.
#[test]
fn what_is_sent_again_does_not_wait_for_another_session() {
    for is_commit in [true, false] {
        let Some(shop) = Shop::start() else { return };
        let (own, wanted) = (shop.id.clone(), shop.site.id());
        shop.commands();
        let mut holder = shop.process.request();
        holder.open(&wanted);
        let blocked = |count: &str| shop.server().info("blocked_clients") == count;
        // So that it is known on this machine that others wait.
        let mut first = Child::start(|parent| {
            shop.site.process().request().open(&wanted);
            parent.say("had it");
        });
        wait_until("one who waits", || blocked("1"));
        let mut second = Child::start(|parent| {
            let process = shop.site.process();
            let settings = Settings { write: WriteMode::Delayed, ..process.settings.clone() };
            let mut request = process.request_with(&settings);
            request.open(&own);
            if is_commit {
                shop.server().cli(&["EXPIRE", &key("sc:l:", &own), "60"]);
                request.write(&own, b"after").expect("sent");
            } else {
                shop.server().cli(&["SCRIPT", "FLUSH"]);
            }
            request.close();
            process.request().open(&wanted);
            parent.say("had it");
        });
        wait_until("another one who waits", || blocked("2"));
        wait_until("the script", || !shop.server().has_lock(&own));
        assert!(blocked("2"));
        let log = shop.site.proxy().log();
        let transactions = log.iter().filter(|command| command.starts_with("DEL ")).count();
        assert_eq!(transactions, usize::from(is_commit), "{log:?}");
        let record = shop.server().cli(&["GET", &key("sc:r:", &own)]);
        assert!(record.ends_with(if is_commit { "after" } else { "before" }), "{record}");
        holder.close();
        assert_eq!([first.line(), second.line()], ["had it", "had it"]);
    }
}

#[test]
fn a_lock_that_was_renewed_is_given_back_by_the_script_at_once() {
    let Some(shop) = Shop::start() else { return };
    let mut settings = shop.process.settings.clone();
    // A third of it passes until it is renewed.
    settings.lock_lease = Duration::from_secs(4);
    settings.request_timeout = Duration::from_secs(1);
    let process = Process::of(&shop.site.save_path(&[0]), &settings);
    let mut request = process.request();
    request.open(&shop.id);
    let live = process.live();
    wait_for("a lock that is due", || {
        live.renew();
        process.count(Counter::Renewals) == 1
    });
    shop.commands();
    request.write(&shop.id, b"after").expect("saved");
    assert_eq!(shop.commands(), ["EVALSHA"]);
    assert_eq!(shop.site.get(&shop.id), b"after");
}

/// None of these is told anything: it gets what its user may do.
#[test]
fn who_may_not_watch_or_begin_a_transaction_gets_scripts() {
    let Some(shop) = Shop::start() else { return };
    let all = ["info", "watch", "multi", "exec", "lmove", "copy"];
    // Without the first, nobody knows the version.
    for lacking in all {
        let rights: Vec<&str> = all.into_iter().filter(|right| *right != lacking).collect();
        let process = shop.process_with(&rights);
        process.put(&shop.id, b"before");
        shop.commands();
        let mut request = process.request();
        request.open(&shop.id);
        request.write(&shop.id, b"after").expect("saved");
        assert_eq!(shop.commands().last().map(String::as_str), Some("EVALSHA"), "{rights:?}");
        request.close();
        assert_eq!(shop.site.get(&shop.id), b"after");
    }
}

/// What is behind a transaction is sent again with the script.
#[test]
fn replicas_are_waited_for_either_way() {
    let Some(server) = Redis::start_tcp(&[]) else { return };
    let Some(replica) = server.start_replica(&[]) else { return };
    let mut settings = Settings {
        connect_timeout: PATIENCE,
        request_timeout: Duration::from_secs(5),
        lock_lease: Duration::from_secs(60),
        redis_wait: 1,
        ..Settings::default()
    };
    let process = Process::of(&server.url(), &settings);
    for (data, is_changed) in [("as a transaction", false), ("by the script", true)] {
        process.put(SHOP, b"before");
        let mut request = process.request();
        request.open(SHOP);
        if is_changed {
            server.cli(&["EXPIRE", &key("sc:l:", SHOP), "60"]);
        }
        request.write(SHOP, data.as_bytes()).expect("saved");
        let record = replica.cli(&["GET", &key("sc:r:", SHOP)]);
        assert!(record.ends_with(data), "the answer came when the replica had it");
    }
    replica.signal(Signal::STOP);
    // A fifth of it is left for the answer. One that came later would count the server as down.
    settings.request_timeout = Duration::from_secs(5);
    let process = Process::of(&server.url(), &settings);
    for is_changed in [false, true] {
        let mut request = process.request();
        request.open(SHOP);
        if is_changed {
            server.cli(&["EXPIRE", &key("sc:l:", SHOP), "60"]);
        }
        let error = request.write(SHOP, b"here only").expect_err("a replica that stands still");
        assert_eq!(error.kind(), ErrorKind::Indeterminate, "{error}");
        request.close();
    }
}

#[test]
fn a_full_server_refuses_a_transaction_and_is_unlocked() {
    let Some(shop) = Shop::start() else { return };
    shop.server().cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let mut request = shop.process.request();
    request.open(&shop.id);
    shop.commands();
    shop.server().cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = request.write(&shop.id, b"after").expect_err("it is full");
    assert!(error.to_string().contains("is not saved: node"), "{error}");
    assert_eq!(shop.commands(), [&COMMIT[..], &["EVALSHA"]].concat());
    assert!(!shop.server().has_lock(&shop.id));
    request.close();
    shop.server().cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(shop.site.get(&shop.id), b"before");
}
