//! Whom the commands that are clients of the service trust over TLS, and what they say when that comes to nothing.
//!
//! In: a file of authorities (PEM), or none for those of the system; the error that ended a handshake. Out: how a
//! client speaks TLS, and words that name what is wrong with whose certificate.

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, CipherSuite, ClientConfig, Error as TlsError, NamedGroup, RootCertStore};
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// For connections over TLS.
pub fn client_config(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match ca {
        Some(file) => authorities(file).map_err(|reason| format!("{}: {reason}", file.display()))?,
        None => those_of_the_system()?,
    };
    ClientConfig::builder_with_provider(Arc::new(as_browsers_prefer()))
        .with_safe_default_protocol_versions()
        .map(|config| config.with_root_certificates(roots).with_no_client_auth())
        .map_err(|error| error.to_string())
}

/// The service takes what its clients would rather have. So that what it costs is what it costs with browsers, ours would
/// rather have what those of today would: this key exchange and this cipher.
fn as_browsers_prefer() -> CryptoProvider {
    let mut provider = default_provider();
    provider.kx_groups.sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

fn authorities(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("cannot be used: {error}"))?;
    }
    if roots.is_empty() { Err("holds no certificate in PEM".to_owned()) } else { Ok(roots) }
}

/// Those that cannot be read or used are nobody's concern as long as the service's is not among them.
fn those_of_the_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("the system trusts no authority: name a file of certificates by --ca".to_owned());
    }
    Ok(roots)
}

/// What TLS has against the peer; none if something else has gone wrong.
pub fn objection(error: &(dyn Error + 'static)) -> Option<String> {
    let error = tls_error(error)?;
    let TlsError::InvalidCertificate(certificate) = error else { return Some(format!("TLS: {error}")) };
    Some(match certificate {
        // The latter: somebody else of the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody who is trusted has signed the service's certificate: name its authority by --ca"
                .to_owned()
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the service's certificate ended at {}", shown(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the service's certificate counts from {} on only", shown(*not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the service's certificate is not for {}, but for {}",
            expected.to_str(),
            if presented.is_empty() { "no name at all".to_owned() } else { presented.join(", ") }
        ),
        other => format!("the service's certificate is not good: {other}"),
    })
}

/// Libraries wrap it, some of them as the inside of an `io::Error`, which that does not tell as its cause.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e TlsError> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inside {
        Some(inside) => tls_error(inside),
        None => error.source().and_then(tls_error),
    }
}

fn shown(time: UnixTime) -> String {
    // A certificate can name times that a clock has not.
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
    time.map_or_else(
        || "no known time".to_owned(),
        |time| humantime::format_rfc3339_seconds(time).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fault: CertificateError, expected: &str) {
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, TlsError::InvalidCertificate(fault));
        assert!(objection(&wrapped).unwrap().contains(expected), "{wrapped}");
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_named() {
        let (time, second) = (UnixTime::now(), UnixTime::since_unix_epoch(Duration::from_secs(1)));
        check(CertificateError::UnknownIssuer, "--ca");
        check(CertificateError::BadSignature, "--ca");
        check(CertificateError::ExpiredContext { time, not_after: second }, "1970-01-01T00:00:01Z");
        check(CertificateError::NotValidYetContext { time, not_before: second }, "1970-01-01T00:00:01Z");
        let expected = "127.0.0.1".try_into().unwrap();
        check(
            CertificateError::NotValidForNameContext {
                expected,
                presented: vec!["DnsName(\"a\")".to_owned()],
            },
            "not for 127.0.0.1, but for DnsName(\"a\")",
        );
        check(CertificateError::Revoked, "not good");
        assert_eq!(objection(&io::Error::other("x")), None);
        assert!(objection(&TlsError::DecryptError).unwrap().starts_with("TLS: "));
    }

    #[test]
    fn a_file_of_authorities_has_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let refusal = || client_config(Some(&file)).unwrap_err();
        assert!(refusal().contains("ca.pem"), "it is not there");
        std::fs::write(&file, "nothing").unwrap();
        assert!(refusal().contains("holds no certificate"));
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(refusal().contains("cannot be used"));
    }
}
