//! A Redis Cluster as one server: each session is asked for where its slot is.
//!
//! * All keys of a session are in one slot, and so is all that is sent in one write. The map of the
//!   slots is read when the first connection is made, again behind the next request when a slot
//!   turns out to have moved, and at once when a server cannot be connected to. Servers are
//!   connected to when they are needed.
//! * A server that does not have the slot any more has not done what it was sent. That is sent
//!   again to whom it names, from the first command on that was not done. All of it has to be done
//!   within the time for one request.
//! * While a slot moves, its keys are on two servers, and each command may have to be done by
//!   either: those behind one that the new server has to do are sent when it has. A script that
//!   needs several keys can be done by neither. It is tried again until the slot has moved.
//! * In a planned failover, a server may hear that the old primary is none any more before it hears
//!   who is the new one. With a slot that nobody has it takes the cluster for down, and does
//!   nothing for anybody, until it hears more. That is waited for, but once only by each process.
//! * A server that fails takes with it what was to come from it, and nothing else: the others go
//!   on, and what they owe is still to come. Sessions of its slots fail at once until the cluster
//!   has made another server their primary: a request that waited for that would hold a worker of
//!   PHP for seconds, and soon all of them, so that no session could be used.
//!
//! Source: the Redis documentation, "Redis cluster specification", "Redirection and resharding".

use super::{Answers, Expected, Got, Redis, Route, Step, sentence};
use crate::config::redis::Redis as Service;
use crate::config::save_path::Endpoint;
use crate::error::shown;
use crate::limits::{
    CLUSTER_DOWN_AGAIN, CLUSTER_DOWN_MAX, CLUSTER_HUNG_PAUSE, CLUSTER_MAP_PAUSE, CLUSTER_PAUSE_MAX,
    CLUSTER_PAUSE_MIN, CLUSTER_SERVERS_MAX,
};
use crate::node::{Answer, Broken, Cause, Late, Tag, Turn, World};
use crate::wire::memcached::meta::Request;
use crate::wire::memcached::{Key, ServerError};
use crate::wire::redis::cluster::{Place, Range};
use crate::wire::redis::{ErrorCode, Redirect, SLOTS, slot};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// The owner of a slot that nobody has.
const NOBODY: u16 = u16::MAX;

/// How many servers are named that did not tell which has which slots.
const NAMED_MAX: usize = 3;

/// The servers of a cluster.
pub(in crate::node) struct RedisCluster {
    service: Service,
    /// Those that the save path names.
    seeds: Vec<Endpoint>,
    /// Those that have slots, and others that owe an answer.
    servers: Vec<Server>,
    /// Those that have copies: they know as well who has what.
    replicas: Vec<Endpoint>,
    /// For each slot, the index of the server that has it.
    owners: Vec<u16>,
    /// When `owners` was read, or asked for.
    read_at: Instant,
    /// Whether a slot has turned out to be elsewhere since.
    is_old: bool,
    /// Whether it has to be read before it is used again.
    is_wrong: bool,
    strays: Vec<Stray>,
    /// What has come and nobody was told.
    late: Vec<Late>,
    /// The server that is being talked to: given up in the middle, nobody knows what it says next.
    busy: Option<usize>,
    /// Connections that were lost.
    losses: u64,
    /// Whether none of the servers answers.
    is_unreachable: bool,
    connect_patience: Duration,
    deadline: Instant,
}

/// One of them.
struct Server {
    endpoint: Endpoint,
    redis: Option<Box<Redis>>,
    /// When it was waited for in vain to connect, and what was said of that.
    hung: Option<(Instant, String)>,
    /// Since when it has done nothing but say that the cluster is down.
    down_since: Option<Instant>,
}

/// Commands that were sent in one write, and not done by whom they were sent to.
struct Stray {
    commands: Vec<Expected>,
    route: Route,
    /// Who is to do them; none: who has the slot.
    to: Option<Endpoint>,
    /// Not before that.
    at: Instant,
}

impl Server {
    fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, redis: None, hung: None, down_since: None }
    }

    fn expected(&self) -> impl Iterator<Item = &Expected> {
        self.redis.iter().flat_map(|redis| &redis.expected)
    }

    fn is_hung(&self) -> bool {
        self.hung.as_ref().is_some_and(|(since, _)| since.elapsed() < CLUSTER_HUNG_PAUSE)
    }

    /// Whether something has come that was asked for.
    fn has_input(&self) -> bool {
        self.redis.as_ref().is_some_and(|redis| {
            let is_there = || !redis.buffered.unread().is_empty() || redis.has_input();
            !redis.expected.is_empty() && is_there()
        })
    }
}

impl RedisCluster {
    /// Connects to the first server that tells which has which slots.
    pub(in crate::node) async fn open(
        world: &dyn World,
        seeds: Vec<Endpoint>,
        service: &Service,
        patience: Duration,
    ) -> Result<Self, Broken> {
        let now = Instant::now();
        let mut cluster = Self {
            service: service.clone(),
            seeds,
            servers: Vec::new(),
            replicas: Vec::new(),
            owners: vec![NOBODY; SLOTS.into()],
            read_at: now,
            is_old: false,
            is_wrong: false,
            strays: Vec::new(),
            late: Vec::new(),
            busy: None,
            losses: 0,
            is_unreachable: false,
            connect_patience: patience,
            deadline: now + patience,
        };
        cluster.read_map(world).await?;
        Ok(cluster)
    }

    /// What the servers are, as far as one has said.
    pub(in crate::node) fn version(&self) -> String {
        let mut versions = self.servers.iter().filter_map(|server| server.redis.as_ref());
        let version = versions.next().map_or("Redis", |redis| redis.version());
        format!("{version}, cluster")
    }

    /// How long from now on waiting for the servers may take.
    pub(in crate::node) fn set_patience(&mut self, patience: Duration) {
        self.deadline = Instant::now() + patience;
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether answers that are owed have begun to arrive.
    pub(in crate::node) fn has_input(&self) -> bool {
        self.servers.iter().any(Server::has_input)
    }

    /// How many connections were lost: what they have told is worth nothing any more.
    pub(in crate::node) fn losses(&self) -> u64 {
        self.losses
    }

    /// Ends what was not brought to its end, and the connection on which that was. Says whether
    /// others may still be of use.
    pub(in crate::node) fn give_up(&mut self, late: &mut Vec<Late>) -> bool {
        let busy = self.busy.take();
        for index in 0..self.servers.len() {
            let is_awaited = self.servers[index].expected().any(Expected::is_awaited);
            if self.is_unreachable || is_awaited || busy == Some(index) {
                self.lose(index);
            }
        }
        let is_unreachable = self.is_unreachable;
        let is_over =
            |stray: &mut Stray| is_unreachable || stray.commands.iter().any(Expected::is_awaited);
        let over: Vec<Stray> = self.strays.extract_if(.., is_over).collect();
        self.never(over.iter().flat_map(|stray| &stray.commands));
        late.append(&mut self.late);
        !is_unreachable
    }

    /// Sends requests about one session in one write. With a tag, nobody waits for the answers.
    pub(in crate::node) async fn send(
        &mut self,
        world: &dyn World,
        requests: &[Request<'_>],
        tag: Option<Tag>,
    ) -> Result<(), Broken> {
        let key = requests.iter().find_map(key).ok_or_else(|| Broken::nonsense("no item"))?;
        let sent = self.server_of(world, key).await?.send(requests, tag).await;
        self.sent(sent).await
    }

    /// See [`Redis::join`].
    pub(in crate::node) async fn join(
        &mut self,
        world: &dyn World,
        lock: &Turn<'_>,
        patience: Duration,
    ) -> Result<(), Broken> {
        let sent = self.server_of(world, lock.key).await?.join(lock, patience).await;
        self.sent(sent).await
    }

    /// See [`Redis::block`].
    pub(in crate::node) async fn block(
        &mut self,
        world: &dyn World,
        key: Key<'_>,
        patience: Duration,
    ) -> Result<(), Broken> {
        let sent = self.server_of(world, key).await?.block(key, patience).await;
        self.sent(sent).await
    }

    /// See [`Redis::poke`].
    pub(in crate::node) async fn poke(
        &mut self,
        world: &dyn World,
        lock: &Turn<'_>,
        patience: Duration,
    ) -> Result<(), Broken> {
        let sent = self.server_of(world, lock.key).await?.poke(lock, patience).await;
        self.sent(sent).await
    }

    /// See [`Redis::leave`].
    pub(in crate::node) async fn leave(
        &mut self,
        world: &dyn World,
        lock: &Turn<'_>,
    ) -> Result<(), Broken> {
        let sent = self.server_of(world, lock.key).await?.leave(lock).await;
        self.sent(sent).await
    }

    /// The server that has a session, to be sent something; then [`RedisCluster::sent`].
    async fn server_of(&mut self, world: &dyn World, key: Key<'_>) -> Result<&mut Redis, Broken> {
        self.tend().await;
        let slot = slot(&super::name(key.as_str()));
        let index = self.reach(world, slot).await?;
        let redis = self.enter(index);
        redis.route = Some(Route { slot, asks: false, tries: 0, until: None });
        Ok(redis)
    }

    /// Something was sent to the server that is talked to. It is asked which has which slots as
    /// well, if that has changed; the answer is read when something else is.
    async fn sent<T>(&mut self, sent: Result<T, Broken>) -> Result<T, Broken> {
        let sent = sent.map_err(|broken| self.named(broken))?;
        if self.is_old && self.read_at.elapsed() >= CLUSTER_MAP_PAUSE {
            (self.is_old, self.read_at) = (false, Instant::now());
            if let Some(index) = self.busy {
                self.enter(index).ask_map().await?;
            }
        }
        self.busy = None;
        Ok(sent)
    }

    /// Begins to talk to a server that is connected.
    fn enter(&mut self, index: usize) -> &mut Redis {
        self.busy = Some(index);
        let left = self.left();
        let redis = self.servers[index].redis.as_mut().expect("it is connected");
        redis.set_patience(left);
        redis
    }

    /// Connects to the server that has a slot. Where it does not let us, another one may have it.
    async fn reach(&mut self, world: &dyn World, slot: u16) -> Result<usize, Broken> {
        if self.is_wrong {
            self.read_map(world).await?;
        }
        let mut refused = None;
        for is_read in [false, true] {
            let (endpoint, broken) = match usize::from(self.owners[usize::from(slot)]) {
                owner if owner < self.servers.len() => {
                    let endpoint = self.servers[owner].endpoint.clone();
                    match &refused {
                        Some((Some(before), _)) if *before == endpoint => break,
                        _ => {}
                    }
                    match self.connect(world, owner).await {
                        Err(broken) if broken.cause != Cause::Shortage => (Some(endpoint), broken),
                        result => return result.map(|()| owner),
                    }
                }
                _ => {
                    let reason = format!("no server of the cluster has slot {slot}");
                    (None, Broken { cause: Cause::Connect, reason })
                }
            };
            refused = Some((endpoint, broken));
            if !is_read {
                self.read_map(world).await?;
            }
        }
        Err(refused.expect("it was tried").1)
    }

    /// Connects to a server, if no connection stands that can be trusted.
    async fn connect(&mut self, world: &dyn World, index: usize) -> Result<(), Broken> {
        if self.servers[index].redis.as_ref().is_some_and(|redis| redis.has_unasked_input()) {
            self.lose(index);
        }
        let left = self.left();
        let (patience, limit) = match left < self.connect_patience {
            true => (left, "what is left of the time for all"),
            false => (self.connect_patience, "sessclust.connect_timeout"),
        };
        let server = &mut self.servers[index];
        if server.redis.is_some() {
            return Ok(());
        }
        if server.is_hung()
            && let Some((_, reason)) = &server.hung
        {
            return Err(Broken { cause: Cause::Connect, reason: reason.clone() });
        }
        let opening = Redis::open(world, &server.endpoint, &self.service, patience);
        let broken = match timeout(patience, opening).await {
            Ok(Ok(redis)) => {
                (server.redis, server.hung) = (Some(Box::new(redis)), None);
                self.is_unreachable = false;
                return Ok(());
            }
            Ok(Err(broken)) => broken,
            Err(_) => Broken::late(),
        };
        let reason = broken.within(patience, limit);
        let reason = format!("cannot connect to {}: {reason}", server.endpoint);
        if broken.cause == Cause::Timeout {
            server.hung = Some((Instant::now(), reason.clone()));
        }
        let cause = match broken.cause {
            Cause::Shortage => Cause::Shortage,
            _ => Cause::Connect,
        };
        Err(Broken { cause, reason })
    }

    /// Reads which server has which slots, from the first that tells. One that hangs leaves half
    /// of the time to the others.
    async fn read_map(&mut self, world: &dyn World) -> Result<(), Broken> {
        // Without time nobody is asked, which says nothing about the cluster.
        if self.left().is_zero() {
            return Err(Broken::late());
        }
        let (mut said, mut is_busy) = (Vec::new(), false);
        let mut endpoints = self.endpoints(world);
        while let Some(endpoint) = endpoints.pop() {
            let left = self.left();
            let share = if endpoints.is_empty() { left } else { left / 2 };
            let index = self.index_of(&endpoint);
            if self.servers[index].expected().next().is_some() {
                is_busy = true;
                continue;
            }
            let deadline = self.deadline;
            self.deadline = Instant::now() + share;
            let asked = timeout(share, self.ask_map(world, index)).await;
            self.deadline = deadline;
            match asked.unwrap_or_else(|_| Err(Broken::late())) {
                Ok(()) => return Ok(()),
                Err(broken) if broken.cause == Cause::Shortage => return Err(broken),
                Err(broken) => {
                    if self.busy.take() == Some(index) {
                        self.lose(index);
                    }
                    let reason = broken.within(share, "its share of the time for all");
                    said.push(format!("{endpoint}: {reason}"));
                }
            }
        }
        self.is_unreachable = !is_busy;
        let more = if said.len() > NAMED_MAX { "; ..." } else { "" };
        said.truncate(NAMED_MAX);
        let reason = format!("no server of the cluster answers: {}{more}", said.join("; "));
        Err(Broken { cause: Cause::Connect, reason })
    }

    /// All servers that are known, the best one to ask last: one that is connected, then one that
    /// was not waited for in vain.
    fn endpoints(&self, world: &dyn World) -> Vec<Endpoint> {
        let servers = self.servers.iter().map(|server| &server.endpoint);
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for endpoint in servers.chain(&self.replicas).chain(&self.seeds) {
            if !endpoints.iter().any(|known| known.is_same(endpoint)) {
                endpoints.push(endpoint.clone());
            }
        }
        // Not all processes the same one.
        let first = world.random() as usize % endpoints.len().max(1);
        endpoints.rotate_left(first);
        endpoints.sort_by_key(|endpoint| {
            let known = self.servers.iter().find(|server| server.endpoint.is_same(endpoint));
            known.map_or(1, |server| match (&server.redis, server.is_hung()) {
                (Some(_), _) => 2,
                (None, false) => 1,
                (None, true) => 0,
            })
        });
        endpoints
    }

    async fn ask_map(&mut self, world: &dyn World, index: usize) -> Result<(), Broken> {
        self.connect(world, index).await?;
        let redis = self.enter(index);
        redis.ask_map().await?;
        let ranges = loop {
            if let (_, Got::Map(ranges)) = redis.receive().await? {
                break ranges;
            }
        };
        self.busy = None;
        (self.is_old, self.is_wrong, self.read_at) = (false, false, Instant::now());
        self.learn(index, ranges)
    }

    /// Takes over what a server has told. Indices of servers mean others then.
    fn learn(&mut self, told_by: usize, ranges: Vec<Range>) -> Result<(), Broken> {
        let told_by = self.servers[told_by].endpoint.clone();
        let mut endpoints: Vec<Endpoint> = Vec::new();
        let mut replicas: Vec<Endpoint> = Vec::new();
        let mut owners = vec![NOBODY; SLOTS.into()];
        for Range { slots, primary, replicas: places } in ranges {
            replicas.extend(places.iter().map(|place| endpoint(&told_by, place)));
            let Some(primary) = primary.map(|place| endpoint(&told_by, &place)) else { continue };
            let known = endpoints.iter().position(|known| *known == primary);
            let owner = known.unwrap_or_else(|| {
                endpoints.push(primary);
                endpoints.len() - 1
            });
            if owner >= CLUSTER_SERVERS_MAX {
                return Err(Broken::nonsense("a cluster of too many servers"));
            }
            owners[usize::from(*slots.start())..=usize::from(*slots.end())].fill(owner as u16);
        }
        replicas.truncate(CLUSTER_SERVERS_MAX);
        (self.replicas, self.owners) = (replicas, owners);
        let mut known = std::mem::take(&mut self.servers);
        for endpoint in endpoints {
            let place = known.iter().position(|server| server.endpoint == endpoint);
            let server = place.map(|place| known.swap_remove(place));
            self.servers.push(server.unwrap_or_else(|| Server::new(endpoint)));
        }
        known.retain(|server| server.expected().next().is_some());
        self.servers.append(&mut known);
        Ok(())
    }

    /// The place of a server, which may be new.
    fn index_of(&mut self, endpoint: &Endpoint) -> usize {
        let known = self.servers.iter().position(|server| server.endpoint == *endpoint);
        known.unwrap_or_else(|| {
            self.servers.push(Server::new(endpoint.clone()));
            self.servers.len() - 1
        })
    }

    /// Reads what has come meanwhile, so that nothing of it has to wait until the same server is
    /// asked for something else.
    async fn tend(&mut self) {
        while let Some(index) = self.servers.iter().position(Server::has_input) {
            match self.receive_from(index).await {
                Ok((Some(tag), Got::Answer(answer))) => {
                    self.late.push(Late { tag, answer: Some(answer) });
                }
                Ok(_) => {}
                Err(_) => self.lose(index),
            }
        }
    }

    async fn receive_from(&mut self, index: usize) -> Result<(Option<Tag>, Got), Broken> {
        let redis = self.enter(index);
        let received = redis.receive().await;
        let behind = std::mem::take(&mut redis.behind);
        let (tag, got) = received.map_err(|broken| self.named(broken))?;
        self.busy = None;
        if let Some(route) = behind.first().and_then(|command| command.route) {
            self.strays.push(Stray { commands: behind, route, to: None, at: Instant::now() });
        }
        match got {
            Got::Map(ranges) => self.learn(index, ranges)?,
            Got::Astray(text, commands) => self.stray(index, &text, commands)?,
            got => {
                self.servers[index].down_since = None;
                return Ok((tag, got));
            }
        }
        Ok((None, Got::Nothing))
    }

    /// A server has not done commands that it was sent: others have to, or it has to later.
    fn stray(
        &mut self,
        index: usize,
        text: &[u8],
        mut commands: Vec<Expected>,
    ) -> Result<(), Broken> {
        let mut to = None;
        let has_room = self.servers.len() < 2 * CLUSTER_SERVERS_MAX;
        let redirect = Redirect::parse(text).filter(|_| has_room);
        if let Some(Redirect { is_ask, slot, host, port }) = redirect {
            let place = Place { host: host.map(str::to_owned), port };
            let endpoint = endpoint(&self.servers[index].endpoint, &place);
            if is_ask {
                to = Some(endpoint);
            } else {
                self.owners[usize::from(slot)] = self.index_of(&endpoint) as u16;
                self.is_old = true;
            }
        }
        let code = ErrorCode::of(text);
        self.is_wrong |=
            matches!(code, ErrorCode::Moved | ErrorCode::ReadOnly) && redirect.is_none();
        // Who has waited there for a lock joins those who wait where it is now.
        commands.retain(|command| !matches!(command.step, Step::Block));
        let Some(mut route) = commands.first().and_then(|command| command.route) else {
            return Ok(());
        };
        let pause = match (route.tries, redirect) {
            (0, Some(_)) => Duration::ZERO,
            (tries, _) => CLUSTER_PAUSE_MIN * 2_u32.saturating_pow(tries),
        };
        let now = Instant::now();
        let at = now + pause.min(CLUSTER_PAUSE_MAX);
        // The answer to the last try has to be here in time too.
        let left = self.left();
        let mut until = *route.until.get_or_insert_with(|| now + left.mul_f64(0.75));
        if code == ErrorCode::ClusterDown {
            let since = &mut self.servers[index].down_since;
            since.take_if(|since| now - *since >= CLUSTER_DOWN_AGAIN);
            let since = *since.get_or_insert(now);
            until = until.min(since + CLUSTER_DOWN_MAX);
        }
        if at >= until {
            let reason = match code {
                ErrorCode::ClusterDown => sentence(text),
                _ => format!(
                    "{} (slot {} does not come to rest; redis-cli --cluster fix ends a move that \
                     was broken off)",
                    shown(text),
                    route.slot
                ),
            };
            return self.refuse(commands, Broken { cause: Cause::Connect, reason });
        }
        (route.tries, route.asks) = (route.tries + 1, to.is_some());
        if to.is_some() {
            // Replicas are asked for by the server that has stored.
            let first = 1 + usize::from(matches!(commands[0].step, Step::ChangeAndWait(_)));
            let behind = commands.split_off(first);
            commands[first - 1].behind.extend(behind);
        }
        self.strays.push(Stray { commands, route, to, at });
        Ok(())
    }

    /// Nobody does these commands.
    fn refuse(&mut self, commands: Vec<Expected>, broken: Broken) -> Result<(), Broken> {
        if commands.iter().any(Expected::is_awaited) {
            return Err(broken);
        }
        let answer = Answer::ServerError(ServerError::NotStored, broken.reason);
        self.late.extend(wanted(&commands).map(|tag| Late { tag, answer: Some(answer.clone()) }));
        Ok(())
    }

    /// The connection to a server is of no use any more.
    fn lose(&mut self, index: usize) {
        if let Some(redis) = self.servers[index].redis.take() {
            self.losses += 1;
            self.never(&redis.expected);
        }
    }

    /// Commands of which nobody will know what has become.
    fn never<'a>(&mut self, commands: impl IntoIterator<Item = &'a Expected>) {
        self.late.extend(wanted(commands).map(|tag| Late { tag, answer: None }));
    }

    /// Says which server a failure is of.
    fn named(&self, broken: Broken) -> Broken {
        let Some(index) = self.busy else { return broken };
        let endpoint = &self.servers[index].endpoint;
        Broken { reason: format!("{endpoint}: {}", broken.reason), ..broken }
    }
}

/// The tags with which commands were sent of which somebody wants to know what comes of them.
fn wanted<'a>(commands: impl IntoIterator<Item = &'a Expected>) -> impl Iterator<Item = Tag> {
    commands.into_iter().filter(|command| command.is_wanted()).filter_map(|command| command.tag)
}

impl Answers for RedisCluster {
    async fn receive(&mut self) -> Result<(Option<Tag>, Got), Broken> {
        let owing = |wanted: fn(&Expected) -> bool| {
            self.servers.iter().position(|server| server.expected().any(wanted))
        };
        let awaited = owing(Expected::is_awaited);
        let Some(index) = awaited.or_else(|| owing(Expected::is_wanted)) else {
            return Ok((None, Got::Nothing));
        };
        match self.receive_from(index).await {
            // The others go on.
            Err(_) if awaited.is_none() => {
                self.lose(index);
                Ok((None, Got::Nothing))
            }
            result => result,
        }
    }

    fn is_awaited(&self) -> bool {
        let strays = self.strays.iter().flat_map(|stray| &stray.commands);
        self.servers.iter().flat_map(Server::expected).chain(strays).any(Expected::is_awaited)
    }

    fn owes_answers(&self) -> bool {
        let strays = self.strays.iter().flat_map(|stray| &stray.commands);
        let mut all = self.servers.iter().flat_map(Server::expected).chain(strays);
        !self.late.is_empty() || all.any(Expected::is_wanted)
    }

    async fn redirect(&mut self, world: &dyn World, late: &mut Vec<Late>) -> Result<(), Broken> {
        while let Some(stray) = self.strays.first() {
            let (to, slot) = (stray.to.clone(), stray.route.slot);
            sleep_until(stray.at).await;
            let reached = match to {
                Some(endpoint) => {
                    let index = self.index_of(&endpoint);
                    self.connect(world, index).await.map(|()| index)
                }
                None => self.reach(world, slot).await,
            };
            let Stray { mut commands, route, .. } = self.strays.remove(0);
            let index = match reached {
                Ok(index) => index,
                Err(broken) => {
                    self.refuse(commands, broken)?;
                    continue;
                }
            };
            commands.iter_mut().for_each(|command| command.route = Some(route));
            let is_awaited = commands.iter().any(Expected::is_awaited);
            let sent = self.enter(index).send_again(commands, true).await;
            match self.sent(sent).await {
                Err(_) if !is_awaited => self.lose(index),
                sent => sent?,
            }
        }
        late.append(&mut self.late);
        Ok(())
    }
}

/// Where a server is that another one speaks of.
fn endpoint(told_by: &Endpoint, place: &Place) -> Endpoint {
    let host = match (&place.host, told_by) {
        (Some(host), _) if host.contains(':') => format!("[{host}]"),
        (Some(host), _) => host.clone(),
        (None, Endpoint::Tcp { host, .. }) => host.clone(),
        (None, Endpoint::Unix(_)) => String::new(),
    };
    Endpoint::Tcp { host, port: place.port }
}

/// The item that a request is about.
fn key<'a>(request: &Request<'a>) -> Option<Key<'a>> {
    match *request {
        Request::Get { key, .. }
        | Request::Set { key, .. }
        | Request::Touch { key, .. }
        | Request::Delete { key, .. } => Some(key),
        Request::Noop | Request::Version | Request::Settings | Request::Statistics => None,
    }
}
