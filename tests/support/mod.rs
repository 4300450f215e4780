//! What the end-to-end tests share: PHP, php-fpm, nginx, memcached and Redis as values that are
//! killed when dropped, and a `FastCGI` client that speaks to php-fpm without a web server between.
//!
//! All run `session.php` beside this file: one command in, one [`Answer`] out. All sockets and
//! files are in a temporary folder; what needs a port gets one from the kernel. Waiting is always
//! for a condition, with [`PATIENCE`] as the limit.
//!
//! Environment: `SESSCLUST_SO` (the extension to load; built when unset), `SESSCLUST_SEED` (repeats
//! a seeded test), `PHP` and `PHP_FPM` (programs of one PHP version), `CI` (a missing program
//! fails).

#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part of this module")]

pub mod memcached;
// Servers for the engine's tests as well.
#[path = "../../src/engine/tests/support/certificates.rs"]
pub mod certificates;
#[path = "../../src/engine/tests/support/redis.rs"]
pub mod redis;
#[path = "../../src/engine/tests/support/redis_cluster.rs"]
pub mod redis_cluster;
#[path = "../../src/engine/tests/support/sentinels.rs"]
pub mod sentinels;

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// How long a test waits for anything before it fails. Far above what a loaded machine needs, and
/// less than the lock wait that tests of "at once" set, so that they fail when something really
/// waits.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What PHP answered to one command.
#[derive(Clone, Debug)]
pub struct Answer {
    /// No session function returned false.
    pub ok: bool,
    /// The command's result, or the function that returned false.
    pub value: String,
    /// Warnings of the extension.
    pub ours: Vec<String>,
    /// Warnings that PHP's session module raises itself after a save handler's failure.
    pub php: Vec<String>,
    /// What the process said on stderr, where it was one for this command alone.
    pub stderr: String,
}

impl Answer {
    pub fn parse(line: &str) -> Self {
        let mut fields = line.trim_end_matches('\n').split('\t').map(str::to_owned);
        let result = fields.next().unwrap_or_default();
        assert!(matches!(&*result, "ok" | "false"), "not an answer: {line:?}");
        let value = fields.next().unwrap_or_default();
        // All of PHP's own name the handler and its path; session.c of PHP 8.1 to 8.5.
        let is_php = |text: &String| {
            ["(path: ", "Failed to write session data (", "Session object destruction failed"]
                .iter()
                .any(|own| text.contains(own))
        };
        let (php, ours) = fields.partition(is_php);
        Self { ok: result == "ok", value, ours, php, stderr: String::new() }
    }

    /// Success without a warning, or failure with one of ours.
    pub fn is_clean(&self) -> bool {
        let warnings = if self.ok { self.ours.len() + self.php.len() } else { self.ours.len() };
        warnings == usize::from(!self.ok) && self.stderr.is_empty()
    }

    /// The value of a command that succeeded without a warning.
    #[track_caller]
    pub fn value(self) -> String {
        assert!(self.ok && self.is_clean(), "{self:?}");
        self.value
    }

    /// The one warning that names the cause of a command's failure.
    #[track_caller]
    pub fn failure(self) -> String {
        assert!(!self.ok && self.is_clean(), "{self:?}");
        self.ours.into_iter().next().unwrap_or_default()
    }
}

/// What PHP has logged, without what the extension tells the server's log of nodes that fail.
fn without_notices(log: &[u8]) -> String {
    let log = String::from_utf8_lossy(log);
    log.lines().filter(|line| !line.contains("sessclust: ")).collect()
}

/// A folder for sockets and stores that also workers of other users may enter.
pub fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("sessclust-test-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    folder
}

/// The extension under test: `SESSCLUST_SO`, or built here, once, into the target folder of this
/// test.
///
/// `cargo test` itself leaves a cdylib only in `deps/`, without the release profile. In the
/// environment that it gives its tests, crates of others are built anew, and so they are by the
/// next script: `script/test` names the extension.
pub fn extension() -> &'static Path {
    static EXTENSION: OnceLock<PathBuf> = OnceLock::new();
    EXTENSION.get_or_init(|| {
        if let Some(path) = env::var_os("SESSCLUST_SO") {
            return fs::canonicalize(path).expect("SESSCLUST_SO names a file");
        }
        let test = env::current_exe().unwrap();
        let target = test.ancestors().nth(3).expect("target/debug/deps/test");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "--quiet", "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success(), "cargo build --release failed");
        target.join("release/libsessclust.so")
    })
}

/// A generator for one test. Prints its seed, which a failing test shows.
pub fn seeded() -> fastrand::Rng {
    let seed = match env::var("SESSCLUST_SEED") {
        Ok(seed) => seed.parse().expect("SESSCLUST_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("seed: SESSCLUST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Finds a program among `names`. Where it is missing a test is skipped (`None`), in CI it fails.
pub fn program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|file| file.is_file());
    found.or_else(|| skip(&format!("{} is not installed", names[0])))
}

/// Skips a test whose needs this machine does not meet: a failure in CI, where they are part of the
/// job.
pub fn skip<T>(reason: &str) -> Option<T> {
    assert!(env::var_os("CI").is_none(), "{reason}");
    println!("skipped: {reason}");
    None
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Waits until `condition` gives a value.
#[track_caller]
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A process with its children, killed when dropped, and by the kernel when this test dies first.
///
/// The kernel's signal is bound to the thread that starts the process: start servers from the
/// thread that outlives them.
pub struct Process(Child);

impl Process {
    /// `setpriv` (util-linux) sets the parent-death signal; doing it here would need `unsafe`. It
    /// is SIGTERM, which all these programs pass on to their children.
    pub fn command(program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program).process_group(0);
        command
    }

    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Ends the process as a crash would: SIGKILL, for it and its children.
    pub fn kill(&mut self) {
        // An error says that the process ended before, or was killed before.
        let _ = rustix::process::kill_process_group(self.pid(), Signal::KILL);
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to one process.
pub fn signal(pid: &str, signal: Signal) {
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Kills one process with SIGKILL.
pub fn kill(pid: &str) {
    signal(pid, Signal::KILL);
}

/// The children of a process, as the kernel lists them.
pub fn children(pid: Pid) -> Vec<String> {
    let pid = pid.as_raw_nonzero();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    list.split_whitespace().map(str::to_owned).collect()
}

/// Anonymous memory that the process keeps for itself; pages of files come and go.
fn memory_kb(pid: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Has one worker answer 10,000 requests of all kinds, `other` being one more. It must not hold
/// more memory or descriptors then than after the first thousand. Gives the server and the worker.
pub fn use_up_a_worker(setup: &Setup, other: &str) -> Option<(Fpm, String)> {
    const WARM: usize = 1_000;
    const REQUESTS: usize = 10_000;
    /// The allocator's own fluctuation; a leak of 100 bytes a request would be above it.
    const GROWTH_KB_MAX: usize = 512;
    // A process that changed its user may not look at itself otherwise.
    let pool = Pool { lines: "process.dumpable=yes", ..Pool::new(1) };
    let fpm = Fpm::start(setup, &[pool])?;
    let answer = |requests| {
        for request in 0..requests {
            let session = request % 50;
            match request % 10 {
                0 => fpm.call(&format!("put large{session} {request} 100000")),
                1 => fpm.call(&format!("destroy s{session}")),
                2 => fpm.call(&format!("regenerate s{session}")),
                3 => fpm.call(&format!("life s{session}")),
                4 => fpm.call(&format!("touch large{session}")),
                5 => fpm.call(other),
                _ => fpm.call(&format!("increment s{session}")),
            }
            .value();
        }
    };
    answer(WARM);
    let workers = fpm.workers();
    let [worker] = &workers[..] else { panic!("one worker") };
    let before = (fpm.call("descriptors").value(), memory_kb(worker));
    answer(REQUESTS);
    let after = (fpm.call("descriptors").value(), memory_kb(worker));
    println!("descriptors and KB before {before:?}, after {after:?}");
    assert_eq!(fpm.workers(), workers, "still the same worker");
    assert_eq!(before.0, after.0);
    assert!(after.1 <= before.1 + GROWTH_KB_MAX, "{before:?} {after:?}");
    let worker = worker.clone();
    Some((fpm, worker))
}

/// How many processes have a file of `folder` open, which they have from before they wait for its
/// lock.
///
/// Processes end and descriptors close while this looks; what is gone counts as not open.
pub fn users_of(folder: &Path) -> usize {
    let below = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let is_open = |process: &fs::DirEntry| {
        let mut descriptors = below(process.path().join("fd"));
        descriptors.any(|fd| fs::read_link(fd.path()).is_ok_and(|file| file.starts_with(folder)))
    };
    below("/proc".into()).filter(is_open).count()
}

/// How PHP is configured in a test: the extension and nothing else, sessions in `store`, ids from
/// the test instead of cookies. Later settings win over earlier ones.
#[derive(Clone)]
pub struct Setup {
    settings: Vec<String>,
}

impl Setup {
    pub fn new(store: &Path) -> Self {
        Self::with_save_path(store.to_str().unwrap())
    }

    /// Sessions in whatever this save path names.
    pub fn with_save_path(save_path: &str) -> Self {
        let extension = extension().to_str().unwrap();
        Self::of_handler("sessclust", &[extension], save_path)
    }

    /// With this save handler, which these extensions bring with them.
    pub fn of_handler(handler: &str, extensions: &[&str], save_path: &str) -> Self {
        let setup = Self { settings: Vec::new() };
        let extensions = extensions.iter().map(|extension| format!("extension={extension}"));
        let setup = extensions.fold(setup, |setup, extension| setup.with(&extension));
        [
            &format!("session.save_handler={handler}"),
            &format!("session.save_path=\"{save_path}\""),
            "session.use_cookies=0",
            "session.use_strict_mode=0",
            "session.cache_limiter=",
            "session.gc_probability=0",
            "display_errors=stderr",
            "log_errors=0",
            "html_errors=0",
        ]
        .into_iter()
        .fold(setup, Self::with)
    }

    pub fn with(mut self, setting: &str) -> Self {
        self.settings.extend(["-d".to_owned(), setting.to_owned()]);
        self
    }

    /// Command line of `php session.php`, run by `wrapper` (a program with arguments, or nothing).
    fn php(&self, wrapper: &[&str], options: &[&str]) -> Command {
        let php = env::var("PHP").unwrap_or_else(|_| "php".to_owned());
        let mut words = wrapper.iter().copied().chain([php.as_str(), "-n"]);
        let mut command = Process::command(words.next().expect("php at least"));
        command
            .args(words)
            .args(&self.settings)
            .args(options)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/session.php"));
        command
    }

    /// Runs one command in a PHP process of its own.
    #[track_caller]
    pub fn run(&self, command: &str) -> Answer {
        self.run_in(&[], command)
    }

    /// What PHP prints when it runs this code with these settings.
    pub fn eval(&self, code: &str) -> String {
        let php = env::var("PHP").unwrap_or_else(|_| "php".to_owned());
        let output = Command::new(php).arg("-n").args(&self.settings).args(["-r", code]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    /// As [`Self::run`], started by `wrapper`.
    #[track_caller]
    pub fn run_in(&self, wrapper: &[&str], command: &str) -> Answer {
        let limit = PATIENCE.as_secs().to_string();
        let wrapper = [&["timeout", "--signal=KILL", &limit], wrapper].concat();
        let output = self.php(&wrapper, &[]).args(command.split(' ')).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        let stderr = without_notices(&output.stderr);
        Answer { stderr, ..Answer::parse(&String::from_utf8_lossy(&output.stdout)) }
    }

    /// A PHP process that takes one command after another.
    pub fn start(&self) -> Php {
        self.start_in(&[])
    }

    pub fn start_in(&self, wrapper: &[&str]) -> Php {
        // Its output comes through a socket, because reading from a pipe has no time limit.
        let (ours, its) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = self.php(wrapper, &[]);
        command.stdin(Stdio::piped()).stdout(OwnedFd::from(its));
        let mut process = Process::start(&mut command);
        let stdin = process.0.stdin.take().expect("stdin is a pipe");
        Php { process, stdin, stdout: BufReader::new(ours) }
    }
}

/// A command-line PHP process reading commands.
pub struct Php {
    pub process: Process,
    stdin: ChildStdin,
    stdout: BufReader<UnixStream>,
}

impl Php {
    pub fn send(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// The next whole line, or `None` when the process has ended (a cut line was never finished).
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.strip_suffix('\n').map(str::to_owned)
    }

    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        Answer::parse(&self.line().expect("PHP ended without an answer"))
    }

    #[track_caller]
    pub fn call(&mut self, command: &str) -> Answer {
        self.send(command);
        self.answer()
    }
}

/// One pool of a php-fpm master.
pub struct Pool {
    pub name: &'static str,
    /// Ignored unless the tests run as root.
    pub user: &'static str,
    pub workers: usize,
    /// Lines for the pool's section.
    pub lines: &'static str,
}

impl Pool {
    pub fn new(workers: usize) -> Self {
        Self { name: "www", user: "www-data", workers, lines: "" }
    }
}

/// A php-fpm master with its pools.
pub struct Fpm {
    folder: TempDir,
    process: Process,
    workers: usize,
}

impl Fpm {
    /// Starts php-fpm and waits until all pools have their workers and accept.
    pub fn start(setup: &Setup, pools: &[Pool]) -> Option<Self> {
        let fpm = match env::var_os("PHP_FPM") {
            Some(fpm) => fpm.into(),
            None => program(&[
                "php-fpm",
                "php-fpm8.5",
                "php-fpm8.4",
                "php-fpm8.3",
                "php-fpm8.2",
                "php-fpm8.1",
            ])?,
        };
        let folder = folder();
        let path = folder.path().display();
        // Without a control timeout a reload kills the requests that are running.
        let mut config = Vec::new();
        writeln!(config, "[global]\nerror_log={path}/log\nprocess_control_timeout=60s").unwrap();
        for Pool { name, user, workers, lines } in pools {
            let user =
                if is_root() { format!("user={user}\ngroup=nogroup\n") } else { String::new() };
            writeln!(
                config,
                "[{name}]\n{user}listen={path}/{name}.sock\nlisten.mode=0666\npm=static\n\
                 pm.max_children={workers}\n{lines}"
            )
            .unwrap();
        }
        fs::write(folder.path().join("config"), config).unwrap();
        let script = folder.path().join("session.php");
        fs::write(&script, include_str!("session.php")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
        let mut command = Process::command(fpm);
        command
            .args(["-n", "-F", "-R", "-y"])
            .arg(folder.path().join("config"))
            .args(&setup.settings);
        // Pools that log into the request, so that a client sees what PHP says after the answer.
        command.args(["-d", "log_errors=1", "-d", "display_errors=0"]);
        let process = Process::start(command.stderr(Stdio::null()));
        let workers = pools.iter().map(|pool| pool.workers).sum();
        let fpm = Self { folder, process, workers };
        wait_for("php-fpm", || (fpm.workers().len() == workers).then_some(()));
        for pool in pools {
            wait_for("php-fpm's socket", || UnixStream::connect(fpm.socket(pool.name)).ok());
        }
        Some(fpm)
    }

    pub fn socket(&self, pool: &str) -> PathBuf {
        self.folder.path().join(format!("{pool}.sock"))
    }

    pub fn script(&self) -> PathBuf {
        self.folder.path().join("session.php")
    }

    pub fn workers(&self) -> Vec<String> {
        children(self.process.pid())
    }

    /// Reloads gracefully (SIGUSR2) and waits until all workers are new.
    pub fn reload(&self) {
        let old = self.workers();
        rustix::process::kill_process(self.process.pid(), Signal::USR2).unwrap();
        wait_for("new workers after a reload", || {
            let new = self.workers();
            let all_new = new.len() == self.workers && new.iter().all(|pid| !old.contains(pid));
            all_new.then_some(())
        });
    }

    /// What the master has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Sends a command to the pool `www` and waits for its answer.
    #[track_caller]
    pub fn call(&self, command: &str) -> Answer {
        self.call_pool("www", command)
    }

    #[track_caller]
    pub fn call_pool(&self, pool: &str, command: &str) -> Answer {
        let answer = self.try_call(pool, command);
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// As [`Self::call_pool`], where the worker may be killed meanwhile.
    pub fn try_call(&self, pool: &str, command: &str) -> io::Result<Answer> {
        let mut reply = self.try_send(pool, command)?;
        let mut body = String::new();
        reply.read_to_string(&mut body)?;
        let error = without_notices(&reply.get_ref().error);
        assert!(error.is_empty(), "{command}: {error} {body:?}");
        Ok(Answer::parse(&body))
    }

    /// Sends a command and gives its output from behind the headers, as it comes.
    #[track_caller]
    pub fn send(&self, pool: &str, command: &str) -> BufReader<FastCgi> {
        let reply = self.try_send(pool, command);
        reply.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// As [`Self::send`], where PHP may fail.
    pub fn try_send(&self, pool: &str, command: &str) -> io::Result<BufReader<FastCgi>> {
        let script = self.script();
        let parameters = [
            ("SCRIPT_FILENAME", script.to_str().unwrap()),
            ("REQUEST_METHOD", "GET"),
            ("QUERY_STRING", &command.replace(' ', "+")),
        ];
        let stream = UnixStream::connect(self.socket(pool))?;
        let mut reply = BufReader::new(FastCgi::send(stream, &parameters)?);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if reply.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.starts_with("Status") {
                return Err(io::Error::other(line));
            }
        }
        Ok(reply)
    }
}

/// One `FastCGI` request on a connection of its own; reading gives the body that PHP prints.
///
/// Source: `FastCGI` specification 1.0, section 3.3 (records) and 3.4 (name-value pairs).
pub struct FastCgi {
    stream: UnixStream,
    /// What is left of the record that is being read, and its padding.
    left: usize,
    padding: usize,
    ended: bool,
    /// What PHP logged during the request.
    pub error: Vec<u8>,
}

impl FastCgi {
    const BEGIN: u8 = 1;
    const END: u8 = 3;
    const PARAMS: u8 = 4;
    const STDIN: u8 = 5;
    const STDERR: u8 = 7;

    pub fn send(mut stream: UnixStream, parameters: &[(&str, &str)]) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut pairs = Vec::new();
        for (name, value) in parameters {
            for length in [name.len(), value.len()] {
                pairs.extend((u32::try_from(length).unwrap() | 1 << 31).to_be_bytes());
            }
            pairs.extend([name.as_bytes(), value.as_bytes()].concat());
        }
        let mut request = Vec::new();
        let responder = [0, 1, 0, 0, 0, 0, 0, 0];
        for (kind, content) in [
            (Self::BEGIN, &responder[..]),
            (Self::PARAMS, &pairs),
            (Self::PARAMS, &[]),
            (Self::STDIN, &[]),
        ] {
            let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
            request.extend([1, kind, 0, 1, high, low, 0, 0]);
            request.extend(content);
        }
        stream.write_all(&request)?;
        Ok(Self { stream, left: 0, padding: 0, ended: false, error: Vec::new() })
    }
}

impl Read for FastCgi {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 && !self.ended {
            let mut header = [0; 8];
            io::copy(&mut (&self.stream).take(self.padding as u64), &mut io::sink())?;
            self.stream.read_exact(&mut header)?;
            self.left = usize::from(u16::from_be_bytes([header[4], header[5]]));
            self.padding = usize::from(header[6]);
            if matches!(header[1], Self::END | Self::STDERR) {
                let mut content = vec![0; self.left];
                self.stream.read_exact(&mut content)?;
                self.left = 0;
                self.ended = header[1] == Self::END;
                if !self.ended {
                    self.error.extend(content);
                }
            }
        }
        let wanted = buffer.len().min(self.left);
        let read = self.stream.read(&mut buffer[..wanted])?;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        Ok(read)
    }
}

/// Creates a file that `increment_after` waits for.
pub fn open_gate(gate: &Path) {
    fs::write(gate, "").unwrap();
}

/// Starts `increment_after` and waits until it has the session; gives its output and its process.
pub fn hold(server: &Fpm, id: &str, gate: &Path) -> (impl BufRead + use<>, String) {
    let mut output = server.send("www", &format!("increment_after {id} {}", gate.display()));
    let mut pid = String::new();
    output.read_line(&mut pid).unwrap();
    (output, pid)
}

/// What a process answers that `hold` has started.
pub fn answer(mut output: impl Read) -> Answer {
    let mut line = String::new();
    output.read_to_string(&mut line).unwrap();
    Answer::parse(&line)
}

/// nginx before a php-fpm pool, listening on a Unix socket.
pub struct Nginx {
    folder: TempDir,
    _process: Process,
}

impl Nginx {
    pub fn start(fpm: &Fpm) -> Option<Self> {
        let nginx = program(&["nginx"])?;
        let folder = folder();
        let path = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {path}/{kind};\n"))
            .concat();
        let config = format!(
            "daemon off; pid {path}/pid; error_log stderr; worker_processes 2;
             events {{}}
             http {{ access_log off; {temporary}
               server {{ listen unix:{path}/socket; location / {{
                 fastcgi_pass unix:{};
                 fastcgi_param SCRIPT_FILENAME {};
                 fastcgi_param REQUEST_METHOD $request_method;
                 fastcgi_param QUERY_STRING $query_string;
                 fastcgi_param HTTP_COOKIE $http_cookie; }} }} }}",
            fpm.socket("www").display(),
            fpm.script().display(),
        );
        fs::write(folder.path().join("config"), config).unwrap();
        let mut command = Process::command(nginx);
        command.args(["-e", "stderr", "-c"]).arg(folder.path().join("config"));
        let process = Process::start(&mut command);
        let nginx = Self { folder, _process: process };
        wait_for("nginx", || UnixStream::connect(nginx.folder.path().join("socket")).ok());
        Some(nginx)
    }

    /// Sends a command with an optional session cookie; gives the answer and the cookie that was
    /// set.
    #[track_caller]
    pub fn call(&self, command: &str, cookie: Option<&str>) -> (Answer, Option<String>) {
        let stream = UnixStream::connect(self.folder.path().join("socket")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        http(stream, command, cookie)
    }
}

/// One HTTP request with a command and an optional session cookie.
#[track_caller]
fn http(
    mut stream: impl Read + Write,
    command: &str,
    cookie: Option<&str>,
) -> (Answer, Option<String>) {
    let cookie = cookie.map(|id| format!("Cookie: PHPSESSID={id}\r\n")).unwrap_or_default();
    let query = command.replace(' ', "+");
    write!(stream, "GET /?{query} HTTP/1.0\r\nHost: test\r\n{cookie}\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").expect("headers");
    assert_eq!(head.split(' ').nth(1), Some("200"), "{reply}");
    let set = head.lines().find_map(|line| line.strip_prefix("Set-Cookie: PHPSESSID="));
    let set = set.map(|rest| rest.split(';').next().unwrap_or_default().to_owned());
    (Answer::parse(body), set)
}

/// PHP's own web server, on a port from the kernel.
pub struct WebServer {
    port: u16,
    _folder: TempDir,
    _process: Process,
}

impl WebServer {
    /// Starts it with this many processes.
    pub fn start(setup: &Setup, workers: usize) -> Self {
        let folder = folder();
        let log = folder.path().join("log");
        let mut command = setup.php(&[], &["-S", "127.0.0.1:0"]);
        command.env("PHP_CLI_SERVER_WORKERS", workers.to_string());
        let process = Process::start(command.stderr(File::create(&log).unwrap()));
        let port = wait_for("PHP's web server", || {
            let log = fs::read_to_string(&log).unwrap();
            log.split_once("127.0.0.1:")?.1.split_once(')')?.0.parse().ok()
        });
        Self { port, _folder: folder, _process: process }
    }

    #[track_caller]
    pub fn call(&self, command: &str) -> Answer {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        http(stream, command, None).0
    }
}

/// Runs `work` on `threads` threads with their numbers, and fails if one fails.
pub fn in_parallel(threads: usize, work: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for number in 0..threads {
            let work = &work;
            scope.spawn(move || work(number));
        }
    });
}

/// The sessions' files in the stores below `base`: those in directories named by two digits.
pub fn session_files(base: &Path) -> Vec<PathBuf> {
    let below = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let stores = below(base).flat_map(|store| below(&store.path()));
    let shards = stores.filter(|shard| shard.file_name().len() == 2 && shard.path().is_dir());
    let mut files: Vec<_> =
        shards.flat_map(|shard| below(&shard.path())).map(|file| file.path()).collect();
    files.retain(|file| file.file_name().is_some_and(|name| name.len() == 62));
    files.sort();
    files
}

/// The count of a `life` ("token count").
#[track_caller]
pub fn count(life: &str) -> usize {
    let number = life.rsplit(' ').next().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no count in {life:?}"))
}

/// The number in what `get` found ("number bytes"); 0 for an empty session, which has none.
#[track_caller]
pub fn number(found: &str) -> u32 {
    let number = found.split(' ').next().unwrap_or_default();
    if number == "empty" { 0 } else { number.parse().unwrap_or_else(|_| panic!("found {found:?}")) }
}
