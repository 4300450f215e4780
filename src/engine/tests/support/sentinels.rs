//! A primary with replicas, and sentinels that watch over them. The end-to-end tests include this
//! file too.

use super::redis::{Redis, wait_until};

/// What the sentinels call the primary.
pub const NAME: &str = "shop";

/// A primary and replicas, all started as servers of their own, and three sentinels.
pub struct Sentinels {
    pub servers: Vec<Redis>,
    pub sentinels: Vec<Redis>,
}

impl Sentinels {
    /// Two replicas. A server that does not answer for a second is down, and another one made the
    /// primary by two sentinels. Skipped as [`Redis::start`] is.
    #[track_caller]
    pub fn start() -> Option<Self> {
        Self::start_with(2, &[], "")
    }

    /// With so many replicas, these options for the servers and these lines for each sentinel's
    /// configuration.
    #[track_caller]
    pub fn start_with(replicas: usize, options: &[&str], lines: &str) -> Option<Self> {
        let primary = Redis::start_tcp(options)?;
        let count = replicas.to_string();
        let replicas = (0..replicas).map(|_| primary.start_replica(options));
        let replicas = replicas.collect::<Option<Vec<_>>>()?;
        let port = primary.port();
        let lines = format!(
            "sentinel monitor {NAME} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 2000\n\
             sentinel parallel-syncs {NAME} 2\n{lines}\n"
        );
        let sentinel = |_| Redis::start_sentinel(&lines);
        let sentinels = (0..3).map(sentinel).collect::<Option<Vec<_>>>()?;
        let servers = [primary].into_iter().chain(replicas).collect();
        let site = Self { servers, sentinels };
        wait_until("the sentinels to know all", || {
            let knows_all = |sentinel: &Redis| {
                let fields = sentinel.cli(&["SENTINEL", "MASTER", NAME]);
                let fields: Vec<&str> = fields.lines().collect();
                let has = |pair: [&str; 2]| fields.chunks(2).any(|field| *field == pair);
                has(["num-slaves", &count])
                    && has(["num-other-sentinels", "2"])
                    && has(["flags", "master"])
            };
            site.sentinels.iter().all(knows_all)
        });
        Some(site)
    }

    /// How a save path names it.
    pub fn url(&self) -> String {
        let url = |sentinel: &Redis| format!("{}/{NAME}", sentinel.url());
        self.sentinels.iter().map(url).collect::<Vec<_>>().join(",")
    }

    /// The index of the server that a sentinel says is the primary.
    fn primary_by(&self, sentinel: &Redis) -> usize {
        let address = sentinel.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]);
        let is = |server: &Redis| address.lines().last() == Some(&*server.port().to_string());
        self.servers.iter().position(is).unwrap_or_else(|| panic!("{address} is none of ours"))
    }

    /// The index of the primary, on which the sentinels agree.
    pub fn primary(&self) -> usize {
        let mut says = self.sentinels.iter().map(|sentinel| self.primary_by(sentinel));
        let primary = says.next().expect("sentinels");
        assert!(says.all(|other| other == primary), "they do not agree");
        primary
    }

    /// Has another server made the primary, while all live. Returns when all know but the old one,
    /// which takes writes for 8 s more; source: sentinel.c, `+convert-to-slave`.
    #[track_caller]
    pub fn failover(&self) -> usize {
        let old = self.primary();
        self.sentinels[0].client().call(&["SENTINEL", "FAILOVER", NAME]).ok();
        self.wait_for_other(old)
    }

    /// Kills the primary. Returns when another one is.
    #[track_caller]
    pub fn kill_primary(&mut self) -> usize {
        let old = self.primary();
        self.servers[old].kill();
        self.wait_for_other(old)
    }

    /// Waits until all sentinels name the same primary, which is not this one, and it is one.
    #[track_caller]
    pub fn wait_for_other(&self, old: usize) -> usize {
        let mut new = old;
        wait_until("another primary", || {
            new = self.primary_by(&self.sentinels[0]);
            new != old
                && self.sentinels.iter().all(|sentinel| self.primary_by(sentinel) == new)
                && self.servers[new].try_cli(&["ROLE"]).is_ok_and(|role| role.starts_with("master"))
        });
        new
    }
}
