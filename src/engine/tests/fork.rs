//! A fork of a process with an open session: it neither writes nor unlocks what its parent holds,
//! and may have sessions of its own.

mod support;

use sessclust_engine::ErrorKind;
use support::{Child, Site};

#[test]
fn a_fork_does_not_write_its_parents_session() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut request = site.request();
    request.open("shop");
    let mut child = Child::start(|parent| {
        let written = request.write("shop", b"of the fork").map_err(|error| error.kind());
        let touched = request.touch("shop", b"of the fork").map_err(|error| error.kind());
        parent.say(format!("{written:?} {touched:?}"));
    });
    let forked: Result<(), _> = Err(ErrorKind::Forked);
    assert_eq!(child.line(), format!("{forked:?} {forked:?}"));
    assert_eq!(site.get("shop"), b"stored");
    request.write("shop", b"of the parent").unwrap();
    assert_eq!(site.get("shop"), b"of the parent");
}

#[test]
fn a_fork_that_changed_nothing_ends_without_an_error() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut request = site.request();
    request.open("shop");
    let mut child = Child::start(|parent| {
        request.write("shop", b"stored").unwrap();
        request.touch("shop", b"stored").unwrap();
        request.close();
        parent.say("closed");
    });
    assert_eq!(child.line(), "closed");
}

#[test]
fn a_fork_that_closes_or_ends_does_not_unlock_its_parents_session() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut request = site.request();
    request.open("shop");
    let mut child = Child::start(|parent| {
        request.close();
        parent.say("closed");
        parent.wait();
    });
    assert_eq!(child.line(), "closed");
    assert!(site.is_locked("shop"));
    child.kill();
    assert!(site.is_locked("shop"));
}

/// The fork has the same open file, and the lock belongs to that, flock(2).
#[test]
fn a_parent_that_closes_frees_the_session_though_its_fork_lives_on() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut request = site.request();
    request.open("shop");
    let _child = Child::start(|parent| parent.wait());
    assert!(site.is_locked("shop"));
    request.close();
    assert!(!site.is_locked("shop"));
}

#[test]
fn a_fork_has_sessions_of_its_own() {
    let site = Site::new();
    let mut request = site.request();
    request.open("shop");
    let mut child = Child::start(|parent| {
        request.open("own");
        request.write("own", b"of the fork").unwrap();
        request.close();
        parent.say("written");
    });
    assert_eq!(child.line(), "written");
    assert_eq!(site.get("own"), b"of the fork");
    assert!(site.is_locked("shop"));
}

#[test]
fn a_fork_that_opens_its_parents_session_has_to_wait_for_it() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut request = site.impatient();
    request.open("shop");
    let mut child = Child::start(|parent| {
        parent.say(format!("{:?}", request.try_open("shop").map_err(|error| error.kind())));
    });
    let locked: Result<(), _> = Err(ErrorKind::Locked);
    assert_eq!(child.line(), format!("{locked:?}"));
}

/// The open file is shared, so the lock stays for as long as any of them has it open, flock(2).
#[test]
fn the_lock_of_a_killed_parent_goes_though_its_fork_lives_on() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut parent = Child::start(|test| {
        let mut request = site.request();
        request.open("shop");
        let _fork = Child::start(|_| {
            request.session.forget_inherited();
            test.say(std::process::id());
            test.wait();
        });
        test.wait();
    });
    let fork = parent.line();
    assert!(site.is_locked("shop"));
    parent.kill();
    assert!(std::path::Path::new(&format!("/proc/{fork}")).exists());
    assert!(!site.is_locked("shop"));
}

#[test]
fn a_fork_does_not_read_what_its_parent_validated() {
    let site = Site::new();
    site.put("shop", b"stored");
    let mut request = site.impatient();
    assert!(request.knows("shop"));
    let mut child = Child::start(|parent| {
        request.session.forget_inherited();
        let read = request.try_open("shop").map_err(|error| error.kind());
        parent.say(format!("{read:?}"));
    });
    let locked: Result<(), _> = Err(ErrorKind::Locked);
    assert_eq!(child.line(), format!("{locked:?}"));
    assert_eq!(request.open("shop"), b"stored");
    assert!(site.is_locked("shop"));
}
