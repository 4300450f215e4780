//! Any bytes as the text of each setting.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use sessclust_engine::ErrorKind;
use sessclust_engine::config::{SETTINGS, Settings};
use std::time::Duration;

fuzz_target!(init: support::plant(seeds()), |text: &[u8]| {
    for setting in &SETTINGS {
        let mut settings = Settings::default();
        match setting.apply(&mut settings, text) {
            Ok(()) => {
                // The ranges that the README's table gives.
                assert!(settings.lock_wait <= Duration::from_secs(3600));
                assert!((1 << 10..=1 << 30).contains(&settings.max_size));
                assert!((3..=60).contains(&settings.lock_lease.as_secs()));
                assert!(settings.max_waiters <= 63);
                assert!((1..=60_000).contains(&settings.connect_timeout.as_millis()));
                assert!((10..=60_000).contains(&settings.request_timeout.as_millis()));
                assert!((100..=60_000).contains(&settings.probe_interval.as_millis()));
                assert!((1..=5).contains(&settings.replicas));
                assert!(settings.redis_wait <= 10);
                let effective = setting.effective(&settings);
                assert!(!effective.is_empty());
                // A path may be as long as the system lets it; only the others are short.
                let start = effective.get(..400).unwrap_or(&effective);
                support::assert_is_printable(start);
                // No other setting has changed.
                let default = Settings::default();
                for other in SETTINGS.iter().filter(|other| other.name != setting.name) {
                    assert_eq!(other.effective(&settings), other.effective(&default));
                }
            }
            Err(error) => {
                assert_eq!(settings, Settings::default(), "the value before stays");
                assert_eq!(error.kind(), ErrorKind::Config);
                let said = error.to_string();
                support::assert_is_printable(&said);
                let is_secret = setting.name == c"sessclust.credentials";
                assert!(!is_secret || said.contains("\"...\""), "it may be a password: {said}");
                assert!(said.starts_with(setting.name.to_str().expect("ASCII")), "{said}");
            }
        }
    }
});

fn seeds() -> Vec<Vec<u8>> {
    let defaults = SETTINGS.iter().map(|setting| setting.default.to_bytes().to_vec());
    let others = [
        "0",
        "250ms",
        "5 m",
        "1h",
        "1K",
        "512k",
        "1G",
        "1024",
        "off",
        "true",
        "",
        "delayed",
        "local",
        "ketama",
        "a:11211",
        "/a.sock",
        "memcached://[::1]?weight=2",
        "/etc/ssl/certs/redis.pem",
        "env:REDIS_CREDENTIALS",
        "* hunter2",
    ];
    defaults.chain(others.map(|text| text.as_bytes().to_vec())).collect()
}
