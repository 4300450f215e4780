//! Users and passwords, which come from a file or an environment variable that
//! `sessclust.credentials` names, and never from the save path: PHP shows that in its warnings.
//!
//! ```text
//! # who               user   password
//! 10.0.0.1:6379       shop   hunter2      a server; without a port, 6379
//! /run/redis.sock            hunter2      a socket; a server may have a password and no users
//! orders                     hunter2      the servers that sentinels call by this name
//! sentinel:orders            hunter2      these sentinels themselves
//! sentinel:10.0.0.5          hunter2      the same, by one of them; without a port, 26379
//! sentinel:*                 hunter2      all sentinels
//! *                          hunter2      all servers
//! ```
//!
//! The first line that fits counts; a cluster is meant by any of the servers that the save path
//! names. Empty lines, and those that begin with `#`, are passed over. A word holds anything but
//! white space, and `%HH` stands for a byte, so `%` itself is `%25`.
//!
//! Errors name the line and never what is in it.

use super::Settings;
use super::redis::{Login, Secret, Service};
use super::save_path::{Endpoint, NodeAddress, REDIS_PORT, SENTINEL_PORT, parts};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::CREDENTIALS_BYTES_MAX;
use rustix::fs::OFlags;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// Where users and passwords are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// In an environment variable of this name.
    Variable(String),
}

impl Source {
    /// Parses what `sessclust.credentials` says: an absolute path or `env:NAME`.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let Some(name) = text.strip_prefix(b"env:") else {
            return super::parse_path(text).map(Self::File);
        };
        let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let is_name = !name.is_empty() && name.iter().all(is_of_name);
        is_name.then(|| Self::Variable(String::from_utf8_lossy(name).into_owned()))
    }

    /// Reads what it has.
    fn read(&self) -> Result<Vec<u8>> {
        let refused = |what: &dyn fmt::Display| {
            Error::new(ErrorKind::Config, format!("sessclust.credentials: {self}{what}"))
        };
        let path = match self {
            Self::File(path) => path,
            Self::Variable(name) => {
                let text = std::env::var_os(name).map(OsStringExt::into_vec);
                return text.ok_or_else(|| refused(&" is not in the environment of this process"));
            }
        };
        let refused_by_system = |error: io::Error| refused(&format!(": {error}"));
        // Whatever it is, opening it must not wait, as that of a pipe does.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let file = file.map_err(refused_by_system)?;
        let metadata = file.metadata().map_err(refused_by_system)?;
        if !metadata.is_file() {
            return Err(refused(&" is not a regular file"));
        }
        if metadata.mode() & 0o007 != 0 {
            let what = " is open to all users of this machine: chmod 640 lets only its owner and \
                        its group read it, 600 only its owner";
            return Err(refused(&what));
        }
        let mut text = Vec::new();
        file.take(CREDENTIALS_BYTES_MAX + 1).read_to_end(&mut text).map_err(refused_by_system)?;
        match text.len() as u64 > CREDENTIALS_BYTES_MAX {
            true => Err(refused(&format!(" is longer than {CREDENTIALS_BYTES_MAX} bytes"))),
            false => Ok(text),
        }
    }
}

/// As it is written in the setting.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.as_os_str().as_bytes().escape_ascii().fmt(f),
            Self::Variable(name) => write!(f, "env:{name}"),
        }
    }
}

/// Users and passwords of servers and sentinels.
#[derive(Debug, Default)]
pub struct Credentials(Vec<Line>);

/// One line.
#[derive(Debug)]
struct Line {
    is_of_sentinels: bool,
    /// None: all.
    who: Option<Who>,
    login: Login,
}

/// A word that names a node.
#[derive(Debug)]
struct Who {
    /// The name that sentinels know, if it may be one.
    name: Option<String>,
    /// The address, if it is one.
    endpoint: Endpoint,
}

impl Credentials {
    /// Reads them.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with what to do.
    pub fn read(source: &Source) -> Result<Self> {
        let text = source.read()?;
        Self::parse(&text).map_err(|(line, what)| {
            let text = format!("sessclust.credentials: {source}, line {line}: {what}");
            Error::new(ErrorKind::Config, text)
        })
    }

    /// Parses them.
    ///
    /// # Errors
    /// The number of the line, and what is wrong there.
    pub fn parse(text: &[u8]) -> Result<Self, (usize, &'static str)> {
        let mut lines = Vec::new();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if !line.is_empty() && !line.starts_with(b"#") {
                lines.push(Line::parse(line).map_err(|what| (index + 1, what))?);
            }
        }
        Ok(Self(lines))
    }

    /// Gives nodes their logins.
    pub fn apply(&self, nodes: &mut [NodeAddress]) {
        for node in nodes {
            let login = |is_of_sentinels| {
                let line = self.0.iter().find(|line| line.fits(node, is_of_sentinels));
                line.map(|line| line.login.clone())
            };
            let (server, sentinel) = (login(false), login(true));
            if let Service::Redis(redis) = &mut node.service {
                redis.access.login = server;
                redis.access.sentinel_login = sentinel;
            }
        }
    }
}

impl Line {
    /// Parses a line that is neither empty nor a comment.
    fn parse(line: &[u8]) -> Result<Self, &'static str> {
        let is_space = |byte: &u8| byte.is_ascii_whitespace();
        let words: Vec<&[u8]> = line.split(is_space).filter(|word| !word.is_empty()).collect();
        let (who, user, password) = match words[..] {
            [who, password] => (who, None, password),
            [who, user, password] => (who, Some(user), password),
            _ => return Err("a line has two or three words: who, perhaps a user, and a password"),
        };
        let decode = |word| {
            let bytes =
                parts::decode(word, 0).map_err(|_| "% begins no byte; write %25 for a %")?;
            String::from_utf8(bytes).map_err(|_| "users and passwords have to be UTF-8")
        };
        let of_sentinels = who.strip_prefix(b"sentinel:");
        let is_of_sentinels = of_sentinels.is_some();
        let default_port = if is_of_sentinels { SENTINEL_PORT } else { REDIS_PORT };
        let who = match of_sentinels.unwrap_or(who) {
            b"*" => None,
            word => Some(Who::parse(word, default_port).ok_or(
                "the first word has to be host:port, a socket's path, a Sentinel name or *, or \
                 one of these behind sentinel:",
            )?),
        };
        let login =
            Login { user: user.map(decode).transpose()?, password: Secret(decode(password)?) };
        Ok(Self { is_of_sentinels, who, login })
    }

    /// Whether it has the login of this node's servers, or of its sentinels.
    fn fits(&self, node: &NodeAddress, of_sentinels: bool) -> bool {
        let name = node.sentinel_name();
        if self.is_of_sentinels != of_sentinels || of_sentinels && name.is_none() {
            return false;
        }
        let Some(who) = &self.who else { return true };
        let is_named = name.is_some() && name == who.name.as_deref();
        // What has a name has the addresses of its sentinels.
        let has_address = of_sentinels == name.is_some()
            && node.endpoints().any(|endpoint| endpoint.is_same(&who.endpoint));
        is_named || has_address
    }
}

impl Who {
    fn parse(word: &[u8], default_port: u16) -> Option<Self> {
        if word.starts_with(b"/") {
            let endpoint = parts::socket(parts::decode(word, 0).ok()?, 0).ok()?;
            return Some(Self { name: None, endpoint });
        }
        let (host, rest) = parts::host(word, 0).ok()?;
        Some(match rest {
            b"" => {
                let name = Some(host.clone());
                Self { name, endpoint: Endpoint::Tcp { host, port: default_port } }
            }
            _ => {
                let port = parts::port(rest, 0).ok()?;
                Self { name: None, endpoint: Endpoint::Tcp { host, port } }
            }
        })
    }
}

impl Settings {
    /// Gives the nodes of a pool what a save path does not say: logins, certificates, and how many
    /// replicas must have a write. Without a Redis among them nothing is read.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]: the credentials cannot be read.
    pub fn give_access(&self, nodes: &mut [NodeAddress]) -> Result<()> {
        if nodes.iter().all(|node| node.as_redis().is_none()) {
            return Ok(());
        }
        if let Some(source) = &self.credentials {
            Credentials::read(source)?.apply(nodes);
        }
        for node in nodes {
            if let Service::Redis(redis) = &mut node.service {
                redis.access.tls = self.tls.clone();
                redis.access.wait_replicas = self.redis_wait;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::redis::TlsFiles;
    use crate::config::save_path::SavePath;
    use std::ffi::OsString;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn pool(save_path: &str) -> Vec<NodeAddress> {
        match SavePath::parse(save_path.as_bytes()).expect(save_path) {
            SavePath::Pool(nodes) => nodes,
            SavePath::Local(_) => panic!("{save_path} is no pool"),
        }
    }

    /// `user:password` of the first node's servers, and of its sentinels; `-` for nothing.
    fn logins(lines: &str, save_path: &str) -> [String; 2] {
        let mut nodes = pool(save_path);
        Credentials::parse(lines.as_bytes()).expect(lines).apply(&mut nodes);
        let access = &nodes[0].as_redis().expect("a Redis").access;
        [&access.login, &access.sentinel_login].map(|login| match login {
            Some(Login { user, password }) => {
                format!("{}:{}", user.as_deref().unwrap_or("-"), password.0)
            }
            None => "-".into(),
        })
    }

    #[test]
    fn a_line_is_for_what_it_names() {
        for (line, save_path) in [
            ("a:1 x y", "redis://a:1/5"),
            ("A:6379 x y", "rediss://a"),
            ("a x y", "redis://a"),
            ("[::1] x y", "redis://[::1]"),
            ("[::1]:7 x y", "redis://[::1]:7"),
            ("/run/r%20s x y", "redis+unix:///run/r%20s"),
            ("* x y", "redis+unix:///run/r"),
            ("name x y", "redis+sentinel://a/name"),
            ("* x y", "redis+sentinel://a/name"),
            ("b:7000 x y", "redis+cluster://a:7000,redis+cluster://b:7000"),
            ("* x y", "redis+cluster://a"),
        ] {
            assert_eq!(logins(line, save_path), ["x:y", "-"], "{line} for {save_path}");
        }
        for line in ["sentinel:name x y", "sentinel:* x y", "sentinel:b:1 x y", "sentinel:a x y"] {
            let save_path = "redis+sentinel://a/name,redis+sentinel://b:1/name";
            assert_eq!(logins(line, save_path), ["-", "x:y"], "{line}");
        }
        for (line, save_path) in [
            ("a:1 x y", "redis://a"),
            ("b x y", "redis://a"),
            ("/run/r x y", "redis+unix:///run/s"),
            ("a:26379 x y", "redis+sentinel://a/name"),
            ("Name x y", "redis+sentinel://a/name"),
            ("sentinel:* x y", "redis://a"),
            ("sentinel:b x y", "redis+sentinel://a/name"),
            ("name x y", "redis+cluster://a"),
        ] {
            assert_eq!(logins(line, save_path), ["-", "-"], "{line} for {save_path}");
        }
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let lines = "# a comment\r\n\r\n\tb  other\r\na x y\n * z\n a never\n#";
        assert_eq!(logins(lines, "redis://a"), ["x:y", "-"]);
        assert_eq!(logins(lines, "redis://c"), ["-:z", "-"]);
        assert_eq!(logins("", "redis://a"), ["-", "-"]);
    }

    #[test]
    fn words_have_any_characters_but_white_space() {
        let line = "* sh:op@# p#:@?&=%25%20%C3%A4\u{e4}\"'";
        assert_eq!(logins(line, "redis://a")[0], "sh:op@#:p#:@?&=% \u{e4}\u{e4}\"'");
    }

    #[test]
    fn a_wrong_line_is_named_and_not_shown() {
        for (line, what) in [
            ("hunter2", "two or three words"),
            ("* hunter2 hunter2 hunter2", "two or three words"),
            ("hunter2! x hunter2", "the first word"),
            ("a:hunter2 hunter2", "the first word"),
            ("redis://a hunter2", "the first word"),
            ("sentinel: hunter2", "the first word"),
            ("/%zz hunter2", "the first word"),
            ("* hunter2%", "% begins no byte; write %25"),
            ("* hunter2% x", "% begins no byte; write %25"),
            ("* hunter2%ff", "UTF-8"),
        ] {
            let text = format!("# one\n* fine\n{line}\n* fine");
            let (number, said) = Credentials::parse(text.as_bytes()).expect_err(line);
            assert_eq!(number, 3, "{line}");
            assert!(said.contains(what) && !said.contains("hunter2"), "{line}: {said}");
        }
    }

    #[test]
    fn nobody_is_shown_a_password() {
        let mut nodes = pool("redis+sentinel://a/name");
        let lines = Credentials::parse(b"* shop hunter2\nsentinel:* hunter2").expect("lines");
        lines.apply(&mut nodes);
        let access = &nodes[0].as_redis().expect("a Redis").access;
        assert!(access.login.is_some() && access.sentinel_login.is_some());
        for shown in [format!("{lines:?}"), format!("{nodes:#?}"), nodes[0].to_string()] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    /// What is said about a file.
    fn refused(path: &Path) -> String {
        let error = Credentials::read(&Source::File(path.into())).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        let start = format!("sessclust.credentials: {}", path.display());
        text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    #[test]
    fn a_file_is_read_if_only_those_can_who_should() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        assert_eq!(refused(&path), ": No such file or directory (os error 2)");
        assert_eq!(refused(folder.path()), " is not a regular file");

        fs::write(&path, "* hunter2\n").expect("written");
        let set_mode = |mode| fs::set_permissions(&path, Permissions::from_mode(mode));
        for mode in [0o604, 0o602, 0o644, 0o777] {
            set_mode(mode).expect("chmod");
            assert!(refused(&path).starts_with(" is open to all users of this machine: chmod 640"));
        }
        for mode in [0o400, 0o600, 0o640, 0o660] {
            set_mode(mode).expect("chmod");
            let credentials = Credentials::read(&Source::File(path.clone())).expect("readable");
            assert_eq!(credentials.0.len(), 1);
        }
        fs::write(&path, "* fine\nhunter2").expect("written");
        assert!(refused(&path).starts_with(", line 2: a line has two or three words"));
        fs::write(&path, vec![b'\n'; 1 << 20]).expect("written");
        Credentials::read(&Source::File(path.clone())).expect("not too long");
        fs::write(&path, vec![b'\n'; (1 << 20) + 1]).expect("written");
        assert_eq!(refused(&path), " is longer than 1048576 bytes");
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)
            .expect("a pipe");
        assert_eq!(refused(&path), " is not a regular file");
    }

    #[test]
    fn the_environment_is_read_too() {
        let path = Source::Variable("PATH".into()).read().expect("there is one");
        assert_eq!(Some(OsString::from_vec(path)), std::env::var_os("PATH"));
        let error = Credentials::read(&Source::Variable("SESSCLUST_NONE".into()));
        let expected = "sessclust.credentials: env:SESSCLUST_NONE is not in the environment of \
                        this process";
        assert_eq!(error.expect_err("none").to_string(), expected);
    }

    #[test]
    fn nodes_get_all_that_a_save_path_does_not_say() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        let tls = TlsFiles { ca: Some("/ca".into()), ..Default::default() };
        let credentials = Some(Source::File(path.clone()));
        let settings =
            Settings { credentials, redis_wait: 2, tls: tls.clone(), ..Settings::default() };

        // Memcached has no use for the file, which is not there.
        let mut nodes = pool("a:1");
        settings.give_access(&mut nodes).expect("not read");
        assert_eq!(nodes, pool("a:1"));
        let mut nodes = pool("rediss://a,rediss://b");
        assert!(settings.give_access(&mut nodes).is_err());

        fs::write(&path, "b shop hunter2\n").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
        settings.give_access(&mut nodes).expect("read");
        let login = Login { user: Some("shop".into()), password: Secret("hunter2".into()) };
        for (node, login) in nodes.iter().zip([None, Some(login)]) {
            let access = &node.as_redis().expect("a Redis").access;
            assert_eq!((&access.login, &access.tls, access.wait_replicas), (&login, &tls, 2));
        }
    }
}
