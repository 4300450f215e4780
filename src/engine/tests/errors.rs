//! Every kind of error is produced here at least once, and says its cause without the session's id.

mod support;

use sessclust_engine::config::save_path::SavePath;
use sessclust_engine::config::{SETTINGS, Settings};
use sessclust_engine::local::Store;
use sessclust_engine::session::id::SessionId;
use sessclust_engine::session::{self, Access, Session};
use sessclust_engine::{Error, ErrorKind};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use support::memcached::Memcached;
use support::pool::{PoolSite, record_key};
use support::{Child, LIFETIME_S, Site, id};

const ID: &str = "a-secret-that-logs-you-in-0123456789";

type Way = fn() -> Error;

/// A way to each error, and what its text says among other things.
const WAYS: [(ErrorKind, Way, &str); 18] = [
    (ErrorKind::InvalidId, invalid_id, "Only the A-Z, a-z, 0-9, \"-\", and \",\" characters"),
    (ErrorKind::Config, config, "sessclust.lock_wait: \"2h\" is not a value of it (0 to 1h"),
    (ErrorKind::Directory, directory, "can be written by other users; make it mode 0700"),
    (ErrorKind::ForeignFile, foreign_file, "is not a regular file of user"),
    (ErrorKind::Locked, locked, "was not released within 0 (sessclust.lock_wait)"),
    (ErrorKind::Damaged, damaged, "is damaged (not a record), starting anew"),
    (ErrorKind::NewerFormat, newer_format, "is in format 2 of a later version"),
    (ErrorKind::TooLarge, too_large, "has 1025 bytes, more than the 1024 that sessclust.max_size"),
    (ErrorKind::Destroyed, destroyed, "was destroyed by another request, not saved"),
    (ErrorKind::Forked, forked, "had opened its session before this one was forked from it"),
    (
        ErrorKind::NotDelivered,
        not_delivered,
        "could not be read into PHP, so it is not overwritten",
    ),
    (ErrorKind::Collision, collision, "already, though its id is fresh"),
    (ErrorKind::Node, node, "cannot be locked: node "),
    (ErrorKind::NoNode, no_node, "cannot connect to /nowhere/socket: No such file or directory"),
    (ErrorKind::LeaseLost, lease_lost, "was lost by its node meanwhile, not saved"),
    (
        ErrorKind::Indeterminate,
        indeterminate,
        "is saved, but perhaps not on the disk: No such file",
    ),
    (ErrorKind::Internal, internal, "please report it: no way"),
    (ErrorKind::Io, io, ": Not a directory (os error 20)"),
];

/// An error of each kind. One of them needs a memcached, and is left out where there is none.
fn errors() -> impl Iterator<Item = (ErrorKind, Error, &'static str)> {
    let has_memcached = Memcached::start(&[]).is_some();
    let ways = WAYS.into_iter();
    ways.filter(move |(kind, ..)| has_memcached || *kind != ErrorKind::LeaseLost)
        .map(|(kind, way, text)| (kind, way(), text))
}

#[test]
fn every_kind_is_produced_and_says_its_cause() {
    for (kind, error, text) in errors() {
        let said = error.to_string();
        assert_eq!(error.kind(), kind, "{said}");
        assert!(said.contains(text), "{kind:?}: {said}");
        assert!(!said.contains(ID) && !said.contains("secret"), "{kind:?}: {said}");
        assert!(!said.chars().any(char::is_control), "{kind:?}: {said:?}");
        assert!(!said.ends_with('.'), "{kind:?}: {said}");
    }
}

/// `ErrorKind` is non-exhaustive, so the compiler does not say when a kind is missing above.
#[test]
fn no_kind_is_missing_above() {
    let source = include_str!("../error.rs");
    let (_, kinds) = source.split_once("pub enum ErrorKind {").expect("the enum");
    let (kinds, _) = kinds.split_once("\n}").expect("its end");
    let declared: Vec<&str> = kinds
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("///"))
        .map(|line| line.trim_end_matches(','))
        .collect();
    let mut produced: Vec<String> = WAYS.iter().map(|(kind, ..)| format!("{kind:?}")).collect();
    // The extension's, see php-tests/basic/handler_subclass_not_open.phpt.
    produced.insert(produced.len() - 2, format!("{:?}", ErrorKind::NotOpen));
    assert_eq!(produced, declared);
}

/// Only [`ErrorKind::Io`] has a cause of its own, the operating system's.
#[test]
fn the_cause_of_an_error_is_the_operating_systems() {
    for (kind, error, _) in errors() {
        let source = std::error::Error::source(&error);
        assert_eq!(source.is_some(), kind == ErrorKind::Io, "{error}");
    }
}

fn invalid_id() -> Error {
    SessionId::parse(format!("{ID}\r\nSet-Cookie: x").as_bytes()).map(|_| ()).unwrap_err()
}

fn config() -> Error {
    let path = SavePath::parse(b"tcp://cache:6379?auth=secret").unwrap_err();
    assert_eq!(path.kind(), ErrorKind::Config);
    assert!(!path.to_string().contains("secret"), "{path}");
    SETTINGS[0].apply(&mut Settings::default(), b"2h").unwrap_err()
}

fn directory() -> Error {
    let site = Site::new();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(site.store().directory(), open).unwrap();
    Store::open(Some(site.base())).unwrap_err()
}

fn foreign_file() -> Error {
    let site = Site::new();
    site.put(ID, b"x");
    fs::remove_file(site.file(ID)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", site.file(ID)).unwrap();
    site.request().try_open(ID).unwrap_err()
}

fn locked() -> Error {
    let site = Site::new();
    let mut holder = site.request();
    holder.open(ID);
    site.impatient().try_open(ID).unwrap_err()
}

fn damaged() -> Error {
    let site = Site::new();
    site.put(ID, b"x");
    fs::write(site.file(ID), [b'x'; 4096]).unwrap();
    let mut request = site.request();
    request.session.read(id(ID), Access::Locked).unwrap().loss.unwrap()
}

fn newer_format() -> Error {
    let site = Site::new();
    site.put(ID, b"x");
    let mut file = fs::read(site.file(ID)).unwrap();
    file[4] = 2;
    let sum = xxhash_rust::xxh3::xxh3_64(&file[..72]);
    file[72..80].copy_from_slice(&sum.to_le_bytes());
    fs::write(site.file(ID), file).unwrap();
    site.request().try_open(ID).unwrap_err()
}

fn too_large() -> Error {
    let mut site = Site::new();
    site.settings.max_size = 1024;
    site.request().write(ID, &[b'x'; 1025]).unwrap_err()
}

fn destroyed() -> Error {
    let site = Site::new();
    let mut late = site.request();
    late.open(ID);
    site.request().session.destroy(id(ID)).unwrap();
    late.write(ID, b"x").unwrap_err()
}

fn forked() -> Error {
    let site = Site::new();
    let mut request = site.request();
    request.open(ID);
    // An error does not go through a pipe; its kind is compared in the fork.
    let mut child = Child::start(|parent| {
        let error = request.session.write(id(ID), b"x", LIFETIME_S).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forked);
        parent.say(error);
    });
    Error::new(ErrorKind::Forked, child.line())
}

fn not_delivered() -> Error {
    let site = Site::new();
    let mut request = site.request();
    request.session.read(id(ID), Access::Locked).unwrap();
    request.write(ID, b"x").unwrap_err()
}

fn collision() -> Error {
    let site = Site::new();
    let mut request = site.request();
    assert!(request.session.is_free(id(ID)).unwrap());
    site.put(ID, b"x");
    request.try_open(ID).unwrap_err()
}

/// A server that has no memory for a lock.
fn node() -> Error {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut answers = &stream;
        for line in BufReader::new(&stream).lines().map_while(Result::ok) {
            let number = line.split(' ').find(|word| word.starts_with('O'));
            let answer = match &*line {
                "stats settings" => "VERSION 1.6.18\r\nMN\r\nEND\r\n".into(),
                line if line.starts_with("ms sc:l:") => "SERVER_ERROR out of memory\r\n".into(),
                line if line.starts_with("mg ") => format!("EN {}\r\n", number.unwrap()),
                _ => String::new(),
            };
            // An error says that the client has left.
            let _ = answers.write_all(answer.as_bytes());
        }
    });
    let error = read_from(&socket);
    server.join().unwrap();
    error
}

fn no_node() -> Error {
    read_from(Path::new("/nowhere/socket"))
}

fn read_from(socket: &Path) -> Error {
    let path = format!("memcached+unix://{}", socket.display());
    let path = SavePath::parse(path.as_bytes()).unwrap();
    let (settings, counters) = (Settings::default(), Box::leak(Box::default()));
    let store = session::Store::open(path, &settings, counters).unwrap();
    let mut session = Session::new(Rc::new(store), settings, counters);
    session.read(id(ID), Access::Locked).map(|_| ()).unwrap_err()
}

fn lease_lost() -> Error {
    let site = PoolSite::start(1).expect("a memcached");
    site.put(ID, b"x");
    let mut request = site.request();
    request.open(ID);
    site.raw(0).delete(&record_key(ID));
    request.write(ID, b"x").unwrap_err()
}

/// The directory is moved away while the session is held: the file is written, and its path is
/// gone.
fn indeterminate() -> Error {
    let site = Site::new();
    let settings = Settings { sync: true, ..site.settings.clone() };
    let mut request = site.request_with(settings);
    request.open(ID);
    let directory = site.store().directory().to_owned();
    std::fs::rename(&directory, directory.with_extension("moved")).unwrap();
    request.write(ID, b"x").unwrap_err()
}

fn internal() -> Error {
    sessclust_engine::error::catch::<()>(|| panic!("no way")).unwrap_err()
}

fn io() -> Error {
    let site = Site::new();
    fs::write(site.file(ID).parent().unwrap(), "a file in place of a directory").unwrap();
    site.request().try_open(ID).unwrap_err()
}
