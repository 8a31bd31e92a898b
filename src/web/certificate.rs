//! What clients are shown for a certificate: a chain and its key, from two PEM files, and when it ends.
//!
//! ```text
//! Certificate:  SEQUENCE { tbs, .. }                                  RFC 5280, section 4.1
//! tbs:          SEQUENCE { [0] version?, serial, algorithm, issuer, validity, .. }
//! validity:     SEQUENCE { notBefore, notAfter }    each UTCTime 261122140000Z or GeneralizedTime 20501122140000Z
//! ```
//!
//! Files that do not fit together are a fault of the settings, told before a port opens or anything is replaced.

use crate::settings::Section;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, ServerConfig};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

#[derive(Clone)]
pub struct Certificate {
    pub(super) config: Arc<ServerConfig>,
    /// Where it came from.
    pub(super) files: Files,
    /// As it is written.
    pub(super) chain: Arc<str>,
    /// When the first of the chain ends; none if it does not say so in a way that we know.
    pub(super) ends_at: Option<SystemTime>,
}

/// Shows no key.
impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What is wrong with one of the files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} {text}")]
pub(super) struct CertificateFault {
    /// The setting that names it.
    setting: &'static str,
    path: PathBuf,
    text: String,
}

const CERTIFICATE_FILE: &str = "tls_certificate_file";
const KEY_FILE: &str = "tls_key_file";

impl Certificate {
    /// From section `[web]`; none where it is not written, or a fault was found.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Certificate> {
        let certificate = section
            .key(
                CERTIFICATE_FILE,
                "The certificate and what leads to its authority (PEM); set: clients speak TLS.",
            )
            .small_file_if_set();
        let key =
            section.key(KEY_FILE, "The certificate's private key (PEM, not encrypted).").small_file_if_set();
        let (Some((certificate_path, chain)), Some((key_path, key))) = (certificate, key) else {
            for (missing, other) in [(CERTIFICATE_FILE, KEY_FILE), (KEY_FILE, CERTIFICATE_FILE)] {
                if section.is_written(other) && !section.is_written(missing) {
                    section.fault(missing, format!("is not set, and web.{other} is"));
                }
            }
            return None;
        };
        let files = Files { certificate: certificate_path, key: key_path };
        Certificate::new(files, &chain, &key)
            .map_err(|fault| section.fault(fault.setting, fault.to_string()))
            .ok()
    }

    pub(super) fn new(files: Files, chain_pem: &str, key: &str) -> Result<Certificate, CertificateFault> {
        let of_chain = |text: &str| files.fault(CERTIFICATE_FILE, text);
        let of_key = |text: &str| files.fault(KEY_FILE, text);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| of_chain(&format!("is not PEM: {error}")))?;
        if chain.is_empty() {
            return Err(of_chain("holds no certificate in PEM"));
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| of_key("holds no private key in PEM that is not encrypted"))?;
        let ends_at = chain.iter().filter_map(|certificate| ends_at(certificate)).min();
        let provider = default_provider();
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|_| of_key("holds a private key of a kind that is not known"))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err(of_key(&format!("is not the key of {:?}", files.certificate)));
            }
            Err(error) => return Err(of_chain(&format!("cannot be used: {error}"))),
        }
        let config = config(certified).map_err(|error| of_chain(&format!("cannot be used: {error}")))?;
        Ok(Certificate { config: Arc::new(config), files, chain: chain_pem.into(), ends_at })
    }
}

impl Files {
    pub fn fault(&self, setting: &'static str, text: &str) -> CertificateFault {
        let path = if setting == KEY_FILE { &self.key } else { &self.certificate };
        CertificateFault { setting, path: path.clone(), text: text.to_owned() }
    }
}

/// Each has tickets of its own: a session that goes on does not see the certificate, so none goes on with a new one.
fn config(certified: CertifiedKey) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // What a client needs to go on with is in its ticket, so that thousands can come back at once. One is enough:
    // browsers have one connection each.
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// `notAfter` of a certificate.
fn ends_at(certificate: &[u8]) -> Option<SystemTime> {
    const INTEGER: u8 = 0x02;
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let mut outer = certificate;
    let mut certificate = element(&mut outer).filter(|(tag, _)| *tag == SEQUENCE)?.1;
    let mut tbs = element(&mut certificate).filter(|(tag, _)| *tag == SEQUENCE)?.1;
    if tbs.first() == Some(&VERSION) {
        element(&mut tbs)?;
    }
    element(&mut tbs).filter(|(tag, _)| *tag == INTEGER)?;
    let _algorithm = element(&mut tbs)?;
    let _issuer = element(&mut tbs)?;
    let mut validity = element(&mut tbs).filter(|(tag, _)| *tag == SEQUENCE)?.1;
    let _not_before = element(&mut validity)?;
    let (tag, not_after) = element(&mut validity)?;
    time(tag, str::from_utf8(not_after).ok()?)
}

/// Takes one element of DER off `input`: its tag and its content.
fn element<'i>(input: &mut &'i [u8]) -> Option<(u8, &'i [u8])> {
    let (&[tag, length], rest) = input.split_first_chunk()?;
    let (length, rest) = match length {
        0..0x80 => (usize::from(length), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            // Longer than our files are is none.
            let length = digits
                .iter()
                .try_fold(0_u32, |sum, digit| Some(sum.checked_mul(256)? | u32::from(*digit)))?;
            (usize::try_from(length).ok()?, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((tag, content))
}

/// RFC 5280, section 4.1.2.5: seconds are there, the zone is `Z`, and two digits of a year are of 1950 to 2049.
fn time(tag: u8, text: &str) -> Option<SystemTime> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let century = match (tag, text.get(..2)?) {
        (UTC_TIME, year) if year < "50" => "20",
        (UTC_TIME, _) => "19",
        (GENERALIZED_TIME, _) => "",
        _ => return None,
    };
    let digits = format!("{century}{}", text.strip_suffix('Z')?);
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (date, clock) = digits.split_at(8);
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &clock[..2],
        &clock[2..4],
        &clock[4..]
    );
    humantime::parse_rfc3339(&written).ok()
}

#[cfg(test)]
mod tests;
