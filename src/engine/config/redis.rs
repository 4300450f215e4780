//! What a node is, beside where it listens: a memcached, or a Redis or Valkey and the way into it.

use super::save_path::Endpoint;
use std::fmt;
use std::path::PathBuf;

/// What listens at an address of a save path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// A memcached, or something else that speaks its protocol.
    #[default]
    Memcached,
    /// A Redis or Valkey.
    Redis(Box<Redis>),
}

/// A Redis or Valkey.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redis {
    /// Which of its databases has the sessions.
    pub database: u32,
    /// Whether TLS is spoken with it.
    pub is_tls: bool,
    /// One server, or several that are one store.
    pub topology: Topology,
    /// What it asks for before it answers; not part of a save path.
    pub access: Access,
}

/// How the server is found that has a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// It is the one at the address.
    #[default]
    Single,
    /// Sentinels, the first of which is at the address, know the primary of this name.
    Sentinel {
        /// What the sentinels call it.
        name: String,
        /// The other sentinels that the save path names.
        others: Vec<Endpoint>,
    },
    /// Redis Cluster: the server at the address, and these others, know which of all has a slot.
    Cluster {
        /// The other servers that the save path names.
        others: Vec<Endpoint>,
    },
}

/// The way into a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whom it knows, if it asks.
    pub login: Option<Login>,
    /// The same for its sentinels.
    pub sentinel_login: Option<Login>,
    /// Files with certificates; only for TLS.
    pub tls: TlsFiles,
    /// How many replicas must have a write before it counts as done; 0: none.
    pub wait_replicas: u32,
}

/// A user of a server, with the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// None where the server has but one password for all.
    pub user: Option<String>,
    /// Its password.
    pub password: Secret,
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

/// Without the text.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("...")
    }
}

/// Certificates in files, in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Whose certificates are believed; none: those that the system believes.
    pub ca: Option<PathBuf>,
    /// What this side shows if it is asked for.
    pub certificate: Option<PathBuf>,
    /// The key to that.
    pub key: Option<PathBuf>,
}
