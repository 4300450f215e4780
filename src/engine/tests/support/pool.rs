//! A pool of real servers for a test, memcached or Redis, and the processes that keep sessions
//! there.
//!
//! Before each server stands a [`Proxy`], by whose address the pool knows it. [`Raw`] speaks to
//! a server behind the back of both.

use super::memcached::Memcached;
use super::proxy::{Address, Proxy};
use super::redis::{self, Redis, Reply};
use super::{LIFETIME_S, Request, id};
use sessclust_engine::Result;
use sessclust_engine::cluster::holder::Holder;
use sessclust_engine::cluster::record::Record;
use sessclust_engine::cluster::{ring_of, salt_of};
use sessclust_engine::config::Settings;
use sessclust_engine::config::save_path::{NodeAddress, SavePath};
use sessclust_engine::session::{Live, Session, Store};
use sessclust_engine::stats::{Counter, Counters};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What keeps the sessions of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Memcached,
    Redis,
}

impl Service {
    /// What a save path calls it.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Memcached => "memcached",
            Self::Redis => "redis",
        }
    }

    /// What is under this key on memcached has this one here.
    pub fn key(self, key: &str) -> String {
        match self {
            Self::Memcached => key.to_owned(),
            Self::Redis => redis_key(key),
        }
    }
}

/// One test for each service, in modules named after them, of functions that take a [`Service`].
#[macro_export]
macro_rules! on_each_service {
    ($($test:ident),+ $(,)?) => {
        $crate::on_each_service! { memcached Memcached $($test)+ }
        $crate::on_each_service! { redis Redis $($test)+ }
    };
    ($module:ident $service:ident $($test:ident)+) => {
        mod $module {
            $(#[test]
            fn $test() {
                super::$test($crate::support::pool::Service::$service);
            })+
        }
    };
}

/// Some servers, and the settings of those who use them.
pub struct PoolSite {
    pub service: Service,
    pub nodes: Vec<SiteNode>,
    pub settings: Settings,
}

/// One of them.
pub struct SiteNode {
    pub server: Server,
    pub proxy: Proxy,
    pub weight: u32,
}

/// A running server of either service.
pub enum Server {
    Memcached(Memcached),
    Redis(Redis),
}

impl Server {
    #[track_caller]
    pub fn start(service: Service, options: &[&str]) -> Option<Self> {
        match service {
            Service::Memcached => Memcached::start(options).map(Self::Memcached),
            Service::Redis => Redis::start(options).map(Self::Redis),
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        match self {
            Self::Memcached(server) => server.kill(),
            Self::Redis(server) => server.kill(),
        }
    }

    /// Kills it and starts it again on the same socket, with nothing in it.
    pub fn restart(&mut self) {
        match self {
            Self::Memcached(server) => server.restart(),
            Self::Redis(server) => server.restart(),
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        match self {
            Self::Memcached(server) => server.socket(),
            Self::Redis(server) => server.socket(),
        }
    }

    /// A connection to it that no proxy sees.
    pub fn raw(&self) -> Raw {
        match self {
            Self::Memcached(server) => Raw::of(server.connect()),
            Self::Redis(server) => Raw::Redis(server.client()),
        }
    }
}

impl PoolSite {
    /// A pool of so many memcacheds; none where there is no memcached, and the test is skipped.
    #[track_caller]
    pub fn start(nodes: usize) -> Option<Self> {
        Self::start_on(Service::Memcached, nodes)
    }

    /// The same of Redis servers.
    #[track_caller]
    pub fn start_redis(nodes: usize) -> Option<Self> {
        Self::start_on(Service::Redis, nodes)
    }

    /// The same of either.
    #[track_caller]
    pub fn start_on(service: Service, nodes: usize) -> Option<Self> {
        Self::start_behind(service, nodes, &[], Proxy::unix)
    }

    /// Memcacheds with options of theirs.
    #[track_caller]
    pub fn start_with(nodes: usize, options: &[&str]) -> Option<Self> {
        Self::start_behind(Service::Memcached, nodes, options, Proxy::unix)
    }

    /// Redis servers with options of theirs.
    #[track_caller]
    pub fn start_redis_with(nodes: usize, options: &[&str]) -> Option<Self> {
        Self::start_behind(Service::Redis, nodes, options, Proxy::unix)
    }

    /// Spoken with over TCP.
    #[track_caller]
    pub fn start_tcp(service: Service, nodes: usize) -> Option<Self> {
        Self::start_behind(service, nodes, &[], Proxy::tcp)
    }

    /// Nothing that a loaded machine does is to be taken for a node that does not answer; tests of
    /// that set a timeout of their own.
    #[track_caller]
    fn start_behind(
        service: Service,
        nodes: usize,
        options: &[&str],
        proxy: fn(Address) -> Proxy,
    ) -> Option<Self> {
        let nodes = (0..nodes).map(|_| {
            let server = Server::start(service, options)?;
            let proxy = proxy(Address::Unix(server.socket()));
            Some(SiteNode { server, proxy, weight: 1 })
        });
        let settings = Settings {
            connect_timeout: super::PATIENCE,
            request_timeout: Duration::from_secs(10),
            lock_lease: Duration::from_secs(60),
            replicas: 1,
            ..Settings::default()
        };
        Some(Self { service, nodes: nodes.collect::<Option<_>>()?, settings })
    }

    /// The proxy before the first node.
    pub fn proxy(&self) -> &Proxy {
        &self.nodes[0].proxy
    }

    /// How many requests the first node got that are about this key.
    pub fn asked_for(&self, key: &str) -> usize {
        let key = self.service.key(key);
        self.proxy().log().iter().filter(|line| line.ends_with(&key)).count()
    }

    /// The save path of a pool of some of the nodes.
    pub fn save_path(&self, nodes: &[usize]) -> String {
        let scheme = self.service.scheme();
        let node = |index: &usize| {
            let node = &self.nodes[*index];
            format!("{}?weight={}", node.proxy.address().url(scheme), node.weight)
        };
        nodes.iter().map(node).collect::<Vec<_>>().join(",")
    }

    /// The addresses of all nodes.
    pub fn addresses(&self) -> Vec<NodeAddress> {
        let path = self.save_path(&self.all());
        match SavePath::parse(path.as_bytes()).expect("a save path") {
            SavePath::Pool(nodes) => nodes,
            SavePath::Local(_) => unreachable!("{path} is no directory"),
        }
    }

    fn all(&self) -> Vec<usize> {
        (0..self.nodes.len()).collect()
    }

    /// A process with the whole pool.
    pub fn process(&self) -> Process {
        self.process_of(&self.all())
    }

    /// A process with a pool of some of the nodes.
    pub fn process_of(&self, nodes: &[usize]) -> Process {
        let counters: &'static Counters = Box::leak(Box::default());
        let path = SavePath::parse(self.save_path(nodes).as_bytes()).expect("a save path");
        let store = Store::open(path, &self.settings, counters).expect("a pool");
        Process { store: Rc::new(store), settings: self.settings.clone(), counters }
    }

    /// A request in a process of its own.
    pub fn request(&self) -> Request {
        self.process().request()
    }

    /// A request in a process of its own that does not wait for locks.
    pub fn impatient(&self) -> Request {
        self.process().impatient()
    }

    /// A request that reads and writes the session.
    pub fn put(&self, id: &str, data: &[u8]) {
        self.process().put(id, data);
    }

    /// What a request reads that takes no lock.
    pub fn get(&self, id: &str) -> Vec<u8> {
        self.request().peek(id)
    }

    /// A new session id. No two of a test program share a slot of this machine's queues, by which
    /// one of them would have none.
    pub fn id(&self) -> String {
        const SLOTS: u64 = 256;
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let slot = NEXT.fetch_add(1, Ordering::Relaxed) % SLOTS;
        let salt = self.queue_salt();
        std::iter::repeat_with(|| std::iter::repeat_with(fastrand::alphanumeric).take(32).collect())
            .find(|text: &String| (id(text).digest().short() ^ salt) % SLOTS == slot)
            .expect("endless")
    }

    /// What requests of this machine queue for when they wait for a session of the whole pool.
    pub fn queue_key(&self, text: &str) -> u64 {
        id(text).digest().short() ^ self.queue_salt()
    }

    fn queue_salt(&self) -> u64 {
        salt_of(&self.addresses())
    }

    /// Where this machine keeps sessions of the pool while no node answers.
    pub fn refuge(&self) -> PathBuf {
        let pool = format!("outage-{:016x}", salt_of(&self.addresses()));
        sessclust_engine::local::Store::directory_of(None).join(pool)
    }

    /// A new session id that belongs to this node.
    pub fn id_on(&self, node: usize) -> String {
        std::iter::repeat_with(|| self.id()).find(|id| self.primary(id) == node).expect("endless")
    }

    /// The node that a session belongs to in the whole pool.
    pub fn primary(&self, text: &str) -> usize {
        let ring = ring_of(self.settings.ring, &self.addresses()).expect("a ring");
        ring.primary(&id(text).digest().to_hex())
    }

    /// A connection to a node that no proxy sees.
    pub fn raw(&self, node: usize) -> Raw {
        self.nodes[node].server.raw()
    }

    /// The session's record on its node.
    pub fn record(&self, text: &str) -> Option<Record> {
        let bytes = self.raw(self.primary(text)).get(&record_key(text))?;
        Some(Record::decode(&bytes, &id(text).digest()).expect("a record of this session"))
    }

    /// Who has the session's lock, if somebody has.
    pub fn holder(&self, text: &str) -> Option<Holder> {
        let bytes = self.raw(self.primary(text)).get(&lock_key(text))?;
        Some(Holder::decode(&bytes).expect("a lock"))
    }

    /// Waits until the session is not locked: giving a lock back is not waited for.
    #[track_caller]
    pub fn wait_until_free(&self, text: &str) {
        super::wait_for("the lock to go", || self.holder(text).is_none());
    }

    /// Takes a session's lock away from its holder, who does not know.
    pub fn wait_and_delete_lock(&self, text: &str) {
        super::wait_for("the lock", || self.holder(text).is_some());
        self.raw(self.primary(text)).delete(&lock_key(text));
    }
}

/// A process: its connections, used by one request after the other.
pub struct Process {
    pub store: Rc<Store>,
    pub settings: Settings,
    pub counters: &'static Counters,
}

impl Process {
    /// A process with the pool of this save path.
    pub fn of(path: &str, settings: &Settings) -> Self {
        let counters: &'static Counters = Box::leak(Box::default());
        let path = SavePath::parse(path.as_bytes()).expect("a save path");
        let store = Store::open(path, settings, counters).expect("a pool");
        Self { store: Rc::new(store), settings: settings.clone(), counters }
    }

    pub fn request(&self) -> Request {
        self.request_with(&self.settings)
    }

    /// A request that does not wait for locks.
    pub fn impatient(&self) -> Request {
        self.request_with(&Settings { lock_wait: Duration::ZERO, ..self.settings.clone() })
    }

    /// A request with settings of its own.
    pub fn request_with(&self, settings: &Settings) -> Request {
        let mut session = Session::new(Rc::clone(&self.store), settings.clone(), self.counters);
        session.set_lifetime(LIFETIME_S);
        session.set_script(b"/srv/www/shop.php");
        Request { session, counters: self.counters }
    }

    /// A request that reads and writes the session.
    #[track_caller]
    pub fn put(&self, id: &str, data: &[u8]) {
        let mut request = self.request();
        request.open(id);
        request.write(id, data).expect("a write");
        request.close();
    }

    pub fn count(&self, counter: Counter) -> u64 {
        self.counters.get(counter)
    }

    /// Its connections, which it has used.
    pub fn live(&self) -> Arc<Live> {
        match &*self.store {
            Store::Pool(pool) => pool.live().expect("it was used"),
            Store::Local(_) => unreachable!("it is a pool"),
        }
    }
}

impl Request {
    /// Opens a session whose id was just drawn.
    pub fn open_fresh(&mut self, text: &str) -> Result<Vec<u8>> {
        assert!(self.session.is_free(id(text))?);
        self.try_open(text)
    }
}

/// The key of a session's record.
pub fn record_key(text: &str) -> String {
    format!("sc:r:{}", hex(text))
}

/// The key of a session's lock.
pub fn lock_key(text: &str) -> String {
    format!("sc:l:{}", hex(text))
}

fn hex(text: &str) -> String {
    String::from_utf8(id(text).digest().to_hex().to_vec()).expect("hex is ASCII")
}

/// Somebody else who uses a server.
///
/// On Redis the braces of our keys and the 8 bytes before our values, which say what a CAS says on
/// memcached, are added and taken away here, so that tests need not know of them.
pub enum Raw {
    Memcached(BufReader<UnixStream>),
    Redis(redis::Client),
}

impl Raw {
    /// One who speaks memcached's protocol.
    pub fn of(stream: UnixStream) -> Self {
        Self::Memcached(BufReader::new(stream))
    }

    /// The first line of memcached's reply to a command.
    pub fn ask(&mut self, command: &str) -> String {
        self.ask_with(command.as_bytes())
    }

    /// The value of an item.
    pub fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        if let Self::Redis(client) = self {
            return stored(client, key).map(|(_, value)| value);
        }
        let reply = self.ask(&format!("mg {key} v\r\n"));
        let length = reply.strip_prefix("VA ")?.trim_end().parse::<usize>().expect("a length");
        let mut value = vec![0; length + b"\r\n".len()];
        self.memcached().read_exact(&mut value).expect("a value");
        value.truncate(length);
        Some(value)
    }

    /// Stores an item for so many seconds, whatever is there; 0: without end.
    pub fn put(&mut self, key: &str, value: &[u8], ttl_s: u64) {
        let Self::Redis(client) = self else {
            assert_eq!(self.store(key, value, &format!("T{ttl_s}")), "HD");
            return;
        };
        let value = [&fastrand::u64(..).to_be_bytes()[..], value].concat();
        let (key, ttl) = (redis_key(key), ttl_s.to_string());
        let mut command = vec![b"SET", key.as_bytes(), &value];
        if ttl_s > 0 {
            command.extend([b"EX", ttl.as_bytes()]);
        }
        assert_eq!(client.call(&command), Reply::Text(b"OK".to_vec()));
    }

    /// Stores an item with these flags of memcached's command `ms`; the reply.
    pub fn store(&mut self, key: &str, value: &[u8], flags: &str) -> String {
        let command = format!("ms {key} {} {flags}\r\n", value.len());
        self.ask_with(&[command.as_bytes(), value, b"\r\n"].concat())
    }

    /// Deletes an item that is there.
    pub fn delete(&mut self, key: &str) {
        assert!(self.take(key), "{key}");
    }

    /// Deletes an item; whether there was one.
    pub fn take(&mut self, key: &str) -> bool {
        match self {
            Self::Memcached(_) => self.ask(&format!("md {key}\r\n")) == "HD",
            Self::Redis(client) => client.call(&["DEL", &redis_key(key)]) == Reply::Number(1),
        }
    }

    /// Seconds that an item has left, -1 if it has no end; none if there is no item.
    pub fn left_s(&mut self, key: &str) -> Option<i64> {
        if let Self::Redis(client) = self {
            return match client.call(&["TTL", &redis_key(key)]) {
                Reply::Number(-2) => None,
                Reply::Number(left_s) => Some(left_s),
                other => panic!("{other}"),
            };
        }
        let reply = self.ask(&format!("mg {key} t\r\n"));
        Some(reply.strip_prefix("HD t")?.parse().expect("a number"))
    }

    /// The CAS of an item.
    pub fn cas(&mut self, key: &str) -> u64 {
        if let Self::Redis(client) = self {
            return stored(client, key).expect("an item").0;
        }
        let reply = self.ask(&format!("mg {key} c\r\n"));
        reply.strip_prefix("HD c").expect("an item").parse().expect("a number")
    }

    fn ask_with(&mut self, command: &[u8]) -> String {
        let stream = self.memcached();
        stream.get_mut().write_all(command).expect("memcached listens");
        let mut line = String::new();
        stream.read_line(&mut line).expect("a reply");
        line.trim_end().to_owned()
    }

    fn memcached(&mut self) -> &mut BufReader<UnixStream> {
        match self {
            Self::Memcached(stream) => stream,
            Self::Redis(_) => panic!("this is for memcached alone"),
        }
    }
}

/// What is under a key of Redis: its CAS and its value.
fn stored(client: &mut redis::Client, key: &str) -> Option<(u64, Vec<u8>)> {
    match client.call(&["GET", &redis_key(key)]) {
        Reply::Nil => None,
        Reply::Text(bytes) => {
            let (cas, value) = bytes.split_first_chunk().expect("8 bytes and a value");
            Some((u64::from_be_bytes(*cas), value.to_vec()))
        }
        other => panic!("{other}"),
    }
}

/// The key of Redis for what has this key on memcached: the digest is in braces, by which Redis
/// Cluster keeps all items of a session in one place.
pub fn redis_key(key: &str) -> String {
    match (key.get(..5), key.get(5..)) {
        (Some(prefix @ ("sc:r:" | "sc:l:")), Some(digest)) => format!("{prefix}{{{digest}}}"),
        _ => key.to_owned(),
    }
}
