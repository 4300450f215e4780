//! Connections to the nodes of a pool: kept, replaced when a server has closed them, and never
//! shared with a fork.

mod support;

use sessclust_engine::config::{Settings, WriteMode};
use sessclust_engine::session::Access;
use sessclust_engine::stats::Counter;
use sessclust_engine::{ErrorKind, Result};
use support::pool::{PoolSite, Process, Service, lock_key, record_key};
use support::proxy::{Fault, Place};
use support::{Child, LIFETIME_S, id};

on_each_service! {
    a_connection_that_was_closed_while_idle_is_replaced_without_an_error,
    a_session_that_is_held_while_its_connection_is_closed_is_saved,
    a_delayed_write_on_a_connection_that_was_closed_is_saved_or_told_of,
    after_a_restart_of_the_server_sessions_begin_anew_without_an_error,
    a_session_that_its_node_lost_while_it_was_held_is_not_saved,
    after_nonsense_a_connection_is_not_used_again,
    a_fork_neither_writes_nor_unlocks_its_parents_session,
    a_fork_has_sessions_and_connections_of_its_own,
    a_fork_that_opens_its_parents_session_has_to_wait_for_it,
    the_session_of_a_killed_parent_is_free_though_its_fork_lives_on,
}

#[track_caller]
fn expect_error<T>(result: Result<T>, kind: ErrorKind, text: &str) {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

/// A process that is connected to a pool of one node.
fn connected(service: Service) -> Option<(PoolSite, Process)> {
    let site = PoolSite::start_on(service, 1)?;
    let process = site.process();
    process.request().peek(&site.id());
    Some((site, process))
}

/// Closes all connections, as a server does that finds them idle: memcached itself (`-o
/// idle_timeout`) closes those over TCP only.
fn close_all(site: &PoolSite) {
    site.proxy().cut();
    wait_until_closed(site);
}

fn wait_until_closed(site: &PoolSite) {
    site.proxy().wait_for("the end of all connections", |counts| counts.open == 0);
}

/// A stranger's item that has this CAS by chance.
fn put_with_cas(site: &PoolSite, key: &str, cas: u64) {
    let mut raw = site.raw(0);
    raw.put(key, b"a stranger's", 1000);
    while raw.cas(key) < cas {
        raw.put(key, b"a stranger's", 1000);
    }
    assert_eq!(raw.cas(key), cas);
}

// Servers that close connections.

/// Over TCP the first write to a closed connection goes well, and what is written is lost; over a
/// Unix socket it fails.
fn both(service: Service) -> Option<[(PoolSite, Process); 2]> {
    let connected = |site: PoolSite| {
        let process = site.process();
        process.request().peek(&site.id());
        (site, process)
    };
    Some([PoolSite::start_on(service, 1)?, PoolSite::start_tcp(service, 1)?].map(connected))
}

fn a_connection_that_was_closed_while_idle_is_replaced_without_an_error(service: Service) {
    let Some(both) = both(service) else { return };
    for (site, process) in both {
        let (shop, fresh, read_only) = (site.id(), site.id(), site.id());
        close_all(&site);
        process.put(&shop, b"data");
        assert_eq!(process.count(Counter::Reconnects), 1);

        close_all(&site);
        assert_eq!(process.request().peek(&shop), b"data");
        assert_eq!(process.count(Counter::Reconnects), 2);

        // The lock of a fresh session is not waited for; that it is lost is found out later.
        close_all(&site);
        let mut request = process.request();
        request.open_fresh(&fresh).unwrap();
        request.write(&fresh, b"new").unwrap();
        assert_eq!(process.request().peek(&fresh), b"new");
        site.wait_until_free(&fresh);

        // Nor is the record of one that is only read: who does not find it gets another id.
        close_all(&site);
        let mut request = process.request();
        assert!(request.session.is_free(id(&read_only)).unwrap());
        assert_eq!(request.peek(&read_only), b"");
    }
}

fn a_session_that_is_held_while_its_connection_is_closed_is_saved(service: Service) {
    let Some(both) = both(service) else { return };
    for (site, process) in both {
        let (changed, same, destroyed) = (site.id(), site.id(), site.id());
        for shop in [&changed, &same, &destroyed] {
            process.put(shop, b"before");
        }
        let mut request = process.request();
        request.open(&changed);
        close_all(&site);
        request.write(&changed, b"after").unwrap();
        request.close();

        request.open(&same);
        close_all(&site);
        request.touch(&same, b"before").unwrap();
        request.close();

        request.open(&destroyed);
        close_all(&site);
        request.session.destroy(id(&destroyed)).unwrap();
        request.close();

        assert_eq!(process.request().peek(&changed), b"after");
        assert_eq!(process.request().peek(&same), b"before");
        assert!(site.record(&destroyed).unwrap().is_tombstone);
        for shop in [&changed, &same, &destroyed] {
            site.wait_until_free(shop);
        }
    }
}

/// Where the loss cannot be noticed by then, the next request is told.
fn a_delayed_write_on_a_connection_that_was_closed_is_saved_or_told_of(service: Service) {
    let Some(both) = both(service) else { return };
    for (site, process) in both {
        for is_changed in [true, false] {
            let shop = site.id();
            process.put(&shop, b"before");
            let settings = Settings { write: WriteMode::Delayed, ..process.settings.clone() };
            let mut request = process.request_with(&settings);
            request.open(&shop);
            close_all(&site);
            let data: &[u8] = if is_changed { b"after" } else { b"before" };
            match is_changed {
                true => request.write(&shop, data).unwrap(),
                false => request.touch(&shop, data).unwrap(),
            }
            request.close();
            process.store.settle(&settings);
            let mut next = process.request();
            let read = next.session.read(id(&shop), Access::Unlocked).unwrap();
            assert!(read.bytes == data || read.loss.is_some(), "{read:?}");
        }
    }
}

/// As after [`close_all`] with another server in its place: what a number of before says there
/// is about somebody else's lock.
#[test]
fn a_touch_gives_no_lock_back_by_a_cas_from_before_a_restart() {
    let Some((mut site, process)) = connected(Service::Memcached) else { return };
    let shop = site.id();
    process.put(&shop, b"data");
    let record = site.raw(0).get(&record_key(&shop)).unwrap();
    let mut request = process.request();
    request.open(&shop);
    let cas = site.raw(0).cas(&lock_key(&shop));
    site.nodes[0].server.restart();
    wait_until_closed(&site);
    site.raw(0).put(&record_key(&shop), &record, 1000);
    put_with_cas(&site, &lock_key(&shop), cas);
    request.touch(&shop, b"data").unwrap();
    request.close();
    assert_eq!(site.raw(0).get(&lock_key(&shop)).unwrap(), b"a stranger's");
}

fn after_a_restart_of_the_server_sessions_begin_anew_without_an_error(service: Service) {
    let Some((mut site, process)) = connected(service) else { return };
    let shop = site.id();
    process.put(&shop, b"before");
    site.nodes[0].server.restart();
    wait_until_closed(&site);
    let mut request = process.request();
    assert_eq!(request.open(&shop), b"");
    request.write(&shop, b"after").unwrap();
    assert_eq!(site.get(&shop), b"after");
}

/// With one copy nobody knows what others have made of the session before it was lost.
fn a_session_that_its_node_lost_while_it_was_held_is_not_saved(service: Service) {
    let Some((mut site, process)) = connected(service) else { return };
    let (known, new) = (site.id(), site.id());
    process.put(&known, b"before");
    let (mut one, mut two) = (process.request(), process.request());
    one.open(&known);
    two.open(&new);
    site.nodes[0].server.restart();
    wait_until_closed(&site);
    // Notices the restart. A new session has lost nothing.
    two.write(&new, b"new").unwrap();
    two.close();
    let text = "was lost by its node meanwhile, not saved";
    expect_error(one.write(&known, b"after"), ErrorKind::LeaseLost, text);
    one.close();
    assert!(site.record(&known).is_none());
    assert_eq!(site.get(&new), b"new");
    site.wait_until_free(&known);
    site.wait_until_free(&new);
}

/// The CAS counts from 1 again there, so a number of before may be anybody's now.
#[test]
fn a_cas_from_before_a_restart_is_not_used() {
    let Some((mut site, process)) = connected(Service::Memcached) else { return };
    let shop = site.id();
    let mut request = process.request();
    request.open(&shop);
    let cas = site.raw(0).cas(&lock_key(&shop));
    site.nodes[0].server.restart();
    wait_until_closed(&site);
    put_with_cas(&site, &lock_key(&shop), cas);
    let text = "is in use by another request, after this one lost its lock, not saved";
    expect_error(request.write(&shop, b"late"), ErrorKind::LeaseLost, text);
    request.close();
    let mut raw = site.raw(0);
    assert_eq!(raw.get(&lock_key(&shop)).unwrap(), b"a stranger's");
    assert!(raw.get(&record_key(&shop)).is_none());
}

fn after_nonsense_a_connection_is_not_used_again(service: Service) {
    let Some((site, process)) = connected(service) else { return };
    let shop = site.id();
    process.put(&shop, b"data");
    for nonsense in [&b"HD O9999\r\n"[..], b"EN\r\n", b"\0\0\0\r\n", b"VA 3 O1 c1\r\nabc\r\n"] {
        let connections = site.proxy().counts().connections;
        site.proxy().plan(Place::Reply(0), Fault::Replace(nonsense.to_vec()));
        let mut request = process.request();
        let result = request.session.read(id(&shop), Access::Unlocked);
        let error = result.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoNode, "{error}");
        assert!(error.to_string().contains("nonsense instead of an answer"), "{error}");
        assert_eq!(process.request().peek(&shop), b"data");
        assert_eq!(site.proxy().counts().connections, connections + 1);
    }
    assert_eq!(process.count(Counter::BrokenConnections), 4);
}

// Forks.

fn a_fork_neither_writes_nor_unlocks_its_parents_session(service: Service) {
    let Some((site, process)) = connected(service) else { return };
    let shop = site.id();
    process.put(&shop, b"stored");
    let mut request = process.request();
    request.open(&shop);
    site.proxy().reset();
    let mut child = Child::start(|parent| {
        let written = request.write(&shop, b"of the fork").map_err(|error| error.kind());
        let touched = request.touch(&shop, b"of the fork").map_err(|error| error.kind());
        request.write(&shop, b"stored").unwrap();
        request.close();
        parent.say(format!("{written:?} {touched:?}"));
    });
    let forked: Result<(), _> = Err(ErrorKind::Forked);
    assert_eq!(child.line(), format!("{forked:?} {forked:?}"));
    child.kill();
    assert_eq!(site.proxy().log(), Vec::<String>::new());
    assert!(site.holder(&shop).is_some());
    expect_error(site.impatient().try_open(&shop), ErrorKind::Locked, "is in use by");
    request.write(&shop, b"of the parent").unwrap();
    assert_eq!(site.get(&shop), b"of the parent");
}

fn a_fork_has_sessions_and_connections_of_its_own(service: Service) {
    let Some((site, process)) = connected(service) else { return };
    let (shop, own) = (site.id(), site.id());
    let mut request = process.request();
    request.open(&shop);
    let before = site.proxy().counts_of_each()[0].clone();
    let mut child = Child::start(|parent| {
        request.session.forget_inherited();
        let mut request = process.request();
        request.open(&own);
        request.write(&own, b"of the fork").unwrap();
        request.session.close(Some(LIFETIME_S));
        parent.say("written");
        parent.wait();
    });
    assert_eq!(child.line(), "written");
    assert_eq!(site.get(&own), b"of the fork");
    let each = site.proxy().counts_of_each();
    assert_eq!(each[0], before, "the parent's connection");
    let stores: usize = ["ms", "SET", "EVALSHA"].iter().map(|word| each[1].of(word)).sum();
    assert!(stores >= 2, "the fork's");
    request.write(&shop, b"of the parent").unwrap();
    assert_eq!(site.get(&shop), b"of the parent");
    // Its end closes no connection of the parent's.
    child.kill();
    process.put(&shop, b"again");
    assert_eq!(site.proxy().counts_of_each()[0].open, 1);
}

fn a_fork_that_opens_its_parents_session_has_to_wait_for_it(service: Service) {
    let Some((site, process)) = connected(service) else { return };
    let shop = site.id();
    process.put(&shop, b"stored");
    let mut request = process.impatient();
    request.open(&shop);
    let mut child = Child::start(|parent| {
        parent.say(format!("{:?}", request.try_open(&shop).map_err(|error| error.kind())));
    });
    let locked: Result<(), _> = Err(ErrorKind::Locked);
    assert_eq!(child.line(), format!("{locked:?}"));
    request.write(&shop, b"after").unwrap();
    assert_eq!(site.get(&shop), b"after");
}

fn the_session_of_a_killed_parent_is_free_though_its_fork_lives_on(service: Service) {
    let Some((site, _)) = connected(service) else { return };
    let shop = site.id();
    site.put(&shop, b"stored");
    let mut parent = Child::start(|test| {
        let mut request = site.request();
        request.open(&shop);
        let _fork = Child::start(|_| {
            request.session.forget_inherited();
            test.say(std::process::id());
            test.wait();
        });
        test.wait();
    });
    let fork = parent.line();
    expect_error(site.impatient().try_open(&shop), ErrorKind::Locked, "is in use by");
    parent.kill();
    assert!(std::path::Path::new(&format!("/proc/{fork}")).exists());
    assert_eq!(site.impatient().open(&shop), b"stored");
}
