//! The program as an operator calls it, with real servers of either service.

#[path = "../../engine/tests/support/mod.rs"]
mod support;

use sessclust_engine::cluster::record::{Record, Stamp};
use sessclust_engine::cluster::{Cluster, ring_of};
use sessclust_engine::config::Settings;
use sessclust_engine::config::save_path::{NodeAddress, SavePath};
use sessclust_engine::machine::Board;
use sessclust_engine::session::{Session, Store};
use sessclust_engine::stats::Counters;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::pool::{Raw, Server, Service, lock_key, record_key};
use support::redis_cluster::RedisCluster;
use support::sentinels::Sentinels;
use support::{LIFETIME_S, PATIENCE, Request, digest, id};
use tempfile::TempDir;

on_each_service! {
    a_rolling_restart_with_a_repair_after_each_loses_no_idle_session,
    nodes_are_noted_as_whole_by_a_repair_of_all_sessions_that_all_took_part_in,
    a_repair_leaves_each_session_the_life_that_it_has,
    a_repair_goes_on_without_a_dead_node_and_names_it,
    damaged_and_foreign_items_are_no_reason_to_stop,
    a_session_is_located_without_a_word_of_its_data,
    what_a_web_server_wrote_is_whole_and_its_destruction_too,
    a_drained_node_is_known_to_this_machine_and_gets_no_copies,
}

/// Three servers, and a machine of their operator.
struct Site {
    service: Service,
    servers: Vec<Server>,
    machine: TempDir,
}

/// What the program has said. Nodes are named A, B, C here, in the order of the save path.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Site {
    #[track_caller]
    fn start() -> Option<Self> {
        Self::start_on(Service::Memcached)
    }

    #[track_caller]
    fn start_on(service: Service) -> Option<Self> {
        Self::start_with(service, &[])
    }

    #[track_caller]
    fn start_with(service: Service, options: &[&str]) -> Option<Self> {
        let servers = (0..3).map(|_| Server::start(service, options)).collect::<Option<_>>()?;
        let machine = tempfile::tempdir().expect("a temporary folder");
        Some(Self { service, servers, machine })
    }

    fn save_path(&self) -> String {
        let scheme = self.service.scheme();
        let node = |server: &Server| format!("{scheme}+unix://{}", server.socket().display());
        let nodes = self.servers.iter().map(node);
        nodes.collect::<Vec<_>>().join(",")
    }

    fn addresses(&self) -> Vec<NodeAddress> {
        match SavePath::parse(self.save_path().as_bytes()).expect("a save path") {
            SavePath::Pool(nodes) => nodes,
            SavePath::Local(_) => unreachable!("it is a pool"),
        }
    }

    fn raw(&self, node: usize) -> Raw {
        self.servers[node].raw()
    }

    /// The nodes in the order in which they are to keep a session.
    fn list(&self, text: &str) -> Vec<usize> {
        let ring = ring_of(Settings::default().ring, &self.addresses()).expect("a ring");
        ring.preference(ring.position(&digest(text).to_hex())).collect()
    }

    /// The program with this pool.
    fn ctl(&self, arguments: &[&str]) -> Said {
        let save_path = self.save_path();
        self.bare(&[&["--save-path", &save_path], arguments].concat(), "")
    }

    /// The program with these arguments and this input alone.
    fn bare(&self, arguments: &[&str], input: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sessclustctl"))
            .arg("--shared-memory")
            .arg(self.machine.path())
            .args(["--connect-timeout", "1m", "--request-timeout", "1m"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it was built");
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes| {
            let mut text = String::from_utf8(bytes).expect("UTF-8");
            for (server, name) in self.servers.iter().zip(["A", "B", "C"]) {
                let socket = server.socket();
                let socket = socket.to_str().expect("UTF-8");
                // With as many spaces behind it as its column has.
                let padding = " ".repeat(socket.len() - name.len());
                text = text.replace(&format!("{socket} "), &format!("{name}{padding} "));
                text = text.replace(socket, name);
            }
            text
        };
        let code = output.status.code().expect("it was not killed");
        Said { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// The sessions of a web server with two copies of each.
    fn request(&self) -> Request {
        let counters: &'static Counters = Box::leak(Box::default());
        let settings = Settings {
            replicas: 2,
            connect_timeout: PATIENCE,
            request_timeout: Duration::from_secs(10),
            lock_lease: Duration::from_secs(60),
            ..Settings::default()
        };
        let path = SavePath::parse(self.save_path().as_bytes()).expect("a save path");
        let store = Store::open(path, &settings, counters).expect("a pool");
        let mut session = Session::new(Rc::new(store), settings, counters);
        session.set_lifetime(LIFETIME_S);
        session.set_script(b"/srv/www/shop.php");
        Request { session, counters }
    }
}

impl Said {
    /// Its output with every run of spaces as one.
    fn words(&self) -> String {
        let lines =
            self.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.map(|line| line + "\n").collect()
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A copy of a session.
fn copy(text: &str, version: u64, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let record = Record::new(Stamp { version, writer: 9 }, LIFETIME_S, now_s());
    record.encode(&digest(text), data, &mut bytes);
    bytes
}

fn summary(counts: [u64; 7]) -> String {
    let [seen, whole, repaired, skipped, failed, written, damaged] = counts;
    format!(
        "sessions seen: {seen}\n  already whole: {whole}\n  repaired: {repaired}\n  skipped, for \
         they ended or changed meanwhile: {skipped}\n  failed: {failed}\ncopies written: \
         {written}\ncopies damaged, left alone: {damaged}\n"
    )
}

/// What the tool is for: each node is restarted, which loses all that it has, and nobody uses a
/// session meanwhile. Nothing is lost, and no session lives longer for it.
fn a_rolling_restart_with_a_repair_after_each_loses_no_idle_session(service: Service) {
    const SESSIONS: usize = 300;
    let Some(mut site) = Site::start_on(service) else { return };
    let sessions: Vec<String> = (0..SESSIONS).map(|number| format!("idle-{number}")).collect();
    let mut request = site.request();
    for shop in &sessions {
        request.open(shop);
        request.write(shop, shop.as_bytes()).expect("a write");
        request.close();
    }
    // One was destroyed; it stays so.
    let gone = "gone";
    request.open(gone);
    request.write(gone, b"secret").expect("a write");
    request.session.destroy(id(gone)).expect("a destroy");
    request.close();
    for (node, name) in ["A", "B", "C"].into_iter().enumerate() {
        site.servers[node].restart();
        let said = site.ctl(&["repair", "--rate", "1000000"]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        let all = [sessions.as_slice(), &[gone.into()]].concat();
        let restored = all.iter().filter(|shop| site.list(shop)[..2].contains(&node)).count();
        let (seen, restored) = (all.len() as u64, restored as u64);
        let counts = [seen, seen - restored, restored, 0, 0, restored, 0];
        assert_eq!(said.out, summary(counts), "after {name}");
    }
    let mut request = site.request();
    for shop in &sessions {
        assert_eq!(request.open(shop), shop.as_bytes());
        request.close();
    }
    assert_eq!(request.open(gone), b"");
}

fn nodes_are_noted_as_whole_by_a_repair_of_all_sessions_that_all_took_part_in(service: Service) {
    let Some(mut site) = Site::start_on(service) else { return };
    let whole = |site: &Site, nodes: &[usize]| -> Vec<bool> {
        let mark = |node: &usize| site.raw(*node).get("sc:birth").unwrap_or_default();
        nodes.iter().map(|node| mark(node).ends_with(b" whole")).collect()
    };
    site.ctl(&["repair", "--dry-run"]);
    let first = site.addresses()[0].to_string();
    site.ctl(&["repair", &first]);
    assert_eq!(whole(&site, &[0, 1, 2]), [false; 3]);
    site.servers[0].kill();
    site.ctl(&["repair"]);
    assert_eq!(whole(&site, &[1, 2]), [false; 2]);
    site.servers[0].restart();
    for _ in 0..2 {
        assert_eq!(site.ctl(&["repair"]).code, 0);
        assert_eq!(whole(&site, &[0, 1, 2]), [true; 3]);
    }
    let mark = site.raw(0).get("sc:birth").expect("a mark");
    assert_eq!(mark.iter().filter(|byte| **byte == b' ').count(), 2, "noted once");
}

fn a_repair_leaves_each_session_the_life_that_it_has(service: Service) {
    let Some(mut site) = Site::start_on(service) else { return };
    let list = site.list("shop");
    let bytes = copy("shop", 7, b"n|i:1;");
    for node in &list[..2] {
        site.raw(*node).put(&record_key("shop"), &bytes, 300);
    }
    for node in 0..3 {
        site.servers[node].restart();
        assert_eq!(site.ctl(&["repair"]).code, 0);
    }
    for node in &list[..2] {
        let left_s = site.raw(*node).left_s(&record_key("shop")).expect("a copy");
        assert!((200..=300).contains(&left_s), "{left_s}");
        assert_eq!(site.raw(*node).get(&record_key("shop")), Some(bytes.clone()));
    }
}

fn a_repair_goes_on_without_a_dead_node_and_names_it(service: Service) {
    let Some(mut site) = Site::start_on(service) else { return };
    for number in 0..20 {
        let shop = format!("shop-{number}");
        let primary = site.list(&shop)[0];
        site.raw(primary).put(&record_key(&shop), &copy(&shop, 7, b"n|i:1;"), LIFETIME_S);
    }
    let on_c = (0..20).filter(|number| site.list(&format!("shop-{number}"))[0] == 2).count() as u64;
    assert!((1..19).contains(&on_c), "{on_c}");
    site.servers[2].kill();
    let said = site.ctl(&["repair", "--dry-run"]);
    let left = 20 - on_c;
    let counts = summary([left, 0, left, 0, 0, left, 0]);
    let counts = counts.replace("repaired", "to be repaired");
    assert_eq!(said.out, counts.replace("copies written", "copies to be written"));
    let said = site.ctl(&["repair"]);
    assert_eq!((said.code, said.out), (1, summary([left, 0, left, 0, 0, left, 0])));
    let refused = "cannot connect to C: Connection refused (os error 111)";
    let expected = format!("sessclustctl: the sessions are not listed: {refused}\n");
    assert_eq!(said.err, expected);
    // The sessions of one node alone, which needs the dead one as little.
    let said = site.ctl(&["repair", &site.addresses()[0].to_string()]);
    let on_a = |number: &usize| site.raw(0).get(&record_key(&format!("shop-{number}"))).is_some();
    let on_a = (0..20).filter(on_a).count() as u64;
    assert_eq!((said.code, said.out), (0, summary([on_a, on_a, 0, 0, 0, 0, 0])), "{}", said.err);
}

#[test]
fn a_repair_is_not_faster_than_its_rate() {
    const SESSIONS: u32 = 20;
    let Some(site) = Site::start() else { return };
    for number in 0..SESSIONS {
        let shop = format!("shop-{number}");
        site.raw(0).put(&record_key(&shop), &copy(&shop, 7, b"n|i:1;"), LIFETIME_S);
    }
    let started = Instant::now();
    assert_eq!(site.ctl(&["repair", "--rate", "50"]).code, 0);
    // The first one does not wait, and a little delay is made up for.
    let fastest = Duration::from_secs(1) / 50 * (SESSIONS - 4);
    assert!(started.elapsed() >= fastest, "{:?}", started.elapsed());
}

fn damaged_and_foreign_items_are_no_reason_to_stop(service: Service) {
    let Some(site) = Site::start_on(service) else { return };
    let list = site.list("shop");
    site.raw(list[0]).put(&record_key("shop"), b"damaged", 0);
    site.raw(list[1]).put(&record_key("shop"), &copy("shop", 7, b"n|i:1;"), LIFETIME_S);
    site.raw(list[1]).put("sc:r:short", b"x", 0);
    site.raw(list[1]).put("other", b"x", 0);
    site.raw(list[1]).put(&lock_key("shop"), b"x", 0);
    let said = site.ctl(&["repair"]);
    assert_eq!((said.code, said.out), (1, summary([1, 0, 0, 0, 1, 0, 1])));
    assert_eq!(site.raw(list[0]).get(&record_key("shop")), Some(b"damaged".to_vec()));
}

/// What a session has left is known to the part of a second on a Redis, and rounded up when it is
/// stored: a repair after the other must not keep alive what nobody uses.
#[test]
fn no_number_of_repairs_lets_a_session_live_longer_on_redis() {
    const LIFE_S: u64 = 300;
    const REPAIRS: u64 = 20;
    let Some(site) = Site::start_on(Service::Redis) else { return };
    let list = site.list("shop");
    for node in &list[..2] {
        site.raw(*node).put(&record_key("shop"), &copy("shop", 7, b"n|i:1;"), LIFE_S);
    }
    let started = Instant::now();
    for repair in 0..REPAIRS {
        let node = list[repair as usize % 2];
        site.raw(node).delete(&record_key("shop"));
        assert_eq!(site.ctl(&["repair"]).code, 0);
    }
    let left = |node: &usize| site.raw(*node).left_s(&record_key("shop")).expect("a copy") as u64;
    let longest = list[..2].iter().map(left).max().expect("two");
    assert!(longest + started.elapsed().as_secs() <= LIFE_S + 1, "{longest}");
}

#[test]
fn redis_servers_are_shown_as_they_are() {
    let options = ["--maxmemory", "64mb", "--maxmemory-policy", "volatile-lru"];
    let Some(mut site) = Site::start_with(Service::Redis, &options) else { return };
    site.raw(0).put("some", b"thing", 0);
    let Server::Redis(second) = &site.servers[1] else { unreachable!("it is a Redis") };
    second.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    site.servers[2].kill();
    let said = site.ctl(&["nodes"]);
    let words = said.words();
    let lines: Vec<&str> = words.lines().collect();
    let head = "NODE STATE MACHINE VERSION ITEMS BYTES LIMIT EVICTIONS UPTIME LATENCY ROLE POLICY";
    assert_eq!(lines[0], head);
    let is_shown =
        lines[1].starts_with("A up up Redis ") || lines[1].starts_with("A up up Valkey ");
    assert!(is_shown && lines[1].contains(" 64M 0 "), "{}", lines[1]);
    assert!(lines[1].ends_with(" ms primary volatile-lru"), "{}", lines[1]);
    assert!(lines[2].ends_with(" ms replica volatile-lru"), "{}", lines[2]);
    assert_eq!(lines[3], "C down up - - - - - - - - -");
    let reasons = [
        "",
        "node B is a replica, which takes no sessions: name the primary",
        "cannot connect to C: Connection refused (os error 111)",
    ];
    assert_eq!(lines[4..], reasons);
    assert_eq!((said.code, said.err.as_str()), (1, ""));

    let said = site.ctl(&["nodes", "--json"]);
    let nodes: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((&nodes[0]["items"], &nodes[0]["bytes_max"]), (&1.into(), &(64 << 20).into()));
    assert!(nodes[0]["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{nodes}");
    assert_eq!((&nodes[0]["role"], &nodes[1]["role"]), (&"primary".into(), &"replica".into()));
    assert_eq!(nodes[0]["policy"], "volatile-lru");
}

#[test]
fn nodes_are_shown_as_they_are() {
    let Some(mut site) = Site::start() else { return };
    site.raw(0).put("some", b"thing", 0);
    site.servers[2].kill();
    let said = site.ctl(&["nodes"]);
    let words = said.words();
    let lines: Vec<&str> = words.lines().collect();
    let head = "NODE STATE MACHINE VERSION ITEMS BYTES LIMIT EVICTIONS UPTIME LATENCY";
    assert_eq!(lines[0], head);
    assert!(lines[1].starts_with("A up up 1.") && lines[1].ends_with(" ms"), "{}", lines[1]);
    assert!(lines[1].contains(" 64M 0 "), "{}", lines[1]);
    assert_eq!(lines[3], "C down up - - - - - - -");
    assert_eq!(lines[4..], ["", "cannot connect to C: Connection refused (os error 111)"]);
    assert_eq!((said.code, said.err.as_str()), (1, ""));

    let said = site.ctl(&["nodes", "--json"]);
    let nodes: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(nodes[0]["node"], "A");
    assert_eq!((&nodes[0]["state"], &nodes[0]["items"]), (&"up".into(), &1.into()));
    assert_eq!(nodes[0]["bytes_max"], 64 << 20);
    assert!(nodes[0]["latency_us"].as_u64().is_some(), "{nodes}");
    assert_eq!(nodes[2]["state"], "down");
    assert_eq!(nodes[2]["error"], "cannot connect to C: Connection refused (os error 111)");
    assert_eq!(said.code, 1);
}

fn a_session_is_located_without_a_word_of_its_data(service: Service) {
    let Some(site) = Site::start_on(service) else { return };
    let list = site.list("shop");
    let names = |place: usize| ["A", "B", "C"][list[place]];
    let hex = String::from_utf8(digest("shop").to_hex().to_vec()).expect("ASCII");
    let head = "NODE SET COPY VERSION WRITER LIFETIME LEFT BYTES";

    let said = site.ctl(&["locate", "shop"]);
    let (a, b, c) = (names(0), names(1), names(2));
    let expected = format!(
        "digest {hex}\n\n{head}\n{a} yes missing\n{b} yes missing\n{c} - missing\n\nlock: free\n\
         state: there is no copy of this session\n"
    );
    assert_eq!((said.code, said.words()), (1, expected));

    site.raw(list[0]).put(&record_key("shop"), &copy("shop", 1_700_000_000_000_000, b"secret"), 0);
    site.raw(list[1]).put(&record_key("shop"), &copy("shop", 7, b"secrets"), 0);
    let since_s = now_s() - 1_000_000;
    let lock = format!("1 {:032x} {since_s} 0000000000000007 4242 99 web-2 /srv/a b.php", 42);
    site.raw(list[0]).put(&lock_key("shop"), lock.as_bytes(), 60);
    site.raw(list[1]).put(&lock_key("shop"), lock.as_bytes(), 60);
    let said = site.ctl(&["locate", "--digest", &hex]);
    let (before, after) = said
        .words()
        .split_once("(/srv/a b.php, for 10000")
        .map(|(before, after)| (before.to_owned(), after.to_owned()))
        .expect("the holder");
    let expected = format!(
        "digest {hex}\n\n{head}\n{a} yes newest 1700000000000000 0000000000000009 24m 0s no end 6\n\
         {b} yes older 7 0000000000000009 24m 0s no end 7\n{c} - missing\n\nlock: held by process \
         4242 on web-2 "
    );
    assert_eq!(before, expected);
    let expected = format!(
        " s), on {a}, {b}\nstate: 1 node of its set has not the newest copy, sessclustctl repair \
         stores it there\n"
    );
    assert_eq!(after.trim_start_matches(|c: char| c.is_ascii_digit()), expected);
    assert!(said.code == 1 && !said.out.contains("secret"), "{said:?}");

    assert_eq!(site.ctl(&["repair"]).code, 0);
    // The id from the input, which no list of processes shows.
    let save_path = site.save_path();
    let said = site.bare(&[&save_path, "locate", "-"], "shop\n");
    assert!(said.words().ends_with("state: whole, 2 copies\n"), "{said:?}");
    assert_eq!(said.code, 0);
}

fn what_a_web_server_wrote_is_whole_and_its_destruction_too(service: Service) {
    let Some(site) = Site::start_on(service) else { return };
    let mut request = site.request();
    request.open("shop");
    let said = site.ctl(&["locate", "shop"]);
    assert!(said.out.contains("(/srv/www/shop.php, for "), "{said:?}");
    request.write("shop", b"secret").expect("a write");
    let said = site.ctl(&["locate", "shop"]);
    assert!(said.out.ends_with("state: whole, 2 copies\n") && said.code == 0, "{said:?}");
    request.session.destroy(id("shop")).expect("a destroy");
    request.close();
    let said = site.ctl(&["locate", "shop"]);
    assert_eq!(said.out.matches("newest, destroyed").count(), 2, "{said:?}");
    assert!(!said.out.contains("secret"), "{said:?}");
}

fn a_drained_node_is_known_to_this_machine_and_gets_no_copies(service: Service) {
    let Some(site) = Site::start_on(service) else { return };
    let list = site.list("shop");
    for node in &list[..2] {
        site.raw(*node).put(&record_key("shop"), &copy("shop", 7, b"n|i:1;"), LIFETIME_S);
    }
    let name = site.addresses()[list[0]].to_string();
    let said = site.ctl(&["drain", &name]);
    let letter = ["A", "B", "C"][list[0]];
    let expected = format!(
        "{letter} is drained on this machine; do the same on every web server, then run \
         sessclustctl repair\n"
    );
    assert_eq!((said.code, said.words(), said.err.as_str()), (0, expected, ""));
    let board = Board::open_in(site.machine.path(), &Cluster::names(&site.addresses()));
    assert!(board.is_drained(list[0]) && !board.is_drained(list[1]));
    assert!(site.ctl(&["nodes"]).words().contains(&format!("{letter} up drained ")));

    let said = site.ctl(&["repair"]);
    assert_eq!((said.code, said.out), (0, summary([1, 0, 1, 0, 0, 1, 0])));
    assert!(site.raw(list[2]).get(&record_key("shop")).is_some());

    assert_eq!(site.ctl(&["undrain", &name]).code, 0);
    assert!(!board.is_drained(list[0]));
}

#[test]
fn the_pool_is_read_from_php_ini() {
    let Some(site) = Site::start() else { return };
    let file = site.machine.path().join("php.ini");
    let file_name = file.to_str().expect("UTF-8");
    let write = |text: &str| fs::write(&file, text).expect("a file");
    write(&format!("session.save_path = \"{}\"\nsessclust.replicas = 3\n", site.save_path()));
    for node in 0..3 {
        site.raw(node).put(&record_key("shop"), &copy("shop", 7, b"n|i:1;"), LIFETIME_S);
    }
    let said = site.bare(&["--ini", file_name, "locate", "shop"], "");
    assert!(said.out.ends_with("state: whole, 3 copies\n"), "{said:?}");
    // The command line counts more.
    let said = site.bare(&["locate", "shop", "--ini", file_name, "--replicas", "1"], "");
    assert!(said.out.ends_with("state: whole, 1 copy\n"), "{said:?}");

    write("session.save_path = \"a:1\"\nsessclust.replicas = 9\n");
    let said = site.bare(&["--ini", file_name, "nodes"], "");
    let expected = format!(
        "sessclustctl: {file_name}: line 2: sessclust.replicas: \"9\" is not a value of it (1 to \
         5, such as 2)\n"
    );
    assert_eq!((said.code, said.err), (2, expected));
}

/// The user whom the README describes, with what it adds for this program.
#[test]
fn a_user_of_redis_needs_the_rights_that_the_readme_says() {
    let readme = include_str!("../../../README.md");
    let command = "ACL SETUSER shop on >PASSWORD ";
    let lines = readme.lines().skip_while(|line| !line.starts_with(command));
    let rules = lines.map_while(|line| line.strip_prefix("ACL SETUSER shop "));
    let rules = rules.flat_map(|line| line.split(' ')).chain(["+ping", "+dbsize", "+scan"]);
    let rules: Vec<String> = rules.map(|rule| rule.replace("PASSWORD", "hunter2")).collect();
    let Some(site) = Site::start_on(Service::Redis) else { return };
    for server in &site.servers {
        let Server::Redis(server) = server else { unreachable!("it is a Redis") };
        let mut acl = vec!["ACL", "SETUSER", "shop"];
        acl.extend(rules.iter().map(String::as_str));
        assert_eq!(server.cli(&acl), "OK");
        assert_eq!(server.cli(&["ACL", "SETUSER", "default", "off"]), "OK");
    }
    site.raw(site.list("shop")[0]).put(&record_key("shop"), &copy("shop", 7, b"n"), LIFETIME_S);
    let [ini, file] = ["php.ini", "credentials"].map(|name| site.machine.path().join(name));
    fs::write(&ini, format!("sessclust.credentials = {}\n", file.display())).expect("a file");
    fs::write(&file, "* shop hunter2\n").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let ctl = |command| site.ctl(&["--ini", ini.to_str().expect("UTF-8"), command]);
    let said = ctl("repair");
    assert_eq!((said.code, said.out), (0, summary([1, 0, 1, 0, 0, 1, 0])), "{}", said.err);
    let said = ctl("nodes");
    assert!(said.code == 0 && said.out.matches(" primary ").count() == 3, "{said:?}");
    for server in &site.servers {
        let Server::Redis(server) = server else { unreachable!("it is a Redis") };
        assert_eq!(server.cli(&["ACL", "LOG"]), "", "nothing was refused");
    }
}

/// A site without servers of its own.
fn bare_site() -> Site {
    let machine = tempfile::tempdir().expect("a temporary folder");
    Site { service: Service::Redis, servers: Vec::new(), machine }
}

/// One session at a node that is several servers, in all that the program can say of it.
fn assert_served(url: &str) -> Said {
    let site = bare_site();
    let counters: &'static Counters = Box::leak(Box::default());
    let settings = Settings { request_timeout: Duration::from_secs(10), ..Settings::default() };
    let settings = Settings { lock_lease: Duration::from_secs(60), ..settings };
    let path = SavePath::parse(url.as_bytes()).expect("a save path");
    let store = Store::open(path, &settings, counters).expect("a node");
    let mut session = Session::new(Rc::new(store), settings, counters);
    session.set_lifetime(LIFETIME_S);
    let mut request = Request { session, counters };
    request.open("shop");
    request.write("shop", b"secret").expect("a write");
    request.close();

    let said = site.bare(&[url, "locate", "shop"], "");
    assert!(said.out.ends_with("lock: free\nstate: whole, 1 copy\n"), "{said:?}");
    assert!(said.words().contains(" newest "), "{said:?}");
    // The time left is told there too.
    assert!(said.words().contains(" 24m 0s 2") && !said.out.contains("secret"), "{said:?}");
    let said = site.bare(&[url, "repair"], "");
    let expected = " keeps its copies of each session itself: there is nothing to repair\n";
    assert!(said.code == 0 && said.out.ends_with(expected), "{said:?}");
    let said = site.bare(&[url, "nodes"], "");
    assert!(said.code == 0 && said.words().contains(" up up "), "{said:?}");
    said
}

#[test]
fn the_primary_that_sentinels_know_is_looked_at() {
    let Some(sentinels) = Sentinels::start() else { return };
    let said = assert_served(&sentinels.url());
    assert!(said.words().contains(" ms primary noeviction\n"), "{said:?}");
}

#[test]
fn a_cluster_is_looked_at() {
    let Some(cluster) = RedisCluster::start() else { return };
    assert_served(&cluster.url());
}

#[test]
fn credentials_are_read_for_the_pool() {
    let site = bare_site();
    let file = site.machine.path().join("php.ini");
    let text = "session.save_path = \"redis://a\"\nsessclust.credentials = /nowhere/file\n";
    fs::write(&file, text).expect("a file");
    let said = site.bare(&["--ini", file.to_str().expect("UTF-8"), "nodes"], "");
    let expected = "sessclustctl: sessclust.credentials: /nowhere/file: No such file or directory \
                    (os error 2)\n";
    assert_eq!((said.code, said.err.as_str()), (2, expected));
}

#[test]
fn a_node_is_called_as_its_sentinels_do() {
    let site = bare_site();
    let path = "redis+sentinel://a/one,redis+sentinel://a/two,redis+sentinel://b/two";
    let Ok(SavePath::Pool(nodes)) = SavePath::parse(path.as_bytes()) else {
        unreachable!("it is a pool")
    };
    let run = |command, node| site.bare(&["--save-path", path, command, node], "");
    for (name, drained) in [
        ("one", [true, false]),
        ("two", [false, true]),
        ("two@a:26379,b:26379", [false, true]),
        ("redis+sentinel://elsewhere/one", [true, false]),
    ] {
        assert_eq!(run("drain", name).code, 0, "{name}");
        let board = Board::open_in(site.machine.path(), &Cluster::names(&nodes));
        assert_eq!([0, 1].map(|node| board.is_drained(node)), drained, "{name}");
        assert_eq!(run("undrain", name).code, 0, "{name}");
    }
    // A sentinel is no node, and knows both.
    assert_eq!(run("drain", "a:26379").code, 2);
}

#[test]
fn what_cannot_be_done_is_refused_in_a_sentence() {
    let Some(site) = Site::start() else { return };
    let said = site.bare(&["nodes"], "");
    let expected = "sessclustctl: which pool? Give --save-path NODES or --ini FILE\n";
    assert_eq!((said.code, said.err.as_str(), said.out.as_str()), (2, expected, ""));
    let said = site.bare(&["/var/lib/sessions", "nodes"], "");
    let expected = "sessclustctl: this save path is an embedded store, which has no nodes\n";
    assert_eq!((said.code, said.err.as_str()), (2, expected));
    let said = site.ctl(&["drain", "D:1"]);
    let expected = "sessclustctl: D:1 is no node of this pool, which has A, B, C\n";
    assert_eq!((said.code, said.err.as_str()), (2, expected));
    let said = site.ctl(&["locate", "no id"]);
    assert!(said.code == 2 && said.err.contains("illegal characters"), "{said:?}");
    let said = site.ctl(&["locate", "--digest", "12"]);
    let expected = "sessclustctl: --digest: not 64 hexadecimal digits\n";
    assert_eq!((said.code, said.err.as_str()), (2, expected));
    assert_eq!(site.ctl(&["repair", "--rate", "0"]).code, 2);
    assert_eq!(site.ctl(&[]).code, 2);
}
