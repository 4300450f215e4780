//! Which process of which machine, and whether it still lives.

use super::fork::process_id;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::cell::Cell;
use std::fs;
use xxhash_rust::xxh3::xxh3_64;

/// A process, told apart from a later one that gets the same number by the time of its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine was: field 22 of `/proc/<pid>/stat`,
    /// proc_pid_stat(5).
    pub start_time: u64,
}

/// This process, and the machine that it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The same in all processes that can see each other by number, another one everywhere else,
    /// and after a restart of the machine. Numbers and start times mean nothing beyond it.
    pub machine: u64,
    /// This process.
    pub process: Process,
}

impl Identity {
    /// Who is asking; none without a `/proc` of this process, as within a chroot.
    ///
    /// Asked once per process and thread: a fork is another process.
    pub fn own() -> Option<Self> {
        thread_local! {
            static OWN: Cell<Option<(Pid, Option<Identity>)>> = const { Cell::new(None) };
        }
        let pid = process_id();
        match OWN.get() {
            Some((asked, own)) if asked == pid => own,
            _ => {
                let own = Self::ask(pid);
                OWN.set(Some((pid, own)));
                own
            }
        }
    }

    fn ask(pid: Pid) -> Option<Self> {
        let stat = Stat::read("self")?;
        // A `/proc` of other processes than those we see: nothing that it says is about us.
        if stat.pid != number(pid) {
            return None;
        }
        let mut machine = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
        // Numbers hold within one of the first, start times within one of the second, which older
        // kernels do not have; namespaces(7).
        let namespaces = [Some(inode("/proc/self/ns/pid")?), inode("/proc/self/ns/time")];
        for namespace in namespaces.into_iter().flatten() {
            machine.extend(namespace.to_le_bytes());
        }
        let process = Process { pid: stat.pid, start_time: stat.start_time };
        Some(Self { machine: xxh3_64(&machine), process })
    }
}

impl Process {
    /// Whether the process still lives. To be asked about processes of the same
    /// [`Identity::machine`] only. Where it cannot be told, it lives.
    pub fn is_alive(self) -> bool {
        is_alive(self.pid, |start_time| start_time == self.start_time)
    }
}

/// The same for a process of which less is known than its start time.
pub(super) fn is_alive(pid: u32, may_have_started_at: impl Fn(u64) -> bool) -> bool {
    // 0 and what is above an i32 are numbers of no process.
    let Some(wanted) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    if test_kill_process(wanted) == Err(Errno::SRCH) {
        return false;
    }
    if Identity::own().is_none() {
        return true;
    }
    // Without an entry it may have died this moment, or be hidden (`hidepid` of proc(5) hides even
    // processes of the same user that have changed theirs, as FPM's workers do).
    Stat::read(&pid.to_string())
        .is_none_or(|stat| !stat.has_ended && may_have_started_at(stat.start_time))
}

/// The name of this machine, for messages.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

fn inode(path: &str) -> Option<u64> {
    rustix::fs::stat(path).ok().map(|stat| stat.st_ino)
}

/// What we need of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    pid: u32,
    /// It has ended, though its parent may not have asked yet how.
    has_ended: bool,
    start_time: u64,
}

impl Stat {
    fn read(process: &str) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{process}/stat")).ok()?)
    }

    /// `4242 (name) S 1 ...`: the name may be anything, spaces and parentheses included; what
    /// follows has neither.
    fn parse(text: &[u8]) -> Option<Self> {
        let name = text.iter().position(|byte| *byte == b'(')?;
        let name_end = text.iter().rposition(|byte| *byte == b')')?;
        let pid = std::str::from_utf8(&text[..name]).ok()?.trim_end().parse().ok()?;
        let rest = std::str::from_utf8(&text[name_end + 1..]).ok()?;
        // Numbered as in the manual: the first field behind the name is the third.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let threads: u64 = field(20)?.parse().ok()?;
        let has_ended = match field(3)? {
            "X" | "x" => true,
            // The first thread may have ended before the others.
            "Z" => threads <= 1,
            _ => false,
        };
        Some(Self { pid, has_ended, start_time: field(22)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str, state: &str, threads: u32) -> String {
        format!("42 ({name}) {state} 1 5 6 0 -1 7 100 0 0 0 0 0 0 0 20 0 {threads} 0 1288616 99 3")
    }

    #[test]
    fn a_name_may_be_anything() {
        for name in ["php", "", "a b", ") Z 1 (", "((", "))", "php-fpm: pool x", "\n"] {
            let expected = Stat { pid: 42, has_ended: false, start_time: 1_288_616 };
            assert_eq!(Stat::parse(stat(name, "S", 1).as_bytes()), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_zombie_has_ended_unless_it_has_more_threads() {
        let has_ended = |state, threads| {
            Stat::parse(stat("php", state, threads).as_bytes()).expect("whole").has_ended
        };
        assert!(has_ended("Z", 1) && has_ended("X", 1));
        assert!(!has_ended("Z", 2) && !has_ended("R", 1) && !has_ended("T", 1));
    }

    #[test]
    fn what_is_cut_short_tells_nothing() {
        let text = stat("php", "S", 1);
        let start = text.find(" 1288616").expect("the start time");
        for end in 0..=start {
            assert_eq!(Stat::parse(&text.as_bytes()[..end]), None, "{end}");
        }
        assert_eq!(Stat::parse(b") 42 ("), None);
    }
}
