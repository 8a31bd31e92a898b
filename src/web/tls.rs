//! TLS up to the end of its handshake, and the certificate of now, which is replaced while connections stay.
//!
//! A new certificate counts from the next handshake on. It comes by SIGHUP with the other settings, or because its
//! files have changed, since those who renew certificates can not always send a signal. Files that are not good change
//! nothing.

use super::certificate::{Certificate, Files};
use crate::limits::{
    CERTIFICATE_ENDS_SOON, CERTIFICATE_LOOK_INTERVAL, CERTIFICATE_WARN_INTERVAL, TLS_HANDSHAKE_MAX,
};
use crate::metrics::{Metrics, TlsHandshake};
use crate::settings::read_small_file;
use crate::throttle::Throttle;
use arc_swap::ArcSwap;
use rustls::HandshakeKind;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Cheap to clone; all clones are one. Read by each handshake, written by whoever replaces it.
#[derive(Clone)]
pub struct CurrentCertificate(Arc<State>);

struct State {
    certificate: ArcSwap<Certificate>,
    metrics: Metrics,
}

impl CurrentCertificate {
    pub fn new(certificate: Certificate, metrics: Metrics) -> CurrentCertificate {
        metrics.certificate_ends_at(certificate.ends_at);
        CurrentCertificate(Arc::new(State { certificate: ArcSwap::from_pointee(certificate), metrics }))
    }

    /// One that is there already stays: clients that come back go on with their sessions.
    pub fn replace(&self, certificate: Certificate) {
        if self.0.certificate.load().chain == certificate.chain {
            return;
        }
        self.0.metrics.certificate_ends_at(certificate.ends_at);
        self.0.metrics.certificate_read("taken");
        tracing::info!(ends_at = %shown(certificate.ends_at), "the certificate is read anew");
        self.0.certificate.store(Arc::new(certificate));
    }

    /// None if there is nobody to talk to, which is counted.
    pub(super) async fn shake_hands(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.0.certificate.load().config));
        let outcome = tokio::time::timeout(TLS_HANDSHAKE_MAX, acceptor.accept(stream)).await;
        self.0.metrics.tls_handshake(match &outcome {
            Ok(Ok(stream)) if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) => {
                TlsHandshake::Resumed
            }
            Ok(Ok(_)) => TlsHandshake::Full,
            Ok(Err(_)) => TlsHandshake::Failed,
            Err(_) => TlsHandshake::Late,
        });
        outcome.ok()?.inspect_err(|error| tracing::debug!(%error, "tls handshake failed")).ok()
    }

    /// Looks at the files and at the certificate's end, for ever.
    pub async fn watch(self) {
        let reminder = Throttle::new(1, CERTIFICATE_WARN_INTERVAL);
        let mut looks = Looks::at(&self.0.certificate.load().files);
        loop {
            self.remind(&reminder);
            tokio::time::sleep(CERTIFICATE_LOOK_INTERVAL).await;
            if looks.have_changed(&self.0.certificate.load().files) {
                self.read_anew();
            }
        }
    }

    fn remind(&self, reminder: &Throttle) {
        let Some(ends_at) = self.0.certificate.load().ends_at else { return };
        let left = ends_at.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        if left < CERTIFICATE_ENDS_SOON && reminder.admit().is_some() {
            let days_left = left.as_secs() / (24 * 3_600);
            tracing::warn!(ends_at = %shown(Some(ends_at)), days_left, "the certificate ends soon, or has ended: renew it");
        }
    }

    /// Two small files, read in a moment.
    fn read_anew(&self) {
        let files = self.0.certificate.load().files.clone();
        let certificate = read_small_file(&files.certificate).and_then(|chain| {
            let key = read_small_file(&files.key)?;
            Certificate::new(files.clone(), &chain, &key).map_err(|fault| fault.to_string())
        });
        match certificate {
            Ok(certificate) => self.replace(certificate),
            Err(fault) => {
                self.0.metrics.certificate_read("refused");
                tracing::error!(%fault, "the certificate's files have changed and are not good: the former one stays");
            }
        }
    }
}

fn shown(ends_at: Option<SystemTime>) -> String {
    ends_at.map_or_else(
        || "unknown".to_owned(),
        |ends_at| humantime::format_rfc3339_seconds(ends_at).to_string(),
    )
}

/// How the files looked when they were last taken, and at the last look. They are written one after the other, so
/// a change counts once it has stood for two looks.
struct Looks {
    taken: Look,
    last: Look,
}

type Look = [Option<(SystemTime, u64)>; 2];

impl Looks {
    fn at(files: &Files) -> Looks {
        let look = look(files);
        Looks { taken: look, last: look }
    }

    fn have_changed(&mut self, files: &Files) -> bool {
        let now = look(files);
        let has_settled = std::mem::replace(&mut self.last, now) == now;
        has_settled && std::mem::replace(&mut self.taken, now) != now
    }
}

/// When each was modified, and its length; none of one that is not there.
fn look(files: &Files) -> Look {
    [&files.certificate, &files.key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_when_it_has_stood_for_two_looks() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files { certificate: folder.path().join("c"), key: folder.path().join("k") };
        let write = |certificate: &str, key: &str| {
            std::fs::write(&files.certificate, certificate).unwrap();
            std::fs::write(&files.key, key).unwrap();
        };
        write("1", "1");
        let mut looks = Looks::at(&files);
        assert!(!looks.have_changed(&files));
        write("22", "1");
        assert!(!looks.have_changed(&files));
        write("22", "22");
        assert!(!looks.have_changed(&files), "the key has changed since");
        assert!(looks.have_changed(&files));
        assert!(!looks.have_changed(&files), "once");
        std::fs::remove_file(&files.key).unwrap();
        assert!(!looks.have_changed(&files));
        assert!(looks.have_changed(&files));
    }
}
