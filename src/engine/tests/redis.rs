//! What a real Redis says, and what sessions make of it.

mod support;

use sessclust_engine::config::Settings;
use sessclust_engine::config::credentials::Source;
use sessclust_engine::config::save_path::SavePath;
use sessclust_engine::session::{Access, Store};
use sessclust_engine::stats::Counters;
use sessclust_engine::{Error, ErrorKind, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;
use std::thread;
use std::time::Duration;
use support::pool::Process;
use support::redis::{Redis, key, wait_until};
use support::{Child, PATIENCE, Request, id};

const SHOP: &str = "0123456789abcdef0123456789";

/// A process whose sessions a server has.
fn process(server: &Redis, change: impl FnOnce(&mut Settings)) -> Process {
    let mut settings = Settings {
        connect_timeout: PATIENCE,
        request_timeout: Duration::from_secs(5),
        lock_lease: Duration::from_secs(60),
        ..Settings::default()
    };
    change(&mut settings);
    let counters: &'static Counters = Box::leak(Box::default());
    let path = SavePath::parse(server.url().as_bytes()).expect("a save path");
    let store = Store::open(path, &settings, counters).expect("a store");
    Process { store: Rc::new(store), settings, counters }
}

fn plain(server: &Redis) -> Process {
    process(server, |_| ())
}

#[track_caller]
fn expect_error<T>(result: Result<T>, kind: ErrorKind, text: &str) {
    let error: Error = result.err().expect("an error");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

fn opened(process: &Process) -> Request {
    let mut request = process.request();
    request.open(SHOP);
    request
}

#[test]
fn a_commit_is_refused_while_somebody_else_has_the_lock() {
    let Some(server) = Redis::start(&[]) else { return };
    let process = plain(&server);
    process.put(SHOP, b"before");
    let mut late = opened(&process);
    server.cli(&["DEL", &key("sc:l:", SHOP)]);
    server.lock(SHOP);
    let text = "is in use by another request, after this one lost its lock, not saved";
    expect_error(late.write(SHOP, b"late"), ErrorKind::LeaseLost, text);
    assert!(server.has_lock(SHOP), "the lock of somebody else stays");
    assert_eq!(process.request().peek(SHOP), b"before");
}

#[test]
fn a_lock_that_has_ended_does_not_matter_if_nobody_has_come() {
    let Some(server) = Redis::start(&[]) else { return };
    let process = plain(&server);
    let mut request = opened(&process);
    server.cli(&["DEL", &key("sc:l:", SHOP)]);
    request.write(SHOP, b"after").expect("saved");
    assert_eq!(process.request().peek(SHOP), b"after");
}

#[test]
fn a_write_that_too_few_replicas_have_is_not_certain() {
    let Some(server) = Redis::start_tcp(&[]) else { return };
    let waiting = process(&server, |settings| {
        settings.redis_wait = 1;
        // A fifth of it is left for the answer. One that came later would count the server as down.
        settings.request_timeout = Duration::from_secs(5);
    });
    let mut request = opened(&waiting);
    let text = "may or may not have been saved: node";
    expect_error(request.write(SHOP, b"here"), ErrorKind::Indeterminate, text);
    request.close();
    assert_eq!(plain(&server).request().peek(SHOP), b"here");

    let Some(replica) = server.start_replica(&[]) else { return };
    let waiting = process(&server, |settings| settings.redis_wait = 1);
    waiting.put(SHOP, b"on both");
    assert!(replica.has(SHOP), "the answer came when the replica had it");
}

#[test]
fn a_replica_says_where_to_turn() {
    let Some(server) = Redis::start(&[]) else { return };
    let process = plain(&server);
    process.put(SHOP, b"before");
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    expect_error(process.request().try_open(SHOP), ErrorKind::NoNode, "it is a replica; name");
    assert_eq!(process.request().peek(SHOP), b"before", "it can be read");
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    process.put(SHOP, b"after");
    assert_eq!(process.request().peek(SHOP), b"after");
}

#[test]
fn a_full_server_loses_nothing() {
    let Some(server) = Redis::start(&["--maxmemory-policy", "noeviction"]) else { return };
    let process = plain(&server);
    process.put(SHOP, b"before");
    let mut request = opened(&process);
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let text = "is not saved: node";
    expect_error(request.write(SHOP, b"too much"), ErrorKind::Node, text);
    request.close();
    assert!(!server.has_lock(SHOP), "the lock was given back all the same");
    expect_error(process.request().try_open(SHOP), ErrorKind::Node, "raise its maxmemory");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(process.request().open(SHOP), b"before");
}

/// To hand a lock on takes memory; to give it back does not.
#[test]
fn a_full_server_gives_locks_back_though_others_wait() {
    let Some(server) = Redis::start(&["--maxmemory-policy", "noeviction"]) else { return };
    let web = plain(&server);
    web.put(SHOP, b"before");
    let mut holder = opened(&web);
    let wait = |_| {
        Child::start(|parent| {
            let data = plain(&server).request().open(SHOP);
            parent.say(String::from_utf8_lossy(&data));
        })
    };
    let waiters: Vec<Child> = (0..2).map(wait).collect();
    wait_until("two who wait", || server.info("blocked_clients") == "2");
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    holder.close();
    // The second gets it when the first has ended, which nobody need wait a lease for.
    for mut waiter in waiters {
        assert_eq!(waiter.line(), "before");
    }
}

#[test]
fn a_server_that_a_script_keeps_busy_is_named() {
    let Some(server) = Redis::start(&["--busy-reply-threshold", "1"]) else { return };
    let process = process(&server, |settings| {
        settings.request_timeout = Duration::from_millis(500);
        settings.lock_wait = Duration::ZERO;
    });
    process.put(SHOP, b"before");
    let mut client = server.client();
    let busy = thread::spawn(move || client.call(&["EVAL", "while true do end", "0"]).to_string());
    wait_until("a busy server", || {
        server.try_cli(&["PING"]).is_ok_and(|said| said.contains("BUSY"))
    });
    expect_error(process.request().try_open(SHOP), ErrorKind::NoNode, "SCRIPT KILL ends it");
    server.cli(&["SCRIPT", "KILL"]);
    assert!(busy.join().expect("no panic").contains("killed"));
    wait_until("the session", || process.request().try_open(SHOP).is_ok());
}

#[test]
fn a_server_that_reads_its_data_is_waited_for() {
    // Each of them takes so many us to be read, and it answers now and then in between.
    let slow = ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"];
    let Some(mut server) = Redis::start(&slow) else { return };
    plain(&server).put(SHOP, b"before");
    for number in 0..100 {
        server.cli(&["SET", &format!("sc:another:{number}"), &"x".repeat(1000)]);
    }
    server.cli(&["SAVE"]);
    server.restart();
    let process = process(&server, |settings| settings.lock_wait = Duration::ZERO);
    let text = "it has just been started and reads its data";
    expect_error(process.request().try_open(SHOP), ErrorKind::NoNode, text);
    wait_until("its data", || process.request().try_open(SHOP).is_ok_and(|it| it == b"before"));
}

#[test]
fn a_server_that_cannot_save_its_data_is_named() {
    let Some(server) = Redis::start(&[]) else { return };
    let process = plain(&server);
    process.put(SHOP, b"before");
    let mut request = opened(&process);
    let snapshot = server.socket().with_file_name("dump.rdb");
    fs::create_dir(&snapshot).expect("nothing is there");
    server.cli(&["CONFIG", "SET", "save", "3600 1"]);
    server.cli(&["BGSAVE"]);
    wait_until("a snapshot that fails", || server.info("rdb_last_bgsave_status") == "err");
    let text = "cannot save its data to its disk";
    expect_error(request.write(SHOP, b"after"), ErrorKind::Node, text);
    request.close();
    expect_error(process.request().try_open(SHOP), ErrorKind::Node, text);
    fs::remove_dir(&snapshot).expect("it is empty");
    server.cli(&["BGSAVE"]);
    wait_until("a snapshot", || server.info("rdb_last_bgsave_status") == "ok");
    // It has not taken the unlock either: the lock would end with its lease.
    server.cli(&["DEL", &key("sc:l:", SHOP)]);
    assert_eq!(process.request().open(SHOP), b"before");
}

#[test]
fn who_needs_a_password_is_told_where_it_goes() {
    let Some(server) = Redis::start(&["--requirepass", "correct"]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials");
    let with = |line: &str| {
        fs::write(&file, line).expect("a file");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
        process(&server, |settings| settings.credentials = Some(Source::File(file.clone())))
    };
    let asks = "asks for a password: sessclust.credentials";
    expect_error(plain(&server).request().try_open(SHOP), ErrorKind::NoNode, asks);
    let wrong = with("* hunter2\n").request().try_open(SHOP);
    let text = wrong.as_ref().expect_err("it is wrong").to_string();
    assert!(!text.contains("hunter2"), "{text}");
    expect_error(wrong, ErrorKind::NoNode, "does not know this user and password");
    with("* correct\n").put(SHOP, b"known");
    assert_eq!(with("* correct\n").request().peek(SHOP), b"known");
}

#[test]
fn a_user_who_may_not_do_it_is_told() {
    let Some(server) = Redis::start(&[]) else { return };
    server.cli(&["ACL", "SETUSER", "shop", "on", ">secret", "~sc:*", "+get", "+info", "+script"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("credentials");
    fs::write(&file, "* shop secret\n").expect("a file");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
    let shop =
        || process(&server, |settings| settings.credentials = Some(Source::File(file.clone())));
    expect_error(shop().request().try_open(SHOP), ErrorKind::NoNode, "its user may not do that");
    // What the README says that it needs.
    server.cli(&["ACL", "DELUSER", "shop"]);
    let readme = include_str!("../../../README.md").replace("PASSWORD", "secret");
    for line in readme.lines().filter(|line| line.starts_with("ACL SETUSER shop ")) {
        server.cli(&line.split(' ').collect::<Vec<_>>());
    }
    let web = shop();
    web.put(SHOP, b"allowed");
    assert_eq!(web.request().open(SHOP), b"allowed");
    // Who waits for another one needs some more of it.
    let mut holder = opened(&web);
    let mut waiter = Child::start(|parent| {
        let data = shop().request().open(SHOP);
        parent.say(String::from_utf8_lossy(&data));
    });
    wait_until("one who waits", || server.info("blocked_clients") == "1");
    holder.write(SHOP, b"handed on").expect("saved");
    assert_eq!(waiter.line(), "handed on");
}

#[test]
fn what_is_no_session_is_not_taken_for_one() {
    let Some(server) = Redis::start(&[]) else { return };
    let process = plain(&server);
    let record = key("sc:r:", SHOP);
    server.cli(&["RPUSH", &record, "a list"]);
    expect_error(process.request().try_open(SHOP), ErrorKind::Node, "WRONGTYPE");
    server.cli(&["DEL", &record]);
    server.cli(&["SET", &record, "somebody else's value, which is longer"]);
    let mut request = process.request();
    let data = request.session.read(id(SHOP), Access::Locked).expect("an empty session");
    expect_error::<()>(Err(data.loss.expect("a loss")), ErrorKind::Damaged, "starting anew");
    request.session.delivered();
    request.write(SHOP, b"anew").expect("it replaces what is no record");
    request.close();
    assert_eq!(process.request().peek(SHOP), b"anew");
}

#[test]
fn scripts_that_a_server_has_lost_are_sent_again() {
    let Some(server) = Redis::start(&[]) else { return };
    let process = plain(&server);
    process.put(SHOP, b"first");
    let mut request = opened(&process);
    server.cli(&["SCRIPT", "FLUSH"]);
    request.write(SHOP, b"second").expect("saved");
    request.close();
    assert!(!server.has_lock(SHOP), "the lock was given back with it");
    let mut request = opened(&process);
    server.cli(&["SCRIPT", "FLUSH"]);
    request.touch(SHOP, b"second").expect("touched");
    request.close();
    assert_eq!(process.request().open(SHOP), b"second");
}
