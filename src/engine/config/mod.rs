//! Settings: one table with name, default, range, unit and help of each, and the typed values.
//!
//! [`SETTINGS`] is the only place that knows them. The extension makes its INI entries and its
//! phpinfo section from it, and the README's table is tested against it.

pub mod credentials;
pub mod redis;
pub mod save_path;

use crate::error::{Error, ErrorKind, Result, shown};
use crate::limits::{
    DATA_BYTES_MAX, LOCK_LEASE_MARGIN, PATH_BYTES_MAX, REDIS_WAIT_MAX, REPLICAS_MAX, WAITERS_MAX,
};
use credentials::Source;
use redis::TlsFiles;
use save_path::{Endpoint, SavePath};
use std::ffi::{CStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

/// The settings' values, typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a request waits for a session that another one holds.
    pub lock_wait: Duration,
    /// Largest session, in bytes.
    pub max_size: u64,
    /// Whether a commit waits for the disk.
    pub sync: bool,
    /// Whether ended sessions are removed at the end of requests, whatever `session.gc_probability`
    /// is.
    pub auto_gc: bool,
    /// Servers: whether a session is locked while it is in use.
    pub lock: bool,
    /// Servers: life of a lock that is not renewed.
    pub lock_lease: Duration,
    /// Servers: how many requests of one machine may wait for one session; 0 is no limit.
    pub max_waiters: u32,
    /// Servers: what a commit waits for.
    pub write: WriteMode,
    /// Servers: where new sessions go.
    pub placement: Placement,
    /// Servers: the node of this machine.
    pub local_node: Option<Endpoint>,
    /// Servers: how a session's node is found.
    pub ring: RingKind,
    /// Servers: how many nodes keep each session; a pool of fewer nodes uses all of them.
    pub replicas: u32,
    /// Servers: what becomes of a session when no node of it answers.
    pub on_outage: OnOutage,
    /// Servers: longest time for connecting to a node.
    pub connect_timeout: Duration,
    /// Servers: longest time for a node's answer.
    pub request_timeout: Duration,
    /// Servers: time between two looks at a node that is down.
    pub probe_interval: Duration,
    /// Redis: where users and passwords are written.
    pub credentials: Option<Source>,
    /// Redis: how many replicas must have a write before it counts as done.
    pub redis_wait: u32,
    /// Redis: certificates.
    pub tls: TlsFiles,
}

/// What is done when no node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOutage {
    /// The request fails.
    Fail,
    /// The session is kept in the embedded store.
    Local,
}

/// What a commit on servers waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// The servers' answer.
    Through,
    /// Nothing: the answer is looked at before the connection is used again.
    Delayed,
}

/// Where new sessions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Anywhere on the ring.
    Ring,
    /// To the part of the ring that is this machine's node.
    Local,
}

/// The ring of a pool; the names are libmemcached's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingKind {
    /// MD5, and shares by weight.
    KetamaWeighted,
    /// One-at-a-time, and equal shares: php-memcached's default.
    Ketama,
}

impl Default for Settings {
    /// The values that [`SETTINGS`] gives as defaults.
    fn default() -> Self {
        let mut settings = Self {
            lock_wait: Duration::ZERO,
            max_size: 0,
            sync: false,
            auto_gc: false,
            lock: false,
            lock_lease: Duration::ZERO,
            max_waiters: 0,
            write: WriteMode::Through,
            placement: Placement::Ring,
            local_node: None,
            ring: RingKind::KetamaWeighted,
            replicas: 0,
            on_outage: OnOutage::Fail,
            connect_timeout: Duration::ZERO,
            request_timeout: Duration::ZERO,
            probe_interval: Duration::ZERO,
            credentials: None,
            redis_wait: 0,
            tls: TlsFiles::default(),
        };
        for setting in &SETTINGS {
            setting.apply(&mut settings, setting.default.to_bytes()).expect("defaults are valid");
        }
        settings
    }
}

impl Settings {
    /// Checks what settings have to say together; for a pool of servers, when it is opened.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the settings and their values.
    pub fn check(&self) -> Result<()> {
        // Taking the lock may last as long as a request may. A commit is sent only if as much of
        // the lease is left again, so with less none ever would be.
        let needed = LOCK_LEASE_MARGIN + 2 * self.request_timeout;
        if self.lock_lease <= needed {
            let [lease, timeout, margin, needed] =
                [self.lock_lease, self.request_timeout, LOCK_LEASE_MARGIN, needed]
                    .map(time_with_unit);
            let text = format!(
                "sessclust.lock_lease = {lease} is too short for sessclust.request_timeout = \
                 {timeout}: it has to be longer than {margin} + 2 x {timeout} = {needed}"
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
        if self.placement == Placement::Local && self.local_node.is_none() {
            let text = "sessclust.placement = local needs to know this machine's node: name it in \
                        sessclust.local_node";
            return Err(Error::new(ErrorKind::Config, text));
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            let text = "sessclust.tls_certificate and sessclust.tls_key belong together: name \
                        both, or none";
            return Err(Error::new(ErrorKind::Config, text));
        }
        Ok(())
    }
}

/// One setting.
pub struct Setting {
    /// Its name in php.ini.
    pub name: &'static CStr,
    /// Its default, as one would write it.
    pub default: &'static CStr,
    /// What may be written.
    pub range: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
    kind: Kind,
}

/// How a setting's text becomes a value, and where the value goes.
enum Kind {
    Time {
        min: Duration,
        max: Duration,
        field: fn(&mut Settings) -> &mut Duration,
    },
    Size {
        min: u64,
        max: u64,
        field: fn(&mut Settings) -> &mut u64,
    },
    Switch {
        field: fn(&mut Settings) -> &mut bool,
    },
    Count {
        min: u32,
        max: u32,
        field: fn(&mut Settings) -> &mut u32,
    },
    /// One of some names; which one is said by its index.
    Choice {
        names: &'static [&'static str],
        set: fn(&mut Settings, usize),
        get: fn(&Settings) -> usize,
    },
    Node {
        field: fn(&mut Settings) -> &mut Option<Endpoint>,
    },
    /// A file by its absolute path, or none.
    File {
        field: fn(&mut Settings) -> &mut Option<PathBuf>,
    },
    /// Where passwords are; what is refused may be one.
    Credentials,
}

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// All settings, in the order of the README's table. Each can be changed anywhere: php.ini, the
/// server's configuration, `ini_set()`; a session in use keeps the values it was started with.
pub static SETTINGS: [Setting; 21] = [
    Setting {
        name: c"sessclust.lock_wait",
        default: c"30s",
        range: "0 to 1h",
        help: "How long a request waits for a session that another request holds, or for the end \
               of a failover by sentinels (at most a minute), before session_start() fails. 0 \
               does not wait.",
        kind: Kind::Time {
            min: Duration::ZERO,
            max: HOUR,
            field: |settings| &mut settings.lock_wait,
        },
    },
    Setting {
        name: c"sessclust.max_size",
        default: c"64M",
        range: "1K to 1G",
        help: "Largest session, serialized. A larger one is not saved, and the warning names both \
               sizes.",
        kind: Kind::Size {
            min: 1024,
            max: DATA_BYTES_MAX,
            field: |settings| &mut settings.max_size,
        },
    },
    Setting {
        name: c"sessclust.sync",
        default: c"off",
        range: "on or off",
        help: "Embedded store: whether a commit waits until the disk has the session (fdatasync). \
               Off, a power cut may cost the last seconds; a crash of PHP costs nothing either \
               way.",
        kind: Kind::Switch { field: |settings| &mut settings.sync },
    },
    Setting {
        name: c"sessclust.auto_gc",
        default: c"on",
        range: "on or off",
        help: "Embedded store: whether ended sessions are removed bit by bit at the end of \
               requests, even with session.gc_probability = 0 (Debian's default).",
        kind: Kind::Switch { field: |settings| &mut settings.auto_gc },
    },
    Setting {
        name: c"sessclust.lock",
        default: c"on",
        range: "on or off",
        help: "Whether requests of one session take turns. Off, none waits for another, \
               and what one of them changes may be lost. For one request: \
               session_start(['sessclust_lock' => 'off']).",
        kind: Kind::Switch { field: |settings| &mut settings.lock },
    },
    Setting {
        name: c"sessclust.lock_lease",
        default: c"5s",
        range: "3s to 1m",
        help: "Servers: how long a lock lives that is not renewed, as when a web server dies. \
               While a script runs, it is renewed. It has to be longer than 1s + 2 x \
               request_timeout.",
        kind: Kind::Time {
            min: Duration::from_secs(3),
            max: MINUTE,
            field: |settings| &mut settings.lock_lease,
        },
    },
    Setting {
        name: c"sessclust.max_waiters",
        default: c"32",
        range: "0 to 63",
        help: "Servers: how many requests of one machine may wait for the same session; one more \
               fails at once. 0 sets no limit.",
        kind: Kind::Count { min: 0, max: WAITERS_MAX, field: |settings| &mut settings.max_waiters },
    },
    Setting {
        name: c"sessclust.write",
        default: c"through",
        range: "through or delayed",
        help: "Servers: whether a request waits until its session is stored (through), or only \
               sends it (delayed), which takes less time, but a failure is found too late for \
               this request to know.",
        kind: Kind::Choice {
            names: &["through", "delayed"],
            set: |settings, name| settings.write = [WriteMode::Through, WriteMode::Delayed][name],
            get: |settings| settings.write as usize,
        },
    },
    Setting {
        name: c"sessclust.placement",
        default: c"ring",
        range: "ring or local",
        help: "Servers: whether new sessions go to all nodes by their weights (ring), or to \
               sessclust.local_node (local). Every web server finds them either way.",
        kind: Kind::Choice {
            names: &["ring", "local"],
            set: |settings, name| settings.placement = [Placement::Ring, Placement::Local][name],
            get: |settings| settings.placement as usize,
        },
    },
    Setting {
        name: c"sessclust.local_node",
        default: c"",
        range: "a node such as 10.0.0.1:11211, or empty",
        help: "Servers: the node of this machine, as session.save_path names it, for \
               sessclust.placement = local.",
        kind: Kind::Node { field: |settings| &mut settings.local_node },
    },
    Setting {
        name: c"sessclust.ring",
        default: c"ketama_weighted",
        range: "ketama_weighted or ketama",
        help: "Servers: how a session's node is found. ketama ignores weights; it is what \
               php-memcached does by default. All web servers need the same; a change loses the \
               sessions that it moves.",
        kind: Kind::Choice {
            names: &["ketama_weighted", "ketama"],
            set: |settings, name| {
                settings.ring = [RingKind::KetamaWeighted, RingKind::Ketama][name];
            },
            get: |settings| settings.ring as usize,
        },
    },
    Setting {
        name: c"sessclust.replicas",
        default: c"2",
        range: "1 to 5",
        help: "Servers: how many nodes keep each session; a pool of fewer nodes uses all. With 2, \
               any one node may die, hang or come back empty, and no session is lost. All web \
               servers need the same.",
        kind: Kind::Count { min: 1, max: REPLICAS_MAX, field: |settings| &mut settings.replicas },
    },
    Setting {
        name: c"sessclust.on_outage",
        default: c"fail",
        range: "fail or local",
        help: "Servers: what becomes of a request when no node of its session answers: it fails \
               with a warning (fail), or goes on with a session of this machine (local).",
        kind: Kind::Choice {
            names: &["fail", "local"],
            set: |settings, name| settings.on_outage = [OnOutage::Fail, OnOutage::Local][name],
            get: |settings| settings.on_outage as usize,
        },
    },
    Setting {
        name: c"sessclust.connect_timeout",
        default: c"200ms",
        range: "1ms to 1m",
        help: "Servers: how long connecting to a node may take. A node that takes longer counts \
               as failed.",
        kind: Kind::Time {
            min: Duration::from_millis(1),
            max: MINUTE,
            field: |settings| &mut settings.connect_timeout,
        },
    },
    Setting {
        name: c"sessclust.request_timeout",
        default: c"500ms",
        range: "10ms to 1m",
        help: "Servers: how long a node may take to answer. A node that takes longer counts as \
               failed.",
        kind: Kind::Time {
            min: Duration::from_millis(10),
            max: MINUTE,
            field: |settings| &mut settings.request_timeout,
        },
    },
    Setting {
        name: c"sessclust.probe_interval",
        default: c"1s",
        range: "100ms to 1m",
        help: "Servers: how often a machine looks whether a node that is down has come back. No \
               request waits for it.",
        kind: Kind::Time {
            min: Duration::from_millis(100),
            max: MINUTE,
            field: |settings| &mut settings.probe_interval,
        },
    },
    Setting {
        name: c"sessclust.credentials",
        default: c"",
        range: "the path of a file, env:NAME, or empty",
        help: "Redis: where users and passwords are written, a line for each node: in a file, or \
               in an environment variable. They do not belong in session.save_path, which PHP \
               shows.",
        kind: Kind::Credentials,
    },
    Setting {
        name: c"sessclust.redis_wait",
        default: c"0",
        range: "0 to 10",
        help: "Redis: how many replicas of a server must have a write before it counts as done \
               (WAIT). With fewer than all of them, a failover may lose the last writes.",
        kind: Kind::Count {
            min: 0,
            max: REDIS_WAIT_MAX,
            field: |settings| &mut settings.redis_wait,
        },
    },
    Setting {
        name: c"sessclust.tls_ca",
        default: c"",
        range: "the path of a file, or empty",
        help: "Redis with TLS: the certificates (PEM) by which servers are believed. Empty: those \
               of the system.",
        kind: Kind::File { field: |settings| &mut settings.tls.ca },
    },
    Setting {
        name: c"sessclust.tls_certificate",
        default: c"",
        range: "the path of a file, or empty",
        help: "Redis with TLS: the certificate (PEM) to show to servers that ask for one.",
        kind: Kind::File { field: |settings| &mut settings.tls.certificate },
    },
    Setting {
        name: c"sessclust.tls_key",
        default: c"",
        range: "the path of a file, or empty",
        help: "Redis with TLS: the key (PEM) to sessclust.tls_certificate.",
        kind: Kind::File { field: |settings| &mut settings.tls.key },
    },
];

/// Parses `session.sessclust_lock`, which `session_start(['sessclust_lock' => 'off'])` sets;
/// `None` leaves the choice to `sessclust.lock`.
///
/// # Errors
/// [`ErrorKind::Config`], naming the option and the text.
pub fn parse_lock_option(text: &[u8]) -> Result<Option<bool>> {
    if text.is_empty() {
        return Ok(None);
    }
    parse_switch(text)
        .map(Some)
        .ok_or_else(|| not_a_value("session.sessclust_lock", text, "on, off or empty"))
}

fn not_a_value(name: &str, text: &[u8], right: &str) -> Error {
    let text = shown(text);
    Error::new(ErrorKind::Config, format!("{name}: \"{text}\" is not a value of it ({right})"))
}

impl Setting {
    /// Parses `text` and puts the value into `settings`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the setting, the text and what would be right.
    pub fn apply(&self, settings: &mut Settings, text: &[u8]) -> Result<()> {
        let parsed = match &self.kind {
            Kind::Time { min, max, field } => parse_time(text)
                .filter(|time| (min..=max).contains(&time))
                .map(|time| *field(settings) = time),
            Kind::Size { min, max, field } => parse_size(text)
                .filter(|size| (min..=max).contains(&size))
                .map(|size| *field(settings) = size),
            Kind::Switch { field } => parse_switch(text).map(|on| *field(settings) = on),
            Kind::Count { min, max, field } => parse_count(text)
                .filter(|count| (min..=max).contains(&count))
                .map(|count| *field(settings) = count),
            Kind::Choice { names, set, .. } => names
                .iter()
                .position(|name| name.as_bytes().eq_ignore_ascii_case(text))
                .map(|name| set(settings, name)),
            Kind::Node { field } => or_empty(text, parse_node).map(|node| *field(settings) = node),
            Kind::File { field } => or_empty(text, parse_path).map(|path| *field(settings) = path),
            Kind::Credentials => {
                or_empty(text, Source::parse).map(|source| settings.credentials = source)
            }
        };
        parsed.ok_or_else(|| {
            let range = match self.default.to_string_lossy() {
                none if none.is_empty() => self.range.into(),
                example => format!("{}, such as {example}", self.range),
            };
            let text = if matches!(self.kind, Kind::Credentials) { b"..." } else { text };
            not_a_value(&self.name.to_string_lossy(), text, &range)
        })
    }

    /// The value in use, with its unit.
    pub fn effective(&self, settings: &Settings) -> String {
        let mut settings = settings.clone();
        let none = || "none".to_owned();
        match &self.kind {
            Kind::Time { field, .. } => time_with_unit(*field(&mut settings)),
            Kind::Size { field, .. } => format!("{} bytes", field(&mut settings)),
            Kind::Switch { field } => (if *field(&mut settings) { "on" } else { "off" }).into(),
            Kind::Count { field, .. } => field(&mut settings).to_string(),
            Kind::Choice { names, get, .. } => names[get(&settings)].into(),
            Kind::Node { field } => {
                field(&mut settings).as_ref().map_or_else(none, Endpoint::to_string)
            }
            Kind::File { field } => field(&mut settings)
                .as_ref()
                .map_or_else(none, |path| path.as_os_str().as_bytes().escape_ascii().to_string()),
            Kind::Credentials => settings.credentials.as_ref().map_or_else(none, Source::to_string),
        }
    }
}

/// Splits a number from the unit behind it.
fn number_and_unit(text: &[u8]) -> Option<(u64, &str)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// `250ms`, `10s`, `5m`, `1h`; a number without a unit says too little, but for 0.
fn parse_time(text: &[u8]) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" if number == 0 => 1,
        _ => return None,
    };
    number.checked_mul(unit_ms).map(Duration::from_millis)
}

/// A time as [`parse_time`] reads it.
pub(crate) fn time_with_unit(time: Duration) -> String {
    match (time.as_millis(), time.as_secs()) {
        (0, _) => "0".into(),
        (ms, s) if ms % 1000 == 0 => format!("{s}s"),
        (ms, _) => format!("{ms}ms"),
    }
}

/// `64M`, `512K`, `1G`, as in php.ini; a number without a unit is bytes.
fn parse_size(text: &[u8]) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let unit_bytes = match unit {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit_bytes)
}

/// `on` and `off`, and what PHP's INI parser makes of them and of their synonyms.
fn parse_switch(text: &[u8]) -> Option<bool> {
    match text.to_ascii_lowercase().as_slice() {
        b"on" | b"1" | b"yes" | b"true" => Some(true),
        b"off" | b"0" | b"no" | b"false" | b"" => Some(false),
        _ => None,
    }
}

/// A number of things, which has no unit.
fn parse_count(text: &[u8]) -> Option<u32> {
    let (number, unit) = number_and_unit(text)?;
    u32::try_from(number).ok().filter(|_| unit.is_empty())
}

/// What `parse` makes of a text; nothing of an empty one.
fn or_empty<T>(text: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).map(Some) }
}

/// One node in any of the ways in which a save path can name it. A weight is not used.
fn parse_node(text: &[u8]) -> Option<Endpoint> {
    match SavePath::parse(text).ok()? {
        SavePath::Pool(nodes) => {
            let [node] = <[_; 1]>::try_from(nodes).ok()?;
            Some(node.endpoint)
        }
        SavePath::Local(_) => None,
    }
}

/// The absolute path of a file: a relative one would depend on where PHP was started.
fn parse_path(text: &[u8]) -> Option<PathBuf> {
    let is_path = text.starts_with(b"/") && text.len() <= PATH_BYTES_MAX && !text.contains(&0);
    is_path.then(|| PathBuf::from(OsString::from_vec(text.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str) -> &'static Setting {
        SETTINGS.iter().find(|setting| setting.name.to_bytes() == name.as_bytes()).expect(name)
    }

    fn set(name: &str, text: &str) -> Result<Settings> {
        let mut settings = Settings::default();
        setting(name).apply(&mut settings, text.as_bytes()).map(|()| settings)
    }

    #[test]
    fn the_defaults_are_those_of_the_table() {
        let expected = Settings {
            lock_wait: Duration::from_secs(30),
            max_size: 64 << 20,
            sync: false,
            auto_gc: true,
            lock: true,
            lock_lease: Duration::from_secs(5),
            max_waiters: 32,
            write: WriteMode::Through,
            placement: Placement::Ring,
            local_node: None,
            ring: RingKind::KetamaWeighted,
            replicas: 2,
            on_outage: OnOutage::Fail,
            connect_timeout: Duration::from_millis(200),
            request_timeout: Duration::from_millis(500),
            probe_interval: Duration::from_secs(1),
            credentials: None,
            redis_wait: 0,
            tls: TlsFiles::default(),
        };
        assert_eq!(Settings::default(), expected);
    }

    #[test]
    fn times_have_units() {
        let time = |text| set("sessclust.lock_wait", text).map(|settings| settings.lock_wait).ok();
        for (text, ms) in [("250ms", 250), ("10s", 10_000), (" 5 m ", 300_000), ("1h", 3_600_000)] {
            assert_eq!(time(text), Some(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(time("0"), Some(Duration::ZERO));
        for text in ["", "30", "-1s", "1.5s", "s", "10 parsecs", "3601s", "99999999999999999999s"] {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(time("18446744073709551615h"), None);
    }

    #[test]
    fn sizes_are_within_the_range() {
        let size = |text| set("sessclust.max_size", text).map(|settings| settings.max_size).ok();
        for (text, bytes) in [("1K", 1024), ("1024", 1024), ("2m", 2 << 20), ("1G", 1 << 30)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["1023", "1025M", "", "1T", "x", "-5M", "18446744073709551615G"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn times_and_counts_are_within_the_range() {
        for (name, right, wrong) in [
            ("sessclust.lock_lease", ["3s", "1m"], ["2999ms", "60001ms"]),
            ("sessclust.connect_timeout", ["1ms", "60s"], ["0", "61s"]),
            ("sessclust.request_timeout", ["10ms", "60s"], ["9ms", "2m"]),
            ("sessclust.max_waiters", ["0", "63"], ["64", "1K"]),
            ("sessclust.max_waiters", [" 7 ", "07"], ["", "-1"]),
            ("sessclust.redis_wait", ["0", "10"], ["11", ""]),
        ] {
            for text in right {
                assert!(set(name, text).is_ok(), "{name}: {text}");
            }
            for text in wrong {
                assert!(set(name, text).is_err(), "{name}: {text}");
            }
        }
        assert_eq!(set("sessclust.max_waiters", "63").expect("63").max_waiters, 63);
    }

    #[test]
    fn choices_have_names() {
        let set = |name, text| set(name, text).expect(text);
        assert_eq!(set("sessclust.write", "Delayed").write, WriteMode::Delayed);
        assert_eq!(set("sessclust.placement", "local").placement, Placement::Local);
        assert_eq!(set("sessclust.ring", "ketama").ring, RingKind::Ketama);
        for (name, text) in [
            ("sessclust.write", "delayed"),
            ("sessclust.write", "through"),
            ("sessclust.placement", "local"),
            ("sessclust.placement", "ring"),
            ("sessclust.ring", "ketama"),
            ("sessclust.ring", "ketama_weighted"),
        ] {
            assert_eq!(setting(name).effective(&set(name, text)), text);
        }
        let error = self::set("sessclust.write", "back").expect_err("no name");
        let expected = "sessclust.write: \"back\" is not a value of it (through or delayed, such \
                        as through)";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn the_local_node_is_written_as_in_the_save_path() {
        let node = |text| set("sessclust.local_node", text).map(|settings| settings.local_node);
        let tcp = Endpoint::Tcp { host: "a".into(), port: 11211 };
        for text in ["a:11211", "a:11211:5", "memcached://a?weight=5"] {
            assert_eq!(node(text).expect(text), Some(tcp.clone()), "{text}");
        }
        let unix = node("/run/m.sock:0").expect("a socket");
        assert_eq!(unix, Some(Endpoint::Unix("/run/m.sock".into())));
        assert_eq!(node("").expect("none"), None);
        for text in ["a", "a:0", "a:1,b:1", "/var/lib", "local:///a", "on"] {
            assert!(node(text).is_err(), "{text}");
        }
        let error = node("a").expect_err("no port");
        let expected = "sessclust.local_node: \"a\" is not a value of it (a node such as \
                        10.0.0.1:11211, or empty)";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn files_have_absolute_paths() {
        let longest = format!("/{}", "x".repeat(PATH_BYTES_MAX - 1));
        let too_long = format!("{longest}x");
        for name in ["sessclust.tls_ca", "sessclust.tls_certificate", "sessclust.tls_key"] {
            for text in ["", "/etc/ssl/a b.pem", &longest] {
                assert!(set(name, text).is_ok(), "{name}: {text}");
            }
            for text in ["ca.pem", "~/ca.pem", "/a\0", &too_long] {
                assert!(set(name, text).is_err(), "{name}: {text}");
            }
            let settings = set(name, "/a\n").expect("a path");
            assert_eq!(setting(name).effective(&settings), "/a\\n");
        }
        let tls = set("sessclust.tls_ca", "/a").expect("a path").tls;
        assert_eq!(tls, TlsFiles { ca: Some("/a".into()), ..TlsFiles::default() });
        let tls = set("sessclust.tls_key", "/a").expect("a path").tls;
        assert_eq!(tls, TlsFiles { key: Some("/a".into()), ..TlsFiles::default() });
    }

    #[test]
    fn credentials_are_named_and_not_shown() {
        let name = "sessclust.credentials";
        let source = |text| set(name, text).map(|settings| settings.credentials);
        let file = Source::File("/etc/sessclust.credentials".into());
        assert_eq!(source("/etc/sessclust.credentials").expect("a path"), Some(file));
        let variable = Source::Variable("REDIS_2".into());
        assert_eq!(source("env:REDIS_2").expect("a name"), Some(variable));
        assert_eq!(source("").expect("none"), None);
        for text in ["/etc/sessclust.credentials", "env:REDIS_2"] {
            assert_eq!(setting(name).effective(&set(name, text).expect(text)), text);
        }
        for text in ["hunter2", "* hunter2", "env:", "env:hunter2=x", "ENV:hunter2"] {
            let expected = "sessclust.credentials: \"...\" is not a value of it (the path of a \
                            file, env:NAME, or empty)";
            assert_eq!(source(text).expect_err(text).to_string(), expected);
        }
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let check = |certificate: Option<&str>, key: Option<&str>| {
            let [certificate, key] = [certificate, key].map(|path| path.map(PathBuf::from));
            let tls = TlsFiles { ca: None, certificate, key };
            Settings { tls, ..Settings::default() }.check()
        };
        assert!(check(None, None).is_ok());
        assert!(check(Some("/c"), Some("/k")).is_ok());
        for (certificate, key) in [(Some("/c"), None), (None, Some("/k"))] {
            let error = check(certificate, key).expect_err("one of two");
            assert!(error.to_string().contains("belong together"), "{error}");
        }
    }

    #[test]
    fn the_option_of_session_start_may_follow_the_setting() {
        let option = |text: &str| parse_lock_option(text.as_bytes()).map_err(|e| e.to_string());
        assert_eq!(option(""), Ok(None));
        assert_eq!((option("off"), option("1")), (Ok(Some(false)), Ok(Some(true))));
        let expected = "session.sessclust_lock: \"never\" is not a value of it (on, off or empty)";
        assert_eq!(option("never"), Err(expected.into()));
    }

    #[test]
    fn a_lease_has_room_for_two_requests() {
        let check = |lock_lease_ms, request_timeout_ms| {
            let lock_lease = Duration::from_millis(lock_lease_ms);
            let request_timeout = Duration::from_millis(request_timeout_ms);
            Settings { lock_lease, request_timeout, ..Settings::default() }.check()
        };
        assert!(Settings::default().check().is_ok());
        assert!(check(3000, 999).is_ok());
        let error = check(3000, 1000).expect_err("too short");
        assert_eq!(error.kind(), ErrorKind::Config);
        let expected = "sessclust.lock_lease = 3s is too short for sessclust.request_timeout = \
                        1s: it has to be longer than 1s + 2 x 1s = 3s";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn local_placement_needs_a_node() {
        let local = Settings { placement: Placement::Local, ..Settings::default() };
        let error = local.check().expect_err("no node");
        assert!(error.to_string().contains("sessclust.local_node"), "{error}");
        let local_node = Some(Endpoint::Unix("/run/m.sock".into()));
        assert!(Settings { local_node, ..local }.check().is_ok());
    }

    #[test]
    fn switches_take_what_php_makes_of_them() {
        let sync = |text| set("sessclust.sync", text).map(|settings| settings.sync).ok();
        assert_eq!(
            (sync("1"), sync("On"), sync(""), sync("off")),
            (Some(true), Some(true), Some(false), Some(false))
        );
        assert_eq!(sync("perhaps"), None);
    }

    #[test]
    fn an_error_names_setting_text_and_range() {
        let error = set("sessclust.max_size", "2\0G").expect_err("out of range");
        assert_eq!(error.kind(), ErrorKind::Config);
        let expected =
            "sessclust.max_size: \"2\\x00G\" is not a value of it (1K to 1G, such as 64M)";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn effective_values_have_units() {
        let settings = Settings::default();
        let effective = |name| setting(name).effective(&settings);
        assert_eq!(effective("sessclust.lock_wait"), "30s");
        for text in ["0", "250ms", "1500ms", "3600s"] {
            let settings = set("sessclust.lock_wait", text).expect(text);
            assert_eq!(setting("sessclust.lock_wait").effective(&settings), text);
        }
        assert_eq!(effective("sessclust.max_size"), "67108864 bytes");
        assert_eq!(effective("sessclust.auto_gc"), "on");
        assert_eq!(effective("sessclust.max_waiters"), "32");
        assert_eq!(effective("sessclust.local_node"), "none");
        let settings = set("sessclust.local_node", "memcached://[::1]").expect("a node");
        assert_eq!(setting("sessclust.local_node").effective(&settings), "[::1]:11211");
    }
}
