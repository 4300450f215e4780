//! Certificates for a test that speaks TLS, made by openssl. The end-to-end tests include this file
//! too.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// An authority, and a server and a client whom it knows: `ca.pem`, `server.pem`, `client.pem`, and
/// their keys, such as `server.key`.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// The server is `localhost` and 127.0.0.1. Where there is no openssl, the test is skipped with
    /// a message; in CI (`CI` is set) it fails.
    #[track_caller]
    pub fn make() -> Option<Self> {
        Self::make_for("DNS:localhost,IP:127.0.0.1", 2)
    }

    /// The server has these names, and its certificate so many days left.
    #[track_caller]
    pub fn make_for(names: &str, days: i32) -> Option<Self> {
        if let Err(error) = Command::new("openssl").arg("version").output() {
            assert!(std::env::var_os("CI").is_none(), "openssl does not start: {error}");
            println!("skipped: openssl does not start: {error}");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("sessclust-tls-").tempdir();
        let made = Self { folder: folder.expect("a temporary folder") };
        made.openssl("req -x509 -days 2 -subj /CN=authority -out ca.pem", "ca.key");
        made.sign("server", names, days);
        made.sign("client", "DNS:shop", 2);
        // Servers and workers of other users read them.
        let set = |path: PathBuf, mode| fs::set_permissions(path, Permissions::from_mode(mode));
        set(made.folder.path().into(), 0o755).expect("it is ours");
        for entry in fs::read_dir(made.folder.path()).expect("a folder") {
            set(entry.expect("a file").path(), 0o644).expect("it is ours");
        }
        Some(made)
    }

    /// One of the files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sign(&self, who: &str, names: &str, days: i32) {
        let request = format!(
            "req -new -subj /CN={who} -addext subjectAltName={names} -out {who}.csr \
             -addext basicConstraints=critical,CA:FALSE"
        );
        self.openssl(&request, &format!("{who}.key"));
        self.run(&format!(
            "x509 -req -in {who}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} \
             -copy_extensions copy -out {who}.pem"
        ));
    }

    /// Runs openssl with a new key.
    fn openssl(&self, arguments: &str, key: &str) {
        let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        self.run(&format!("{arguments} {curve} -keyout {key}"));
    }

    fn run(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(self.folder.path());
        let output = command.output().expect("it has started before");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
