//! Any bytes as session.save_path.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use sessclust_engine::ErrorKind;
use sessclust_engine::config::save_path::SavePath;
use sessclust_engine::limits::DIRECTORY_BYTES_MAX;
use std::os::unix::ffi::OsStrExt;

const SECRET: &str = "hunter2";

fuzz_target!(init: support::plant(seeds()), |text: &[u8]| {
    match SavePath::parse(text) {
        Ok(SavePath { local_base: None }) => assert!(text.is_empty()),
        Ok(SavePath { local_base: Some(base) }) => check_directory(base.as_os_str().as_bytes()),
        Err(error) => check_error(&error, text.len()),
    }
    // People put passwords into save paths, anywhere in them.
    if !text.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
        let (before, after) = text.split_at(text.len() / 2);
        for secret in [[text, SECRET.as_bytes(), b""], [before, SECRET.as_bytes(), after]] {
            if let Err(error) = SavePath::parse(&secret.concat()) {
                assert!(!error.to_string().contains(SECRET), "{error}");
            }
        }
    }
});

fn check_directory(directory: &[u8]) {
    assert!(directory.starts_with(b"/"));
    assert!(!directory.contains(&0));
    assert!(directory.len() <= DIRECTORY_BYTES_MAX);
    assert!(!directory.split(|byte| *byte == b'/').any(|part| part == b"." || part == b".."));
    // Any directory can be written as a URL.
    let url = directory.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let parsed = SavePath::parse(format!("local://{url}").as_bytes()).expect("a directory");
    assert_eq!(parsed.local_base.expect("a directory").as_os_str().as_bytes(), directory);
}

fn check_error(error: &sessclust_engine::Error, length: usize) {
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    support::assert_is_printable(&text);
    let rest = text.strip_prefix("session.save_path, position ").expect("the position");
    let (position, _) = rest.split_once(": ").expect("what is wrong there");
    assert!(position.parse::<usize>().expect("a number") <= length);
}

fn seeds() -> Vec<Vec<u8>> {
    [
        "",
        "/var/lib/php/sessions",
        "/run/memcached.sock:0",
        "local:///srv/a%20b%2Cc",
        "local:///a?x=1",
        "local:///a/../b",
        "local://srv",
        "2;0600;/tmp",
        "10.0.0.1:11211,10.0.0.2:11211",
        "memcached://a:11211",
        "memcached+unix:///run/m.sock",
        "redis+sentinel://h:26379/m",
        "tcp://10.0.0.1:6379?auth=x",
        "http://x",
        "relative",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
