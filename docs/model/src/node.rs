//! One memcached node: a record and a lock of the one session, and the commands of the protocol.
//!
//! A pipeline is one step, as if the node ran its commands without anything in between. Sizes, time
//! to live and eviction are not modelled.

/// The most nodes that a run may have. Those beyond the run's number are never used.
pub const NODES_MAX: usize = 4;

/// What memcached compares a conditional command with.
pub type Cas = u8;

/// Stands for "no CAS": the command is an add, or there is no lock.
pub const NO_CAS: Cas = 0;

/// One copy of the session. The order of the fields is the order of copies: a copy is newer than
/// another by its version and then by its writer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Record {
    pub version: u8,
    /// The token of the commit; 0 for the record that is there from the start.
    pub writer: u8,
    /// One bit for each request whose change is in the data, so that nothing lost goes unseen.
    pub history: u8,
    pub is_tombstone: bool,
}

/// What a node has: missing is older than everything.
pub type Copied = Option<Record>;

/// Whether `copy` is newer than `other`, by version and writer.
pub fn is_newer(copy: Copied, other: Copied) -> bool {
    let key = |copy: Copied| copy.map(|record| (record.version, record.writer));
    key(copy) > key(other)
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Health {
    Up,
    /// Answers nothing, forgets nothing.
    Hung,
    /// Crashed: has forgotten everything.
    Down,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    pub health: Health,
    pub record: Copied,
    pub record_cas: Cas,
    /// The request that holds the session's lock.
    pub lock: Option<u8>,
    pub lock_cas: Cas,
    /// Starts again after a crash, so a CAS from before may match what is there now.
    cas_counter: Cas,
    /// Restarted within the session's lifetime, as its birth mark tells.
    pub is_young: bool,
}

impl Node {
    pub fn new() -> Node {
        Node {
            health: Health::Up,
            record: None,
            record_cas: NO_CAS,
            lock: None,
            lock_cas: NO_CAS,
            cas_counter: NO_CAS,
            is_young: false,
        }
    }

    pub fn is_up(&self) -> bool {
        self.health == Health::Up
    }

    fn next_cas(&mut self) -> Cas {
        self.cas_counter += 1;
        self.cas_counter
    }

    /// `ms <lock key> ME c`: takes the lock if nobody has it.
    pub fn add_lock(&mut self, request: u8) -> Option<Cas> {
        self.lock.is_none().then(|| self.set_lock(request))
    }

    /// `ms <lock key> C<cas> T<lease> c`: renews the lock if it has that CAS.
    pub fn renew_lock(&mut self, request: u8, cas: Cas) -> Option<Cas> {
        (self.lock.is_some() && self.lock_cas == cas).then(|| self.set_lock(request))
    }

    fn set_lock(&mut self, request: u8) -> Cas {
        self.lock = Some(request);
        self.lock_cas = self.next_cas();
        self.lock_cas
    }

    /// `md <lock key> C<cas>`: gives the lock back if it has that CAS. Reaches a live node at once.
    pub fn unlock(&mut self, cas: Cas) {
        if self.is_up() && cas != NO_CAS && self.lock_cas == cas {
            self.drop_lock();
        }
    }

    pub fn drop_lock(&mut self) {
        self.lock = None;
        self.lock_cas = NO_CAS;
    }

    /// `ms <record key> C<expected>`, or `ME` where the record was missing. True if it was stored.
    pub fn store(&mut self, record: Record, expected: Cas) -> bool {
        let is_expected = self.record_cas == expected;
        if is_expected {
            self.set_record(record);
        }
        is_expected
    }

    /// `ms <record key>`, whatever is there.
    pub fn set_record(&mut self, record: Record) {
        self.record = Some(record);
        self.record_cas = self.next_cas();
    }

    /// `md <record key>`.
    pub fn drop_record(&mut self) {
        self.record = None;
        self.record_cas = NO_CAS;
    }

    /// Forgets everything and does not answer.
    pub fn crash(&mut self) {
        *self = Node { health: Health::Down, is_young: true, ..Node::new() };
    }
}
