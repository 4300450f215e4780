//! A Redis Cluster, and what moves its slots and primaries about. The end-to-end tests include this
//! file too.

use super::redis::{Redis, Reply, free_port, wait_until};

/// How many primaries there are, each with a replica.
const PRIMARIES: usize = 3;

/// Source: the specification of Redis Cluster.
const SLOTS: usize = 16384;

/// Three primaries, each with a third of the slots, and their replicas in the same order.
pub struct RedisCluster {
    pub nodes: Vec<Redis>,
}

/// A slot on its way from one node to another: asked for a key that it has not got any more, the
/// old one says ASK, and TRYAGAIN if others of the request are still there.
pub struct Move<'a> {
    cluster: &'a RedisCluster,
    pub slot: u16,
    pub from: usize,
    pub to: usize,
}

impl RedisCluster {
    /// A node that does not answer for a second has failed. Skipped as [`Redis::start`] is.
    #[track_caller]
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// With these options for each node.
    #[track_caller]
    pub fn start_with(options: &[&str]) -> Option<Self> {
        let mut ports = Vec::new();
        let nodes = (0..2 * PRIMARIES).map(|_| {
            let port = free_port().to_string();
            let own = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
            let bus = ["--cluster-port", &port, "--cluster-replica-validity-factor", "0"];
            let node = Redis::start_tcp(&[&own, &bus, options].concat());
            ports.push(port);
            node
        });
        let cluster = Self { nodes: nodes.collect::<Option<_>>()? };
        cluster.form(&ports);
        Some(cluster)
    }

    #[track_caller]
    fn form(&self, bus_ports: &[String]) {
        let (primaries, replicas) = self.nodes.split_at(PRIMARIES);
        for (index, node) in primaries.iter().enumerate() {
            let start = (index * SLOTS / PRIMARIES).to_string();
            let end = ((index + 1) * SLOTS / PRIMARIES - 1).to_string();
            self.cluster(index, &["ADDSLOTSRANGE", &start, &end]);
            // Two with the same could not tell whose claim to a slot is the newer one.
            self.cluster(index, &["SET-CONFIG-EPOCH", &(index + 1).to_string()]);
            assert_eq!(node.info("cluster_enabled"), "1");
        }
        for (node, bus_port) in self.nodes.iter().zip(bus_ports).skip(1) {
            self.cluster(0, &["MEET", "127.0.0.1", &node.port().to_string(), bus_port]);
        }
        let says = |node: &Redis, line: &str| node.cli(&["CLUSTER", "INFO"]).contains(line);
        wait_until("the nodes to know each other", || {
            self.nodes.iter().all(|node| {
                // Those that have only been heard of have no name yet.
                says(node, "cluster_known_nodes:6")
                    && !node.cli(&["CLUSTER", "NODES"]).contains("handshake")
            })
        });
        for (index, replica) in replicas.iter().enumerate() {
            self.cluster(PRIMARIES + index, &["REPLICATE", &self.id(index)]);
            replica.wait_for_link();
        }
        wait_until("the cluster", || {
            let is_ready = |node: &Redis| {
                let nodes = node.cli(&["CLUSTER", "NODES"]);
                says(node, "cluster_state:ok") && nodes.matches("slave").count() == PRIMARIES
            };
            self.nodes.iter().all(is_ready)
        });
    }

    /// Tells a node something about the cluster.
    #[track_caller]
    fn cluster(&self, node: usize, words: &[&str]) {
        self.nodes[node].client().call(&[&["CLUSTER"], words].concat()).ok();
    }

    /// The name that a node has in the cluster.
    pub fn id(&self, node: usize) -> String {
        self.nodes[node].cli(&["CLUSTER", "MYID"])
    }

    /// How a save path names it.
    pub fn url(&self) -> String {
        let url = |node: &Redis| format!("redis+cluster://{}", node.name());
        self.nodes.iter().map(url).collect::<Vec<_>>().join(",")
    }

    /// The slot of a key.
    pub fn slot(&self, key: &str) -> u16 {
        self.nodes[0].cli(&["CLUSTER", "KEYSLOT", key]).parse().expect("a number")
    }

    /// The index of the node that says of itself that it is the primary of a slot, while others may
    /// not have heard of it.
    pub fn primary_of(&self, slot: u16) -> Option<usize> {
        self.nodes.iter().position(|node| {
            node.listens() && owner(node, slot) == Some(node.cli(&["CLUSTER", "MYID"]))
        })
    }

    /// Kills the primary of a slot. Returns when its replica has taken over, as all know.
    #[track_caller]
    pub fn kill_primary_of(&mut self, slot: u16) -> usize {
        let old = self.primary_of(slot).expect("a primary");
        self.nodes[old].kill();
        let mut new = None;
        wait_until("another primary", || {
            new = self.primary_of(slot);
            new.is_some_and(|new| self.agree_on(slot, new))
        });
        new.expect("it was waited for")
    }

    /// Whether all nodes that live name this one as the primary of a slot, and the cluster is up.
    fn agree_on(&self, slot: u16, primary: usize) -> bool {
        let id = self.id(primary);
        self.nodes.iter().filter(|node| node.listens()).all(|node| {
            node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                && owner(node, slot).as_ref() == Some(&id)
        })
    }

    /// Begins to move a slot. Its keys stay where they are until [`Move::take`].
    #[track_caller]
    pub fn begin_move(&self, slot: u16, to: usize) -> Move<'_> {
        let from = self.primary_of(slot).expect("a primary");
        let text = slot.to_string();
        self.cluster(to, &["SETSLOT", &text, "IMPORTING", &self.id(from)]);
        self.cluster(from, &["SETSLOT", &text, "MIGRATING", &self.id(to)]);
        Move { cluster: self, slot, from, to }
    }

    /// Moves a slot with all that is in it.
    #[track_caller]
    pub fn move_slot(&self, slot: u16, to: usize) {
        let step = self.begin_move(slot, to);
        step.take_all();
        step.end();
    }
}

impl Move<'_> {
    /// The keys of the slot that have not moved yet.
    pub fn keys(&self) -> Vec<String> {
        let from = &self.cluster.nodes[self.from];
        let keys = from.cli(&["CLUSTER", "GETKEYSINSLOT", &self.slot.to_string(), "1000"]);
        keys.lines().map(str::to_owned).collect()
    }

    /// Moves some of them.
    #[track_caller]
    pub fn take(&self, keys: &[String]) {
        let port = self.cluster.nodes[self.to].port().to_string();
        let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        command.extend(keys.iter().map(String::as_str));
        let said = self.cluster.nodes[self.from].cli(&command);
        // They may all have been deleted meanwhile.
        assert!(matches!(&*said, "OK" | "NOKEY"), "{said}");
    }

    /// Moves them all.
    #[track_caller]
    pub fn take_all(&self) {
        loop {
            match self.keys() {
                keys if keys.is_empty() => break,
                keys => self.take(&keys),
            }
        }
    }

    /// Tells all nodes where the slot is now. It has to be empty at its old place.
    #[track_caller]
    pub fn end(self) {
        let (cluster, slot, id) = (self.cluster, self.slot.to_string(), self.cluster.id(self.to));
        // First the new one, so that the slot is never without an owner.
        for node in [self.to, self.from] {
            cluster.cluster(node, &["SETSLOT", &slot, "NODE", &id]);
        }
        wait_until("all to know", || cluster.agree_on(self.slot, self.to));
    }
}

/// The name of the node that is, as this one says, the primary of a slot.
fn owner(node: &Redis, slot: u16) -> Option<String> {
    let Reply::List(ranges) = node.client().call(&["CLUSTER", "SLOTS"]) else { return None };
    ranges.iter().find_map(|range| match range {
        // First and last slot, and for each node its address, port, name and more; the primary is
        // the first.
        Reply::List(fields) => match &fields[..] {
            [Reply::Number(first), Reply::Number(last), Reply::List(primary), ..]
                if (*first..=*last).contains(&i64::from(slot)) =>
            {
                Some(primary[2].to_string())
            }
            _ => None,
        },
        _ => None,
    })
}
