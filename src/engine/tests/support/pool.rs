//! A pool of real memcacheds for a test, and the processes that keep sessions there.
//!
//! Before each memcached stands a [`Proxy`], by whose address the pool knows it. [`Raw`] speaks to
//! a memcached behind the back of both.

use super::memcached::Memcached;
use super::proxy::{Address, Proxy};
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

/// Some memcacheds, and the settings of those who use them.
pub struct PoolSite {
    pub nodes: Vec<SiteNode>,
    pub settings: Settings,
}

/// One of them.
pub struct SiteNode {
    pub server: Memcached,
    pub proxy: Proxy,
    pub weight: u32,
}

impl PoolSite {
    /// A pool of so many; none where there is no memcached, and the test is skipped.
    #[track_caller]
    pub fn start(nodes: usize) -> Option<Self> {
        Self::start_with(nodes, &[])
    }

    /// The same with options for memcached.
    #[track_caller]
    pub fn start_with(nodes: usize, options: &[&str]) -> Option<Self> {
        Self::start_behind(nodes, options, Proxy::unix)
    }

    /// The same over TCP.
    #[track_caller]
    pub fn start_tcp(nodes: usize) -> Option<Self> {
        Self::start_behind(nodes, &[], Proxy::tcp)
    }

    /// Nothing that a loaded machine does is to be taken for a node that does not answer; tests of
    /// that set a timeout of their own.
    #[track_caller]
    fn start_behind(nodes: usize, options: &[&str], proxy: fn(Address) -> Proxy) -> Option<Self> {
        let nodes = (0..nodes).map(|_| {
            let server = Memcached::start(options)?;
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
        Some(Self { nodes: nodes.collect::<Option<_>>()?, settings })
    }

    /// The proxy before the first node.
    pub fn proxy(&self) -> &Proxy {
        &self.nodes[0].proxy
    }

    /// The save path of a pool of some of the nodes.
    pub fn save_path(&self, nodes: &[usize]) -> String {
        let node = |index: &usize| {
            let node = &self.nodes[*index];
            format!("{}?weight={}", node.proxy.address(), node.weight)
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
        Raw::of(self.nodes[node].server.connect())
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
    counters: &'static Counters,
}

impl Process {
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

/// Somebody else who uses a memcached.
pub struct Raw(BufReader<UnixStream>);

impl Raw {
    pub fn of(stream: UnixStream) -> Self {
        Self(BufReader::new(stream))
    }

    /// The first line of the reply to a command.
    pub fn ask(&mut self, command: &str) -> String {
        self.send(command.as_bytes());
        self.line()
    }

    /// The value of an item.
    pub fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        let reply = self.ask(&format!("mg {key} v\r\n"));
        let length = reply.strip_prefix("VA ")?.trim_end().parse::<usize>().expect("a length");
        let mut value = vec![0; length + b"\r\n".len()];
        self.0.read_exact(&mut value).expect("a value");
        value.truncate(length);
        Some(value)
    }

    /// Stores an item for so many seconds, whatever is there; 0: without end.
    pub fn put(&mut self, key: &str, value: &[u8], ttl_s: u64) {
        assert_eq!(self.store(key, value, &format!("T{ttl_s}")), "HD");
    }

    /// Stores an item with these flags of the command `ms`; the reply.
    pub fn store(&mut self, key: &str, value: &[u8], flags: &str) -> String {
        self.send(format!("ms {key} {} {flags}\r\n", value.len()).as_bytes());
        self.send(value);
        self.ask("\r\n")
    }

    pub fn delete(&mut self, key: &str) {
        assert_eq!(self.ask(&format!("md {key}\r\n")), "HD");
    }

    /// Seconds that an item has left, -1 if it has no end; none if there is no item.
    pub fn left_s(&mut self, key: &str) -> Option<i64> {
        let reply = self.ask(&format!("mg {key} t\r\n"));
        Some(reply.strip_prefix("HD t")?.parse().expect("a number"))
    }

    /// The CAS of an item.
    pub fn cas(&mut self, key: &str) -> u64 {
        let reply = self.ask(&format!("mg {key} c\r\n"));
        reply.strip_prefix("HD c").expect("an item").parse().expect("a number")
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("memcached listens");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a reply");
        line.trim_end().to_owned()
    }
}
