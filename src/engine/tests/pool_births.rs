//! When a session that no node has is a new one, though a node that could know it does not answer:
//! only if the others cannot have lost it.

mod support;

use sessclust_engine::ErrorKind;
use sessclust_engine::config::Settings;
use sessclust_engine::session::Access;
use std::time::{SystemTime, UNIX_EPOCH};
use support::pool::{PoolSite, Process, Service};
use support::{LIFETIME_S, id};

on_each_service! {
    nodes_that_were_started_together_have_lost_nothing_to_each_other,
    nodes_older_than_any_session_have_lost_nothing,
    sessions_that_live_longer_ask_for_older_nodes,
    what_a_node_has_lost_the_one_that_is_down_may_have,
    what_a_repair_has_noted_counts_for_connections_that_stand,
}

/// Three nodes, of which two keep each session, with birth marks that are so many seconds old; a
/// node without one has just been started.
fn site(service: Service, ages_s: [Option<u64>; 3]) -> Option<PoolSite> {
    let mut site = PoolSite::start_on(service, 3)?;
    site.settings = Settings { replicas: 2, ..site.settings };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    for (node, age_s) in ages_s.into_iter().enumerate() {
        if let Some(age_s) = age_s {
            let mark =
                format!("0123456789abcdef {}", now.as_micros() - u128::from(age_s) * 1_000_000);
            site.raw(node).put("sc:birth", mark.as_bytes(), 0);
        }
    }
    Some(site)
}

/// A process that has been connected to all nodes, the first of which does not answer any more.
fn process(site: &PoolSite) -> Process {
    let process = site.process();
    for node in 0..3 {
        let shop = site.id_on(node);
        process.put(&shop, b"x");
        site.wait_until_free(&shop);
    }
    site.nodes[0].proxy.refuse();
    site.nodes[0].proxy.cut();
    process
}

/// What becomes of requests, locked and not, that bring an id which no node has.
#[track_caller]
fn assert_new(process: &Process, shop: &str, is_new: bool) {
    for access in [Access::Locked, Access::Unlocked] {
        let mut request = process.request();
        match (request.session.read(id(shop), access), is_new) {
            (Ok(data), true) => assert_eq!(data.bytes, b""),
            (Err(error), false) => assert_eq!(error.kind(), ErrorKind::NoNode, "{error}"),
            (result, _) => panic!("{result:?}"),
        }
        request.close();
    }
}

fn nodes_that_were_started_together_have_lost_nothing_to_each_other(service: Service) {
    let Some(site) = site(service, [None, None, None]) else { return };
    let process = process(&site);
    for node in 0..3 {
        assert_new(&process, &site.id_on(node), true);
    }
    // Another process has never seen the node that is down.
    assert_new(&site.process(), &site.id_on(0), true);
}

fn nodes_older_than_any_session_have_lost_nothing(service: Service) {
    let Some(site) = site(service, [Some(1), Some(LIFETIME_S + 60), Some(LIFETIME_S + 60)]) else {
        return;
    };
    assert_new(&process(&site), &site.id_on(0), true);
}

/// Nobody has stored anything yet, so nobody but PHP knows how long sessions live.
fn sessions_that_live_longer_ask_for_older_nodes(service: Service) {
    let Some(site) = site(service, [Some(1), Some(LIFETIME_S + 60), Some(LIFETIME_S + 60)]) else {
        return;
    };
    drop(process(&site));
    let shop = site.id_on(0);
    for (lifetime_s, is_new) in [(LIFETIME_S, true), (LIFETIME_S + 600, false), (0, false)] {
        let process = site.process();
        let mut request = process.request();
        request.session.set_lifetime(lifetime_s);
        assert_eq!(request.try_open(&shop).is_ok(), is_new, "{lifetime_s} s");
    }
}

fn what_a_node_has_lost_the_one_that_is_down_may_have(service: Service) {
    for young in [1, 2] {
        // Not together: the others were started more than a minute before.
        let mut ages_s = [Some(LIFETIME_S - 60); 3];
        ages_s[young] = None;
        let Some(site) = site(service, ages_s) else { return };
        let process = process(&site);
        for node in 0..3 {
            assert_new(&process, &site.id_on(node), false);
        }
        // Where nobody knows when a node was born, it may have been just now.
        site.raw(young).put("sc:birth", b"damaged", 0);
        site.nodes[young].proxy.cut();
        assert_new(&site.process(), &site.id_on(0), false);
    }
}

fn what_a_repair_has_noted_counts_for_connections_that_stand(service: Service) {
    let old = Some(LIFETIME_S - 60);
    let Some(site) = site(service, [old, None, old]) else { return };
    let process = process(&site);
    let shop = site.id_on(0);
    assert_new(&process, &shop, false);
    let mark = site.raw(1).get("sc:birth").expect("it got one");
    site.raw(1).put("sc:birth", &[&mark, &b" whole"[..]].concat(), 0);
    assert_new(&process, &shop, true);
    site.nodes[2].proxy.refuse();
    site.nodes[2].proxy.cut();
    assert_new(&process, &shop, false);
}
