//! TLS with real servers: who is believed, who is not, and what the operator is told then.

mod support;

use sessclust_engine::config::redis::{Access, Redis as Service, TlsFiles};
use sessclust_engine::config::save_path::{Endpoint, NodeAddress};
use sessclust_engine::node::{Answer, Failure, Node, System, Timeouts};
use sessclust_engine::wire::memcached::meta::{Condition, Opaque, Request, Wants};
use sessclust_engine::wire::memcached::{Key, Ttl};
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::thread;
use std::time::{Duration, Instant};
use support::certificates::Certificates;
use support::redis::Redis;
use support::{Child, PATIENCE};
use tokio::runtime::{Builder, Runtime};

const TIMEOUTS: Timeouts =
    Timeouts { connect: PATIENCE, request: PATIENCE, failover: Duration::ZERO };
const OPAQUE: Opaque = Opaque(7);

/// A node that speaks TLS, and what drives it.
struct Client {
    runtime: Runtime,
    node: Node,
    timeouts: Timeouts,
}

impl Client {
    fn new(host: &str, port: u16, tls: TlsFiles) -> Self {
        let endpoint = Endpoint::Tcp { host: host.into(), port };
        let access = Access { tls, ..Access::default() };
        let service = Service { is_tls: true, access, ..Service::default() };
        Self {
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
            node: Node::new(NodeAddress::redis(endpoint, NonZeroU32::MIN, service)),
            timeouts: TIMEOUTS,
        }
    }

    fn ask(&mut self, request: Request<'_>) -> Result<Answer, Failure> {
        let exchange = self.node.exchange(&System, &self.timeouts, std::slice::from_ref(&request));
        self.runtime.block_on(exchange).map(|mut answers| answers.remove(0))
    }

    fn get(&mut self) -> Result<Answer, Failure> {
        self.ask(Request::Get { key: key("a"), opaque: OPAQUE, wants: Wants::Value })
    }

    /// Connects, and gets nothing since nothing is there.
    #[track_caller]
    fn works(mut self) {
        assert_eq!(self.get().expect("an answer"), Answer::Missing);
    }

    /// Why it cannot be connected to.
    #[track_caller]
    fn refusal(mut self) -> String {
        let text = self.get().expect_err("it is refused").to_string();
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
        let (_, reason) = text.split_once(": ").expect("a node and a reason");
        reason.to_owned()
    }
}

fn key(name: &str) -> Key<'_> {
    Key::new(name.as_bytes()).expect("a key")
}

/// Believes the authority of these certificates.
fn believing(certificates: &Certificates) -> TlsFiles {
    TlsFiles { ca: Some(certificates.file("ca.pem")), ..TlsFiles::default() }
}

/// Believes an authority, and shows the client's certificate of another one.
fn showing(believed: &Certificates, shown: &Certificates) -> TlsFiles {
    TlsFiles {
        certificate: Some(shown.file("client.pem")),
        key: Some(shown.file("client.key")),
        ..believing(believed)
    }
}

/// A server without Redis, which does this with its first connection.
fn impostor(task: impl FnOnce(std::net::TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || task(listener.accept().expect("a client").0));
    port
}

#[test]
fn values_of_any_size_go_both_ways() {
    let Some(certificates) = Certificates::make() else { return };
    let Some(server) = Redis::start_tls(&certificates, &[]) else { return };
    let mut client = Client::new("127.0.0.1", server.port(), believing(&certificates));
    let mut random = fastrand::Rng::with_seed(1);
    // Around the ends of records, and more than the sockets take at once.
    for length in [0, 1, 4096, 16_200, 16_383, 16_384, 16_385, 32_768, 100_000, 5_000_000] {
        let mut value = vec![0; length];
        random.fill(&mut value);
        let name = format!("value-{length}");
        let (key, ttl, condition) = (key(&name), Ttl::UNLIMITED, Condition::Absent);
        let set = Request::Set { key, value: &value, ttl, condition, opaque: OPAQUE };
        let stored = client.ask(set).expect("an answer");
        assert!(matches!(stored, Answer::Done { cas: Some(_) }), "{length}: {stored:?}");
        match client
            .ask(Request::Get { key, opaque: OPAQUE, wants: Wants::Value })
            .expect("an answer")
        {
            Answer::Value { bytes, .. } => assert!(bytes == value, "{length}"),
            other => panic!("{length}: {other:?}"),
        }
    }
    assert_eq!(server.info("total_connections_received"), "3", "with those of the test");
}

#[test]
fn a_server_is_known_by_each_of_its_names() {
    let Some(certificates) = Certificates::make() else { return };
    let Some(server) = Redis::start_tls(&certificates, &["--tls-protocols", "TLSv1.2"]) else {
        return;
    };
    for host in ["localhost", "127.0.0.1"] {
        Client::new(host, server.port(), believing(&certificates)).works();
    }
}

#[test]
fn a_server_that_cannot_show_who_it_is_is_refused() {
    let Some(good) = Certificates::make() else { return };
    let Some(other) = Certificates::make() else { return };
    let yesterday = Certificates::make_for("DNS:localhost,IP:127.0.0.1", -1).expect("openssl");
    let elsewhere = Certificates::make_for("DNS:a.example,DNS:*.b.example", 2).expect("openssl");
    let addressed = Certificates::make_for("IP:127.0.0.1", 2).expect("openssl");
    let cases = [
        (
            &good,
            believing(&other),
            "localhost",
            "the server's certificate is signed by another CA than that of sessclust.tls_ca, \
             though it has the same name",
        ),
        // Nor does the system believe it.
        (
            &good,
            TlsFiles::default(),
            "localhost",
            "the server's certificate is signed by nobody who is believed here; the certificate \
             of its CA belongs into sessclust.tls_ca",
        ),
        (&yesterday, believing(&yesterday), "localhost", "the server's certificate has expired"),
        (
            &elsewhere,
            believing(&elsewhere),
            "localhost",
            "the server's certificate is not for localhost; the names in it: a.example, \
             *.b.example",
        ),
        (
            &elsewhere,
            believing(&elsewhere),
            "127.0.0.1",
            "the server's certificate is not for 127.0.0.1; the names in it: a.example, \
             *.b.example",
        ),
        (
            &addressed,
            believing(&addressed),
            "localhost",
            "the server's certificate is not for localhost; the names in it: 127.0.0.1",
        ),
    ];
    for (shown, files, host, expected) in cases {
        let Some(server) = Redis::start_tls(shown, &[]) else { return };
        assert_eq!(Client::new(host, server.port(), files).refusal(), expected);
    }
}

#[test]
fn an_authority_is_no_server() {
    let Some(certificates) = Certificates::make() else { return };
    let file = |name| certificates.file(name).display().to_string();
    let [authority, key] = ["ca.pem", "ca.key"].map(file);
    let options = ["--tls-cert-file", &authority, "--tls-key-file", &key];
    let Some(server) = Redis::start_tls(&certificates, &options) else { return };
    assert_eq!(
        Client::new("localhost", server.port(), believing(&certificates)).refusal(),
        "the server's certificate is that of a CA (basicConstraints), which must not be a \
         server's too"
    );
}

#[test]
fn a_server_may_ask_who_we_are() {
    let Some(certificates) = Certificates::make() else { return };
    let Some(other) = Certificates::make() else { return };
    let asks = "the server asks for a client certificate: sessclust.tls_certificate, tls_key";
    let may_ask = "the server has no version of TLS, or no cipher, that can be used; or it asks \
                   for a client certificate: sessclust.tls_certificate, tls_key";
    for (version, missing) in [("TLSv1.3", asks), ("TLSv1.2", may_ask)] {
        let options = ["--tls-auth-clients", "yes", "--tls-protocols", version];
        let Some(server) = Redis::start_tls(&certificates, &options) else { return };
        let client = |files| Client::new("localhost", server.port(), files);
        client(showing(&certificates, &certificates)).works();
        assert_eq!(client(believing(&certificates)).refusal(), missing, "{version}");
        assert_eq!(
            client(showing(&certificates, &other)).refusal(),
            "the server refuses the client certificate (sessclust.tls_certificate): it does not \
             know the CA",
            "{version}"
        );
    }
}

#[test]
fn certificate_and_key_may_be_in_one_file() {
    let Some(certificates) = Certificates::make() else { return };
    let options = ["--tls-auth-clients", "yes"];
    let Some(server) = Redis::start_tls(&certificates, &options) else { return };
    let both = certificates.file("both.pem");
    let parts = ["client.key", "client.pem"].map(|name| fs::read(certificates.file(name)).unwrap());
    fs::write(&both, parts.concat()).unwrap();
    let files = TlsFiles { certificate: Some(both), ..believing(&certificates) };
    Client::new("localhost", server.port(), files).works();
}

#[test]
fn a_file_that_is_of_no_use_is_named() {
    let Some(certificates) = Certificates::make() else { return };
    let Some(server) = Redis::start_tls(&certificates, &[]) else { return };
    let file = |name| Some(certificates.file(name));
    let path = |name| certificates.file(name).display().to_string();
    fs::write(certificates.file("empty.pem"), "").unwrap();
    fs::write(certificates.file("broken.pem"), "-----BEGIN CERTIFICATE-----\n%%%%\n").unwrap();
    let own = believing(&certificates);
    let cases = [
        (
            TlsFiles { ca: file("none.pem"), ..own.clone() },
            format!(
                "cannot read {} (sessclust.tls_ca): No such file or directory (os error 2)",
                path("none.pem")
            ),
        ),
        (
            TlsFiles { ca: file("empty.pem"), ..own.clone() },
            format!("there is no certificate in {} (sessclust.tls_ca)", path("empty.pem")),
        ),
        (
            TlsFiles { ca: file("server.key"), ..own.clone() },
            format!("there is no certificate in {} (sessclust.tls_ca)", path("server.key")),
        ),
        (
            TlsFiles { ca: file("broken.pem"), ..own.clone() },
            format!("{} (sessclust.tls_ca) is no file in the format PEM", path("broken.pem")),
        ),
        (
            TlsFiles { certificate: file("client.pem"), key: file("none.key"), ..own.clone() },
            format!(
                "cannot read {} (sessclust.tls_key): No such file or directory (os error 2)",
                path("none.key")
            ),
        ),
        (
            TlsFiles { certificate: file("client.pem"), ..own.clone() },
            format!(
                "there is no private key that is read without a password in {} \
                 (sessclust.tls_key)",
                path("client.pem")
            ),
        ),
        (
            TlsFiles { certificate: file("client.pem"), key: file("server.key"), ..own.clone() },
            format!(
                "the key in {} (sessclust.tls_key) does not fit the certificate in {} \
                 (sessclust.tls_certificate)",
                path("server.key"),
                path("client.pem")
            ),
        ),
        (
            TlsFiles { key: file("client.key"), ..own },
            "sessclust.tls_key is set, and sessclust.tls_certificate is not".into(),
        ),
    ];
    for (files, expected) in cases {
        assert_eq!(Client::new("localhost", server.port(), files).refusal(), expected);
    }
}

#[test]
fn files_that_are_renewed_are_read_again() {
    let Some(old) = Certificates::make() else { return };
    let Some(new) = Certificates::make() else { return };
    let Some(server) = Redis::start_tls(&new, &[]) else { return };
    let client = || Client::new("localhost", server.port(), believing(&old));
    assert!(client().refusal().contains("sessclust.tls_ca"));
    fs::copy(new.file("ca.pem"), old.file("ca.pem")).unwrap();
    client().works();
}

#[test]
fn a_fork_has_connections_of_its_own() {
    let Some(certificates) = Certificates::make() else { return };
    let Some(server) = Redis::start_tls(&certificates, &[]) else { return };
    let client = || Client::new("localhost", server.port(), believing(&certificates));
    let mut before = client();
    assert_eq!(before.get().expect("an answer"), Answer::Missing);
    let mut child = Child::start(|parent| {
        client().works();
        parent.say("it works");
    });
    assert_eq!(child.line(), "it works");
    before.works();
}

#[test]
fn a_server_that_speaks_something_else_is_known() {
    let client = |port| Client::new("localhost", port, TlsFiles::default());
    let expected = "the server does not speak TLS there";
    let web = impostor(|mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap());
    assert_eq!(client(web).refusal(), expected);
    assert_eq!(
        client(impostor(drop)).refusal(),
        "the connection was closed when TLS began; is it spoken there?"
    );
}

/// A Redis without TLS waits for the end of a line. It is waited for in the kernel, which has to be
/// told for how long.
#[test]
fn a_server_that_says_nothing_is_waited_for_as_long_as_is_allowed() {
    let Some(server) = Redis::start_tcp(&[]) else { return };
    let mut client = Client::new("localhost", server.port(), TlsFiles::default());
    client.timeouts.connect = Duration::from_millis(300);
    let start = Instant::now();
    let failure = client.get().expect_err("no answer");
    assert!(failure.is_timeout(), "{failure}");
    assert!((client.timeouts.connect..PATIENCE).contains(&start.elapsed()));
    let expected = "TLS began (is it spoken there?), and no answer within 300ms \
                    (sessclust.connect_timeout)";
    assert!(failure.to_string().ends_with(expected), "{failure}");
}

#[test]
fn a_server_that_hangs_is_waited_for_as_long_as_is_allowed() {
    let Some(certificates) = Certificates::make() else { return };
    let Some(server) = Redis::start_tls(&certificates, &[]) else { return };
    let mut client = Client::new("localhost", server.port(), believing(&certificates));
    assert_eq!(client.get().expect("an answer"), Answer::Missing);
    server.signal(rustix::process::Signal::STOP);
    client.timeouts.request = Duration::from_millis(300);
    let start = Instant::now();
    let failure = client.get().expect_err("no answer");
    assert!(failure.is_timeout(), "{failure}");
    assert!((client.timeouts.request..PATIENCE).contains(&start.elapsed()));
    server.signal(rustix::process::Signal::CONT);
}
