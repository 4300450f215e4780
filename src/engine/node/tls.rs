//! TLS over a stream.
//!
//! Who believes whom is decided by files, or by the system: its certificates are read where OpenSSL
//! looks for them, which is what rustls-platform-verifier does on Linux too.

use super::Stream;
use crate::config::redis::TlsFiles;
use crate::error::shown;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
};

/// What one record of TLS holds at most, in bytes. Source: RFC 8446, 5.1.
const RECORD_BYTES_MAX: usize = 16 * 1024;

const DAY_S: u64 = 24 * 60 * 60;

/// Speaks TLS from now on, with a server that can show that it is `host`. The time that this takes
/// counts against the patience that `stream` has.
///
/// # Errors
/// What is wrong, in words that the operator can do something about.
pub(super) async fn secure(
    stream: Box<dyn Stream>,
    host: &str,
    files: &TlsFiles,
) -> io::Result<Box<dyn Stream>> {
    let config = config(files)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = ServerName::try_from(bare.to_owned()).map_err(|_| {
        wrong(format!("no certificate can have the name {}", shown(host.as_bytes())))
    })?;
    let stream = Hesitant { stream, hesitates: true, is_asked_again: false };
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(mut stream) => {
            stream.get_mut().0.hesitates = false;
            Ok(Box::new(Secured(stream)))
        }
        Err(error) => Err(match error.kind() {
            kind @ (ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe) => {
                let text = "the connection was closed when TLS began; is it spoken there?";
                io::Error::new(kind, text)
            }
            // A Redis without TLS waits for the end of a line.
            kind @ ErrorKind::TimedOut => {
                io::Error::new(kind, "TLS began (is it spoken there?), and no answer")
            }
            _ => explained(error),
        }),
    }
}

/// A stream that says that it has to wait before it does, as long as hands are shaken.
///
/// tokio-rustls reads until that is said, and only then writes what the server waits for. A stream
/// that waits in the kernel would never say it.
///
/// And what a server says before it closes is worth more than that it has closed: why it refuses
/// our certificate. So writing fails only when there is nothing to read, as long as that.
struct Hesitant {
    stream: Box<dyn Stream>,
    hesitates: bool,
    /// Whether it has just been said.
    is_asked_again: bool,
}

impl AsyncRead for Hesitant {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.hesitates && !self.is_asked_again && !self.stream.has_input() {
            self.is_asked_again = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_asked_again = false;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Hesitant {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stream).poll_write(context, bytes)) {
            Err(_) if self.hesitates && self.stream.has_input() => Poll::Ready(Ok(bytes.len())),
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A stream with TLS on it.
struct Secured(TlsStream<Hesitant>);

impl Stream for Secured {
    fn set_patience(&mut self, patience: Duration) {
        self.0.get_mut().0.stream.set_patience(patience);
    }

    fn has_input(&self) -> bool {
        let (stream, session) = self.0.get_ref();
        // It wants none while it has some that was decrypted and not fetched.
        !session.wants_read() || stream.stream.has_input()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // poll_read of tokio-rustls fills the buffer, if it is not told to wait.
        let decrypted = ready!(Pin::new(&mut self.0).poll_fill_buf(context)).map_err(explained)?;
        let bytes = decrypted.len().min(buffer.remaining());
        buffer.put_slice(&decrypted[..bytes]);
        Pin::new(&mut self.0).consume(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Secured {
    /// One record, so that nothing of it was taken if it fails: half a record cannot be read.
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let record = &bytes[..bytes.len().min(RECORD_BYTES_MAX)];
        Pin::new(&mut self.0).poll_write(context, record)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// What was made of certain files.
struct Kept {
    files: TlsFiles,
    changed: [Option<SystemTime>; 3],
    config: Arc<ClientConfig>,
}

/// For all connections of this process: the certificates of a system are hundreds of kilobytes.
/// Nothing is there before the first connection, and so nothing before PHP's workers are forked.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// Whom to believe, and what to show. It is made anew when a file has changed: certificates are
/// renewed while PHP runs.
fn config(files: &TlsFiles) -> io::Result<Arc<ClientConfig>> {
    let changed = [&files.ca, &files.certificate, &files.key]
        .map(|file| fs::metadata(file.as_ref()?).and_then(|file| file.modified()).ok());
    // A fork while another thread holds the lock leaves it locked for ever, so it is never waited
    // for.
    if let Ok(kept) = KEPT.try_lock()
        && let Some(found) =
            kept.iter().find(|kept| kept.files == *files && kept.changed == changed)
    {
        return Ok(Arc::clone(&found.config));
    }
    let config = Arc::new(build(files)?);
    if let Ok(mut kept) = KEPT.try_lock() {
        kept.retain(|kept| kept.files != *files);
        kept.push(Kept { files: files.clone(), changed, config: Arc::clone(&config) });
    }
    Ok(config)
}

fn build(files: &TlsFiles) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &files.ca {
        Some(file) => {
            for certificate in certificates(file, "sessclust.tls_ca")? {
                roots.add(certificate).map_err(|error| {
                    let error = shown(error.to_string().as_bytes());
                    wrong(format!("{} (sessclust.tls_ca) holds no CA: {error}", path(file)))
                })?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                let text = "this system believes no CA (its package ca-certificates is missing), \
                            and sessclust.tls_ca names none";
                return Err(wrong(text.into()));
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has their ciphers")
        .with_root_certificates(roots);
    let mut config = match (&files.certificate, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (None, Some(_)) => {
            let text = "sessclust.tls_key is set, and sessclust.tls_certificate is not";
            return Err(wrong(text.into()));
        }
        (Some(file), key_file) => {
            let chain = certificates(file, "sessclust.tls_certificate")?;
            // Both may be in one file.
            let key_file = key_file.as_ref().unwrap_or(file);
            let key = PrivateKeyDer::from_pem_file(key_file);
            let what = "private key that is read without a password";
            let key =
                key.map_err(|error| unreadable(key_file, "sessclust.tls_key", what, error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                Error::InconsistentKeys(_) => wrong(format!(
                    "the key in {} (sessclust.tls_key) does not fit the certificate in {} \
                     (sessclust.tls_certificate)",
                    path(key_file),
                    path(file)
                )),
                other => {
                    let error = shown(other.to_string().as_bytes());
                    wrong(format!("no use can be made of {}: {error}", path(key_file)))
                }
            })?
        }
    };
    // A connection lasts. And a ticket of before a fork would be shown by both processes.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// All certificates in a file: at least one.
fn certificates(file: &Path, setting: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, pem::Error> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let found = found.and_then(|found| match found.is_empty() {
        true => Err(pem::Error::NoItemsFound),
        false => Ok(found),
    });
    found.map_err(|error| unreadable(file, setting, "certificate", error))
}

/// That there is nothing in a file that was to have `what` in it.
fn unreadable(file: &Path, setting: &str, what: &str, error: pem::Error) -> io::Error {
    let file = path(file);
    wrong(match error {
        pem::Error::Io(error) => format!("cannot read {file} ({setting}): {error}"),
        pem::Error::NoItemsFound => format!("there is no {what} in {file} ({setting})"),
        _ => format!("{file} ({setting}) is no file in the format PEM"),
    })
}

fn path(path: &Path) -> String {
    shown(path.as_os_str().as_bytes())
}

fn wrong(text: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}

/// The same in other words, if it is about TLS.
fn explained(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(inner) => io::Error::new(error.kind(), sentence(inner)),
        None => error,
    }
}

fn sentence(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => {
            format!("the server's certificate {}", of_certificate(error))
        }
        Error::InvalidMessage(_) | Error::PeerSentOversizedRecord => {
            "the server does not speak TLS there".into()
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server asks for a client certificate: sessclust.tls_certificate, tls_key".into()
        }
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::PeerIncompatible(_) => NOTHING_IN_COMMON.into(),
        other => format!("TLS: {}", shown(other.to_string().as_bytes())),
    }
}

const NOTHING_IN_COMMON: &str = "the server has no version of TLS, or no cipher, that can be used";

/// What is said of a certificate behind "the server's certificate".
fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { time, not_after } => {
            match time.as_secs().saturating_sub(not_after.as_secs()) / DAY_S {
                0 => "has expired, less than a day ago".into(),
                1 => "has expired, a day ago".into(),
                days => format!("has expired, {days} days ago"),
            }
        }
        CertificateError::Expired => "has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet, or the clock of this machine is wrong".into()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            // As in DnsName("redis.example.org").
            let names = presented.iter().map(|name| {
                let name = name.split_once('(').map_or(&name[..], |(_, rest)| rest);
                shown(name.trim_end_matches(')').trim_matches('"').as_bytes())
            });
            let names = match presented.is_empty() {
                true => "none (subjectAltName)".into(),
                false => names.collect::<Vec<_>>().join(", "),
            };
            format!("is not for {}; the names in it: {names}", expected.to_str())
        }
        CertificateError::UnknownIssuer => {
            "is signed by nobody who is believed here; the certificate of its CA belongs into \
             sessclust.tls_ca"
                .into()
        }
        CertificateError::BadSignature => {
            "is signed by another CA than that of sessclust.tls_ca, though it has the same name"
                .into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not made for a server (extendedKeyUsage)".into()
        }
        other => match other.to_string() {
            text if text.contains("CaUsedAsEndEntity") => {
                "is that of a CA (basicConstraints), which must not be a server's too".into()
            }
            text => format!("cannot be used: {}", shown(text.as_bytes())),
        },
    }
}

/// What the server says about us.
fn of_alert(alert: AlertDescription) -> String {
    let reason = match alert {
        AlertDescription::UnknownCA => "it does not know the CA",
        AlertDescription::CertificateExpired => "it has expired",
        AlertDescription::CertificateRevoked => "it was revoked",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => "it does not say why",
        AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => {
            return NOTHING_IN_COMMON.into();
        }
        // Before TLS 1.3 there is no word for a certificate that is missing.
        AlertDescription::HandshakeFailure => {
            return format!(
                "{NOTHING_IN_COMMON}; or it asks for a client certificate: \
                 sessclust.tls_certificate, tls_key"
            );
        }
        AlertDescription::UnrecognisedName => return "the server has no such name".into(),
        other => return format!("the server refuses TLS: {other:?}"),
    };
    format!("the server refuses the client certificate (sessclust.tls_certificate): {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_rustls::rustls::pki_types::UnixTime;

    #[test]
    fn it_is_told_for_how_long_a_certificate_has_been_of_no_use() {
        let at = |second| UnixTime::since_unix_epoch(Duration::from_secs(second));
        for (late_s, expected) in [
            (1, "has expired, less than a day ago"),
            (DAY_S - 1, "has expired, less than a day ago"),
            (DAY_S, "has expired, a day ago"),
            (2 * DAY_S - 1, "has expired, a day ago"),
            (10 * DAY_S, "has expired, 10 days ago"),
        ] {
            let (time, not_after) = (at(1_700_000_000 + late_s), at(1_700_000_000));
            let error = CertificateError::ExpiredContext { time, not_after };
            assert_eq!(of_certificate(&error), expected);
        }
    }
}
