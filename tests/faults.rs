//! Errors of the kernel: a full or read-only disk, no descriptors left, network file systems, and
//! an error from every single system call on the way, one after another (injected with strace).

mod support;

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File},
    io::Write,
    os::unix::fs::DirBuilderExt,
    path::Path,
    process::Command,
    sync::Mutex,
};

use support::{
    Answer, Php, Setup, folder, in_parallel, is_root, number, program, seeded, users_of, wait_for,
};

/// One command that meets an error somewhere on its way.
struct Scenario {
    name: &'static str,
    /// Commands that make the store as it is before.
    before: &'static [&'static str],
    command: &'static str,
    setting: &'static str,
    /// What `get one` finds after success.
    done: &'static str,
    /// What it may find as well after a failure that PHP was told of.
    not_done: &'static [&'static str],
}

const SMALL: &[&str] = &["put one 1 100", "put one 2 120"];
const LARGE: &[&str] = &["put one 1 50000", "put one 2 60000"];

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "small data over small",
        before: SMALL,
        command: "put one 3 150",
        setting: "sessclust.sync=off",
        done: "3 150",
        not_done: &["2 120"],
    },
    Scenario {
        name: "large data over small, synced",
        before: SMALL,
        command: "put one 3 70000",
        setting: "sessclust.sync=on",
        done: "3 70000",
        not_done: &["2 120"],
    },
    Scenario {
        name: "large data over large",
        before: LARGE,
        command: "put one 3 70000",
        setting: "sessclust.sync=off",
        done: "3 70000",
        not_done: &["2 60000"],
    },
    Scenario {
        name: "a new session in a new store, synced",
        before: &[],
        command: "put one 3 150",
        setting: "sessclust.sync=on",
        done: "3 150",
        not_done: &["empty"],
    },
    Scenario {
        name: "unchanged data",
        before: LARGE,
        command: "touch one",
        setting: "sessclust.sync=off",
        done: "2 60000",
        not_done: &[],
    },
    Scenario {
        name: "read_and_close",
        before: LARGE,
        command: "peek one",
        setting: "sessclust.sync=off",
        done: "2 60000",
        not_done: &[],
    },
    Scenario {
        name: "destroy",
        before: SMALL,
        command: "destroy one",
        setting: "sessclust.sync=off",
        done: "empty",
        not_done: &["2 120"],
    },
    Scenario {
        name: "regenerate",
        before: SMALL,
        command: "regenerate one",
        setting: "sessclust.sync=off",
        done: "empty",
        not_done: &["2 120"],
    },
    Scenario {
        name: "gc",
        before: SMALL,
        command: "gc one",
        setting: "sessclust.sync=off",
        done: "2 120",
        not_done: &[],
    },
];

/// Calls that cannot fail, that are PHP's own memory, timers and output, or that end the process.
const NOT_OURS: &[&str] = &[
    "access",
    "brk",
    "clock_gettime",
    "exit_group",
    "futex",
    "geteuid",
    "getpid",
    "gettid",
    "getuid",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "rt_sigaction",
    "rt_sigprocmask",
    "setitimer",
    "sigaltstack",
    "write",
];

/// Runs a command under strace with `options`; the log goes to `log`.
fn strace(setup: &Setup, log: &Path, options: &[&str], command: &str) -> Answer {
    let log = log.to_str().unwrap();
    setup.run_in(&[&["strace", "-f", "-q", "-o", log], options].concat(), command)
}

/// One system call of a process, and what it is to return instead of what it does.
struct Fault {
    name: String,
    /// Which of the process's calls of this name, counted from 1.
    count: usize,
    /// In strace's words.
    result: &'static str,
}

impl Fault {
    fn strace(&self, setup: &Setup, log: &Path, command: &str) -> Answer {
        let Self { name, count, result } = self;
        let inject = format!("inject={name}:{result}:when={count}");
        let options = ["--seccomp-bpf", "-e", &format!("trace={name}"), "-e", &inject];
        strace(setup, log, &options, command)
    }
}

/// The faults to inject into the command of a log, call by call. Of many calls in a row with the
/// same name (a sweep of all directories), the first and last two.
fn faults(log: &Path) -> Vec<Fault> {
    let log = fs::read_to_string(log).unwrap();
    let mut counts = HashMap::<&str, usize>::new();
    let mut calls: Vec<(&str, usize)> = Vec::new();
    let mut begun = false;
    for line in log.lines() {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let Some((name, _)) = call.split_once('(') else { continue };
        let count = counts.entry(name).or_default();
        *count += 1;
        begun |= line.contains("/sessclust-test-begin");
        if begun && !NOT_OURS.contains(&name) {
            if calls.len() >= 4 && calls[calls.len() - 4..].iter().all(|call| call.0 == name) {
                calls.remove(calls.len() - 2);
            }
            calls.push((name, *count));
        }
    }
    let names: Vec<&str> = calls.iter().map(|(name, _)| *name).collect();
    println!("{}", names.join(" "));
    assert!(calls.len() > 3);
    let mut faults = Vec::new();
    for (name, count) in calls {
        for result in ["error=EIO", "error=ENOSPC", "error=EMFILE", "error=EINTR", "retval=0"] {
            // Nothing written and no error: no room, on some file systems.
            if result != "retval=0" || name == "pwrite64" {
                faults.push(Fault { name: name.to_owned(), count, result });
            }
        }
    }
    faults
}

impl Scenario {
    /// Brings the store into the state before, by a process that meets no errors.
    fn prepare(&self, clean: &mut Php, store: &Path) {
        if self.before.is_empty() {
            // The directories go as well: making them is on the way.
            fs::remove_dir_all(store).unwrap();
            fs::create_dir(store).unwrap();
        } else {
            clean.call("destroy one").value();
            for command in self.before {
                clean.call(command).value();
            }
        }
        if self.command == "regenerate one" {
            // The new id may fall anywhere, and how many calls that takes must not be a matter of
            // luck.
            let user = rustix::process::geteuid().as_raw();
            for shard in 0..=0xff {
                let shard = store.join(format!("u{user}/{shard:02x}"));
                DirBuilder::new().mode(0o700).recursive(true).create(shard).unwrap();
            }
        }
    }

    /// Whether an answer, and what is found after it, is right.
    fn allows(&self, answer: &Answer, found: &Answer) -> bool {
        let is_expected = found.value == self.done
            || (!answer.ok && self.not_done.contains(&found.value.as_str()));
        answer.is_clean() && found.ok && found.is_clean() && is_expected
    }
}

#[test]
fn an_error_from_any_system_call_is_harmless_or_one_warning() {
    /// These are retried after a signal; the others never see one on a local file system.
    const RETRIED: &[&str] = &["flock", "pread64", "pwrite64"];
    if program(&["strace"]).is_none() {
        return;
    }
    let wrong = Mutex::new(Vec::new());
    in_parallel(2, |thread| {
        let folder = folder();
        let (store, log) = (folder.path().join("store"), folder.path().join("log"));
        fs::create_dir(&store).unwrap();
        let mut clean = Setup::new(&store).start();
        for scenario in SCENARIOS.iter().skip(thread).step_by(2) {
            let Scenario { name, command, setting, .. } = scenario;
            let setup = Setup::new(&store).with(setting);
            scenario.prepare(&mut clean, &store);
            strace(&setup, &log, &["-e", "trace=all"], command).value();
            let faults = faults(&log);
            println!("{} faults for {name}", faults.len());
            for fault in &faults {
                scenario.prepare(&mut clean, &store);
                let answer = fault.strace(&setup, &log, command);
                let log = fs::read_to_string(&log).unwrap();
                let injected = log.lines().find(|line| line.contains("(INJECTED"));
                let injected = injected.unwrap_or_else(|| panic!("{name}: not reached:\n{log}"));
                let found = clean.call("get one");
                let is_retried = fault.result == "error=EINTR" && RETRIED.contains(&&*fault.name);
                if !scenario.allows(&answer, &found) || (is_retried && !answer.ok) {
                    let what = format!("{name}: {injected}: {answer:?}, then {found:?}");
                    wrong.lock().unwrap().push(what);
                }
                // "new-id token count": the session goes on under its new id.
                if *command == "regenerate one" && answer.ok {
                    let (id, life) = answer.value.split_once(' ').expect("an id and a life");
                    assert_eq!(clean.call(&format!("life {id}")).value(), life, "{injected}");
                }
            }
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} faults went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The same for a process that waits for the lock.
#[test]
fn an_error_while_waiting_for_a_lock_is_harmless_or_one_warning() {
    if program(&["strace"]).is_none() {
        return;
    }
    let folder = folder();
    let store = folder.path().join("store");
    fs::create_dir(&store).unwrap();
    let log = folder.path().join("log");
    let setup = Setup::new(&store);
    let mut holder = setup.start();
    let mut count = 0;
    let mut wait_and_increment = |increment: &(dyn Fn() -> Answer + Sync)| {
        holder.send("stage one");
        assert_eq!(holder.line().as_deref(), Some("open"));
        let answer = std::thread::scope(|scope| {
            let waiter = scope.spawn(increment);
            wait_for("a second user of the session's file, or its failure", || {
                (users_of(&store) == 2 || waiter.is_finished()).then_some(())
            });
            holder.send("");
            holder.answer().value();
            waiter.join().unwrap()
        });
        assert!(answer.is_clean(), "{answer:?}");
        // Two increments, or one; a failure after the write leaves both.
        let stored = support::count(&holder.call("life one").value());
        assert!(stored == count + 2 || (!answer.ok && stored == count + 1), "{answer:?}");
        count = stored;
    };
    let trace_all = || strace(&setup, &log, &["-e", "trace=all"], "increment one");
    wait_and_increment(&trace_all);
    for fault in faults(&log) {
        // How often the waiter looks is a matter of time: a late call may not happen.
        wait_and_increment(&|| fault.strace(&setup, &log, "increment one"));
    }
}

#[test]
fn without_a_free_descriptor_there_is_one_warning() {
    let store = folder();
    let setup = Setup::new(store.path());
    setup.run("put one 1 100").value();
    let mut php = setup.start_in(&["prlimit", "--nofile=64"]);
    for command in ["get one", "peek one", "put one 2 100", "destroy one", "put two 1 100"] {
        let answer = php.call(&format!("without_descriptors {command}"));
        assert!(answer.failure().contains("Too many open files"), "{command}");
    }
    assert_eq!(php.call("get one").value(), "1 100");
    assert_eq!(php.call("get two").value(), "empty");
    php.call("put one 2 100").value();
}

/// A small file system of its own, visible only to the PHP process that works on it.
struct SmallDisk {
    php: Php,
    pid: String,
    path: String,
}

impl SmallDisk {
    /// A tmpfs of 256 KB. `None` where we may not mount: not root, or in a container; the injected
    /// errors then have to do, so that is not a failure in CI.
    fn mount(setup: &Setup, path: &Path) -> Option<Self> {
        let mountable = Command::new("unshare").args(["--mount", "true"]).output();
        if !is_root() || !mountable.is_ok_and(|output| output.status.success()) {
            println!("skipped: may not mount");
            return None;
        }
        let path = path.to_str().unwrap().to_owned();
        let mount = "mount -t tmpfs -o size=1m,mode=1777 none \"$0\" && exec \"$@\"";
        let mut php = setup.start_in(&["unshare", "--mount", "sh", "-c", mount, &path]);
        let pid = php.call("pid").value();
        Some(Self { php, pid, path })
    }

    /// Runs a command in a fresh PHP process that sees this disk.
    fn run(&self, setup: &Setup, command: &str) -> Answer {
        setup.run_in(&["nsenter", "--mount", "--target", &self.pid], command)
    }

    fn remount(&self, option: &str) {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.pid, "mount", "-o", option, &self.path]);
        assert!(command.status().unwrap().success());
    }

    /// The disk's files, seen from here.
    fn file(&self, name: &str) -> String {
        format!("/proc/{}/root{}/{name}", self.pid, self.path)
    }

    /// Leaves at most `free` bytes.
    fn fill(&self, free: usize) {
        let _ = fs::remove_file(self.file("filler"));
        let mut filler = File::create(self.file("filler")).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
        let length = filler.metadata().unwrap().len();
        filler.set_len(length.saturating_sub(free as u64)).unwrap();
    }
}

#[test]
fn on_a_full_disk_writes_fail_and_nothing_stored_is_lost() {
    const ROUNDS: u32 = 300;
    const SESSIONS: usize = 4;
    let store = folder();
    let mut rng = seeded();
    let setup = Setup::new(store.path());
    let Some(mut disk) = SmallDisk::mount(&setup, store.path()) else { return };
    let mut stored = [0; SESSIONS];
    let mut failed = 0;
    for round in 1..=ROUNDS {
        let session = rng.usize(..SESSIONS);
        disk.fill(rng.usize(..6) * 4096);
        let bytes = if rng.bool() { rng.usize(..2000) } else { rng.usize(..50_000) };
        let answer = disk.php.call(&format!("put s{session} {round} {bytes}"));
        let found = number(&disk.php.call(&format!("get s{session}")).value());
        if answer.ok {
            answer.value();
            stored[session] = round;
        } else {
            assert!(answer.failure().contains("No space left"), "the cause");
            failed += 1;
        }
        assert_eq!(found, stored[session], "round {round}");
    }
    println!("{failed} of {ROUNDS} writes failed");
    assert!(failed > ROUNDS / 10, "the disk was full now and then");
    fs::remove_file(disk.file("filler")).unwrap();
    for (session, stored) in stored.into_iter().enumerate() {
        let found = disk.run(&setup, &format!("get s{session}")).value();
        assert_eq!(number(&found), stored);
        disk.php.call(&format!("put s{session} 1000 20000")).value();
    }
}

#[test]
fn on_a_read_only_disk_nothing_is_lost() {
    let store = folder();
    let setup = Setup::new(store.path());
    let Some(mut disk) = SmallDisk::mount(&setup, store.path()) else { return };
    disk.php.call("put one 1 1000").value();
    disk.remount("remount,ro");
    for command in ["put one 2 1000", "put two 1 1000", "destroy one"] {
        assert!(disk.php.call(command).failure().contains("Read-only file system"), "{command}");
        assert!(disk.run(&setup, command).failure().contains("Read-only file system"), "{command}");
    }
    disk.remount("remount,rw");
    assert_eq!(disk.php.call("get one").value(), "1 1000");
    disk.php.call("put one 3 1000").value();
}

/// strace writes the magic number into what `statfs` returned.
#[test]
fn network_file_systems_are_refused() {
    // Little-endian, as `f_type`, the first field. Source: linux/magic.h.
    const NETWORKS: &[(&str, &str)] = &[
        ("NFS", "6969000000000000"),
        ("SMB", "424d53ff00000000"),
        ("SMB", "424d53fe00000000"),
        ("SMB", "7b51000000000000"),
    ];
    if program(&["strace"]).is_none() {
        return;
    }
    let store = folder();
    let setup = Setup::new(store.path());
    setup.run("put one 1 100").value();
    for (name, magic) in NETWORKS {
        let inject = format!("inject=statfs:poke_exit=@arg2={magic}");
        let log = store.path().join("log");
        let warning = strace(&setup, &log, &["-e", &inject], "put one 2 100").failure();
        assert!(warning.contains(&format!("network file system ({name})")), "{warning}");
    }
    assert_eq!(setup.run("get one").value(), "1 100");
}
