//! What tests of Redis start: servers with passwords, replicas and TLS, sentinels, clusters. All do
//! what tests rely on.

mod support;

use std::process::Command;
use support::certificates::Certificates;
use support::pool::{PoolSite, lock_key, record_key};
use support::redis::{Redis, Reply};
use support::redis_cluster::RedisCluster;
use support::sentinels::Sentinels;

#[test]
fn the_tests_get_in_where_others_need_a_password() {
    let options = ["--requirepass", "secret", "--user", "shop", "on", ">word", "~sc:*", "+@all"];
    let Some(server) = Redis::start_tcp(&options) else { return };
    let mut client = server.client();
    client.call(&["SET", "a", "\r\n1"]).ok();
    assert_eq!(client.call(&["GET", "a"]), Reply::Text(b"\r\n1".to_vec()));
    client.call(&["AUTH", "shop", "word"]).ok();
    let refused = client.call(&["GET", "a"]).to_string();
    assert!(refused.starts_with("NOPERM "), "{refused}");
    client.call(&["AUTH", "secret"]).ok();
    let refused = client.call(&["AUTH", "guess"]).to_string();
    assert!(refused.starts_with("WRONGPASS "), "{refused}");
}

#[test]
fn a_server_that_was_restarted_is_empty_and_where_it_was() {
    let Some(mut server) = Redis::start_tcp(&[]) else { return };
    assert_eq!(server.cli(&["SET", "a", "1"]), "OK");
    let (name, url) = (server.name(), server.url());
    server.restart();
    assert_eq!(server.cli(&["GET", "a"]), "");
    assert_eq!((server.name(), server.url()), (name, url));
    server.kill();
    assert!(!server.listens());
}

#[test]
fn a_replica_has_what_its_primary_has_and_takes_nothing_else() {
    let Some(primary) = Redis::start_tcp(&[]) else { return };
    assert_eq!(primary.cli(&["SET", "a", "1"]), "OK");
    let Some(replica) = primary.start_replica(&[]) else { return };
    assert_eq!(replica.cli(&["GET", "a"]), "1");
    let mut client = primary.client();
    client.call(&["SET", "a", "2"]).ok();
    assert_eq!(client.call(&["WAIT", "1", "0"]), Reply::Number(1));
    assert_eq!(replica.cli(&["GET", "a"]), "2");
    assert!(replica.cli(&["SET", "a", "3"]).starts_with("READONLY "));
}

/// What redis-cli says to `PING` over TLS, or why not.
fn ping(server: &Redis, certificates: &Certificates, options: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command.args(["--tls", "-h", "localhost", "-p", &server.port().to_string(), "--cacert"]);
    command.arg(certificates.file("ca.pem")).args(options).arg("PING");
    let output = command.output().expect("redis-cli");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
}

#[test]
fn a_server_shows_its_certificate_and_asks_for_one() {
    let Some(certificates) = Certificates::make() else { return };
    let Some(server) = Redis::start_tls(&certificates, &[]) else { return };
    assert_eq!(ping(&server, &certificates, &[]), "PONG");
    let Some(other) = Certificates::make() else { return };
    let refused = ping(&server, &other, &[]);
    assert!(refused.contains("certificate verify failed"), "{refused}");

    let asks = ["--tls-auth-clients", "yes"];
    let Some(server) = Redis::start_tls(&certificates, &asks) else { return };
    assert_ne!(ping(&server, &certificates, &[]), "PONG");
    let [client, key] = ["client.pem", "client.key"].map(|name| certificates.file(name));
    let shown = ["--cert", client.to_str().unwrap(), "--key", key.to_str().unwrap()];
    assert_eq!(ping(&server, &certificates, &shown), "PONG");
}

#[test]
fn a_certificate_can_be_one_of_yesterday() {
    let Some(certificates) = Certificates::make_for("DNS:localhost", -1) else { return };
    let mut verify = Command::new("openssl");
    verify
        .arg("verify")
        .arg("-CAfile")
        .args(["ca.pem", "server.pem"].map(|name| certificates.file(name)));
    let said = String::from_utf8(verify.output().unwrap().stderr).unwrap();
    assert!(said.contains("certificate has expired"), "{said}");
}

/// Keys with their braces and values with what stands before them are the node's business.
#[test]
fn what_is_done_behind_the_back_of_a_pool_is_the_same_on_redis() {
    let Some(site) = PoolSite::start_redis(1) else { return };
    let id = site.id();
    let mut raw = site.raw(0);
    assert_eq!((raw.get(&record_key(&id)), raw.left_s(&record_key(&id))), (None, None));
    raw.put(&record_key(&id), b"data", 1000);
    assert_eq!(raw.get(&record_key(&id)).unwrap(), b"data");
    assert!((990..=1000).contains(&raw.left_s(&record_key(&id)).unwrap()));
    let cas = raw.cas(&record_key(&id));
    raw.put(&record_key(&id), b"data", 0);
    assert_ne!(raw.cas(&record_key(&id)), cas);
    assert_eq!(raw.left_s(&record_key(&id)), Some(-1));
    raw.delete(&record_key(&id));
    assert!(!raw.take(&record_key(&id)));
    raw.put(&lock_key(&id), b"1 0 0 1 1 1 elsewhere /script.php", 60);
    assert!(site.holder(&id).is_some());
}

#[test]
fn sentinels_make_another_server_the_primary() {
    let Some(mut site) = Sentinels::start() else { return };
    let first = site.primary();
    assert_eq!(first, 0);
    assert_eq!(site.servers[first].cli(&["SET", "a", "1"]), "OK");
    let second = site.failover();
    assert_ne!(second, first);
    assert_eq!(site.servers[second].cli(&["SET", "a", "2"]), "OK");
    let third = site.kill_primary();
    assert_ne!(third, second);
    assert_eq!(site.servers[third].cli(&["SET", "a", "3"]), "OK");
}

#[test]
fn a_slot_moves_in_steps() {
    let Some(cluster) = RedisCluster::start() else { return };
    let [one, other] = ["{shop}1", "{shop}2"];
    let slot = cluster.slot(one);
    let from = cluster.primary_of(slot).unwrap();
    let to = (from + 1) % 3;
    let said = |node: usize, command: &[&str]| cluster.nodes[node].cli(command);
    assert_eq!(said(from, &["MSET", one, "1", other, "2"]), "OK");
    assert!(said(to, &["GET", one]).starts_with(&format!("MOVED {slot} 127.0.0.1:")));

    let step = cluster.begin_move(slot, to);
    assert_eq!(said(from, &["MGET", one, other]), "1\n2");
    step.take(&[one.to_owned()]);
    assert_eq!(step.keys(), [other]);
    assert!(said(from, &["GET", one]).starts_with(&format!("ASK {slot} 127.0.0.1:")));
    assert!(said(from, &["MGET", one, other]).starts_with("TRYAGAIN "));
    step.take_all();
    step.end();
    assert!(said(from, &["GET", one]).starts_with(&format!("MOVED {slot} 127.0.0.1:")));
    assert_eq!(said(to, &["MGET", one, other]), "1\n2");
}

#[test]
fn a_replica_of_a_cluster_takes_over() {
    let Some(mut cluster) = RedisCluster::start() else { return };
    let slot = cluster.slot("a");
    let old = cluster.primary_of(slot).unwrap();
    let mut client = cluster.nodes[old].client();
    client.call(&["SET", "a", "1"]).ok();
    assert_eq!(client.call(&["WAIT", "1", "0"]), Reply::Number(1));
    let new = cluster.kill_primary_of(slot);
    assert_eq!(new, old + 3);
    assert_eq!(cluster.nodes[new].cli(&["GET", "a"]), "1");
    // Back again, it is the other's replica.
    cluster.nodes[old].restart();
    cluster.nodes[old].wait_for_link();
    cluster.move_slot(slot, (old + 1) % 3);
    assert_eq!(cluster.primary_of(slot), Some((old + 1) % 3));
}
