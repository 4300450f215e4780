//! Sessions on the primary that sentinels know, end to end: real servers and php-fpm.

mod support;

use support::{Fpm, Pool, Setup, count, sentinels::Sentinels};

/// What the old primary took and the new one has not got is lost: nothing is written meanwhile.
#[test]
fn sessions_outlive_a_failover_of_sentinels() {
    let Some(mut site) = Sentinels::start() else { return };
    let setup = Setup::with_save_path(&site.url());
    let Some(server) = Fpm::start(&setup, &[Pool::new(2)]) else { return };
    for expected in 1..=3 {
        assert_eq!(count(&server.call("increment one").value()), expected);
    }
    let primary = site.primary();
    let mut client = site.servers[primary].client();
    assert_eq!(client.call(&["WAIT", "2", "0"]).to_string(), "2");
    site.kill_primary();
    for expected in 4..=6 {
        assert_eq!(count(&server.call("increment one").value()), expected);
    }
}
