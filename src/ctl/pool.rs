//! Which pool is meant.

use crate::{Refusal, ini};
use clap::Args;
use sessclust_engine::cluster::{Cluster, timeouts};
use sessclust_engine::config::save_path::{NodeAddress, SavePath};
use sessclust_engine::config::{SETTINGS, Settings};
use sessclust_engine::machine::{Board, Queue};
use sessclust_engine::node::{System, Timeouts};
use sessclust_engine::stats::Counters;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// Options that say which pool is meant. They count more than what `--ini` reads.
#[derive(Args)]
pub(crate) struct PoolOptions {
    /// The nodes, as in session.save_path; the same as --save-path
    #[arg(value_name = "SAVE_PATH", conflicts_with = "save_path")]
    first: Option<String>,
    /// The nodes, as in session.save_path
    #[arg(long, value_name = "NODES", global = true)]
    save_path: Option<String>,
    /// Read session.save_path and sessclust.* from this php.ini, or pool file of php-fpm; may be
    /// given several times, the last one that has a setting counts
    #[arg(long, value_name = "FILE", global = true)]
    ini: Vec<PathBuf>,
    /// Nodes that keep each session, 1 to 5 [default: 2]; the same as on the web servers
    #[arg(long, value_name = "COUNT", global = true)]
    replicas: Option<String>,
    /// ketama_weighted or ketama [default: ketama_weighted]; the same as on the web servers
    #[arg(long, value_name = "RING", global = true)]
    ring: Option<String>,
    /// Longest time for connecting to a node, with its unit [default: 200ms]
    #[arg(long, value_name = "TIME", global = true)]
    connect_timeout: Option<String>,
    /// Longest time for a node's answer, with its unit [default: 500ms]
    #[arg(long, value_name = "TIME", global = true)]
    request_timeout: Option<String>,
    /// Where the processes of a machine share what they know; for tests
    #[arg(long, value_name = "FOLDER", default_value = "/dev/shm", global = true, hide = true)]
    shared_memory: PathBuf,
}

/// The pool, and how it is used.
pub(crate) struct Pool {
    pub(crate) nodes: Vec<NodeAddress>,
    pub(crate) settings: Settings,
    /// What this machine knows about the nodes.
    board: Board,
    /// Where it knows it.
    shared_memory: PathBuf,
}

impl Pool {
    /// The pool that is meant.
    pub(crate) fn of(options: &PoolOptions) -> Result<Self, Refusal> {
        let mut settings = Settings::default();
        let mut save_path = None;
        for file in &options.ini {
            let say = |what: &dyn std::fmt::Display| format!("{}: {what}", file.display());
            let text = std::fs::read(file).map_err(|error| say(&error))?;
            let text = String::from_utf8_lossy(&text);
            for entry in ini::parse(&text).map_err(|error| say(&error))? {
                match entry.name {
                    "session.save_path" => save_path = Some(entry.value.to_owned()),
                    name => apply(&mut settings, name, entry.value)
                        .map_err(|error| say(&format!("line {}: {error}", entry.line)))?,
                }
            }
        }
        let given = [
            ("sessclust.replicas", &options.replicas),
            ("sessclust.ring", &options.ring),
            ("sessclust.connect_timeout", &options.connect_timeout),
            ("sessclust.request_timeout", &options.request_timeout),
        ];
        for (name, value) in given {
            value.iter().try_for_each(|value| apply(&mut settings, name, value))?;
        }
        let save_path = options.save_path.clone().or(options.first.clone()).or(save_path);
        let save_path = save_path.ok_or("which pool? Give --save-path NODES or --ini FILE")?;
        let SavePath::Pool(mut nodes) = SavePath::parse(save_path.as_bytes())? else {
            return Err("this save path is an embedded store, which has no nodes".into());
        };
        settings.give_access(&mut nodes)?;
        let shared_memory = options.shared_memory.clone();
        let board = Board::open_in(&shared_memory, &Cluster::names(&nodes));
        Ok(Self { nodes, settings, board, shared_memory })
    }

    /// What waits for nodes.
    pub(crate) fn runtime(&self) -> Result<Runtime, Refusal> {
        Ok(Builder::new_current_thread().enable_io().enable_time().build()?)
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        timeouts(&self.settings)
    }

    /// The engine's view of it. What is drained on this machine is; but which nodes are up is found
    /// out anew: the machine waits some time until it believes that a node is back.
    pub(crate) fn cluster(&self) -> Result<Cluster, Refusal> {
        let counters: &'static Counters = Box::leak(Box::default());
        let names = Cluster::names(&self.nodes);
        let board = Board::private(&names);
        (0..names.len()).for_each(|node| board.drain(node, self.board.is_drained(node)));
        Ok(Cluster::new(
            self.nodes.clone(),
            self.settings.ring,
            Arc::new(System),
            Queue::open(),
            Arc::new(board),
            self.settings.replicas,
            counters,
        )?)
    }

    /// What this machine knows of a node.
    pub(crate) fn known_state(&self, node: usize) -> &'static str {
        let health = self.board.health(node);
        match (health.is_drained, health.is_down) {
            (true, false) => "drained",
            (true, true) => "drained, down",
            (false, true) => "down",
            (false, false) => "up",
        }
    }

    /// Takes a node out of use on this machine, or back into it.
    pub(crate) fn drain(&self, node: usize, is_drained: bool) -> Result<(), Refusal> {
        self.board.drain(node, is_drained);
        // Without shared memory this process would be the only one that knows.
        let others = Board::open_in(&self.shared_memory, &Cluster::names(&self.nodes));
        match others.is_drained(node) == is_drained {
            true => Ok(()),
            false => {
                let folder = self.shared_memory.display();
                Err(format!("this user has no memory in {folder} that others could see").into())
            }
        }
    }

    /// The node that an operator names, as the save path or a table does.
    pub(crate) fn node(&self, text: &str) -> Result<usize, Refusal> {
        let wanted = match SavePath::parse(text.as_bytes()) {
            Ok(SavePath::Pool(nodes)) if nodes.len() == 1 => nodes.into_iter().next(),
            _ => None,
        };
        let is_meant = |node: &NodeAddress| {
            node.to_string() == text
                || node.sentinel_name() == Some(text)
                || wanted.as_ref().is_some_and(|wanted| wanted.is_same(node))
        };
        self.nodes.iter().position(is_meant).ok_or_else(|| {
            let nodes: Vec<String> = self.nodes.iter().map(NodeAddress::to_string).collect();
            format!("{text} is no node of this pool, which has {}", nodes.join(", ")).into()
        })
    }
}

fn apply(settings: &mut Settings, name: &str, value: &str) -> Result<(), Refusal> {
    let setting = SETTINGS.iter().find(|setting| setting.name.to_bytes() == name.as_bytes());
    let setting = setting.ok_or_else(|| format!("there is no setting {name}"))?;
    Ok(setting.apply(settings, value.as_bytes())?)
}
