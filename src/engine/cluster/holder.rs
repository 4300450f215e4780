//! The value of a lock: whose it is, for programs and for people.
//!
//! ```text
//! "1" token since machine pid started host script
//! ```
//!
//! Words of printable ASCII, separated by single spaces; the script is the rest, and may hold some.
//! *token* has 32 hexadecimal digits, random for each time that a lock is taken. *machine* has 16:
//! what a process number means there. *started* is the process's start as the kernel counts it,
//! *since* Unix time in seconds. An operator can read it with any memcached client.

use crate::error::shown;
use crate::machine::{self, Identity, Process, process_id};
use crate::session::id::hex;
use crate::wire::put;
use rustix::process::Pid;
use std::sync::OnceLock;

/// Who a lock belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Random for each time that a lock is taken.
    pub token: u128,
    /// The process, and what its number means there.
    pub identity: Identity,
    /// Unix time in seconds.
    pub since_s: u64,
    /// Name of the machine.
    pub host: String,
    /// What the process is running.
    pub script: String,
}

impl Holder {
    /// Whether it can be told that the holder is dead: it ran on this machine, and does no more.
    pub fn is_dead(&self) -> bool {
        // The name as well: virtual machines that were cloned while they ran have all else in
        // common.
        let is_here = Identity::own().is_some_and(|own| own.machine == self.identity.machine)
            && host() == self.host;
        is_here && !self.identity.process.is_alive()
    }

    /// Reads a lock's value; none if it is not one of ours.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let mut words = text.splitn(8, ' ');
        if words.next()? != "1" {
            return None;
        }
        Some(Self {
            token: u128::from_str_radix(words.next()?, 16).ok()?,
            since_s: words.next()?.parse().ok()?,
            identity: Identity {
                machine: u64::from_str_radix(words.next()?, 16).ok()?,
                process: Process {
                    pid: words.next()?.parse().ok()?,
                    start_time: words.next()?.parse().ok()?,
                },
            },
            host: words.next()?.to_owned(),
            script: words.next()?.to_owned(),
        })
    }

    /// Who it is, for a message.
    pub fn describe(&self, now_s: u64) -> String {
        let (host, script) = (shown(self.host.as_bytes()), shown(self.script.as_bytes()));
        let held_s = now_s.saturating_sub(self.since_s);
        let script = if script.is_empty() { String::new() } else { format!("{script}, ") };
        format!("process {} on {host} ({script}for {held_s} s)", self.identity.process.pid)
    }
}

/// How this process signs its locks. Made once for a script, for it is the same in all of them.
pub struct Signature {
    owner: Pid,
    script: Vec<u8>,
    text: String,
}

impl Signature {
    /// That of this process while it runs `script`.
    pub fn of(script: &[u8]) -> Self {
        // Without a /proc nobody can tell whether it is alive; machine 0 is nobody's.
        let nowhere =
            || Identity { machine: 0, process: Process { pid: std::process::id(), start_time: 0 } };
        let Identity { machine, process: Process { pid, start_time } } =
            Identity::own().unwrap_or_else(nowhere);
        let text = format!("{machine:016x} {pid} {start_time} {} {}", host(), shown(script));
        Self { owner: process_id(), script: script.to_vec(), text }
    }

    /// Whether it is that of this process while it runs `script`.
    pub fn is_of(&self, script: &[u8]) -> bool {
        self.owner == process_id() && self.script == script
    }

    /// The value of a lock.
    pub fn sign(&self, token: u128, since_s: u64) -> Vec<u8> {
        let mut value = Vec::with_capacity(64 + self.text.len());
        value.extend_from_slice(b"1 ");
        value.extend(token.to_be_bytes().into_iter().flat_map(hex));
        value.push(b' ');
        put(since_s, &mut value);
        value.push(b' ');
        value.extend_from_slice(self.text.as_bytes());
        value
    }
}

/// The name of this machine as a word, as it was when this process first asked.
fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| {
        let host = shown(machine::host_name().as_bytes()).replace(' ', "_");
        if host.is_empty() { "-".into() } else { host }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me(token: u128, script: &[u8]) -> Holder {
        Holder::decode(&Signature::of(script).sign(token, 2)).expect("its own words")
    }

    fn holder() -> Holder {
        Holder {
            token: 0x00ff,
            identity: Identity { machine: 7, process: Process { pid: 4242, start_time: 99 } },
            since_s: 1_700_000_000,
            host: "web-2".into(),
            script: "/srv/www/a b.php".into(),
        }
    }

    #[test]
    fn a_holder_is_read_back() {
        let value = b"1 000000000000000000000000000000ff 1700000000 0000000000000007 4242 99 \
                      web-2 /srv/www/a b.php";
        assert_eq!(Holder::decode(value), Some(holder()));
        let own = me(u128::MAX, b"a\0b c");
        assert_eq!((own.token, own.since_s, own.script.as_str()), (u128::MAX, 2, "a\\x00b c"));
        assert_eq!(own.identity, Identity::own().expect("a /proc"));
        assert_eq!(me(1, b"").script, "");
    }

    #[test]
    fn a_signature_is_made_anew_for_another_script() {
        let signature = Signature::of(b"a");
        assert!(signature.is_of(b"a") && !signature.is_of(b"b"));
    }

    #[test]
    fn values_of_others_are_nobodys() {
        let values: [&[u8]; 6] =
            [b"", b"1", b"2 00 1 00 1 1 a b", b"1 zz 1 00 1 1 a b", b"1 00 1 00 1 1 a", b"\xff"];
        for value in values {
            assert_eq!(Holder::decode(value), None, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn only_a_process_of_this_machine_can_be_known_to_be_dead() {
        let mut own = me(1, b"");
        assert!(!own.is_dead());
        own.identity.process.start_time ^= 1;
        assert!(own.is_dead(), "a later process has its number");
        own.host = "elsewhere".into();
        assert!(!own.is_dead());
        own.host = host().into();
        own.identity.machine ^= 1;
        assert!(!own.is_dead());
    }

    #[test]
    fn a_holder_is_described_for_people() {
        let said = holder().describe(1_700_000_012);
        assert_eq!(said, "process 4242 on web-2 (/srv/www/a b.php, for 12 s)");
        let hostile = Holder { script: "x\0\n".into(), since_s: u64::MAX, ..holder() };
        assert_eq!(hostile.describe(0), "process 4242 on web-2 (x\\x00\\n, for 0 s)");
    }
}
