//! A key that verifies tokens, bound to the one algorithm it is for.
//!
//! The binding is what makes algorithm confusion impossible: the token's `alg` only selects among the
//! configured keys, and never how a key is used. What the key library would take without a word is
//! refused here: private keys, certificates (it reads some other bit string out of them), and RSA keys
//! that are too short, which it notices by refusing every token.

use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey, Header};
use serde_json::{Map, Value};

use crate::limits;

/// A checked key.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why a key cannot be used; the way out is part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("has {0} bytes, HS256 needs {min} at least (make one: openssl rand -base64 48)", min = limits::HMAC_SECRET_MIN_BYTES)]
    ShortSecret(usize),
    #[error("holds a PEM key, not a secret; a public key belongs in public_key_file")]
    SecretIsPem,
    #[error("holds a private key, which does not belong here; take its public half (openssl pkey -pubout)")]
    PrivateKey,
    #[error("holds a certificate; take the public key out of it (openssl x509 -noout -pubkey)")]
    Certificate,
    #[error("holds no RSA public key in PEM form (expected -----BEGIN PUBLIC KEY-----)")]
    NotRsaPublicKey,
    #[error("holds an RSA key of {0} bits, {min} are needed", min = limits::RSA_MODULUS_MIN_BITS)]
    ShortModulus(usize),
}

impl VerifyingKey {
    /// A shared secret for HS256, its bytes taken as they are.
    pub fn hs256(secret: &str) -> Result<VerifyingKey, KeyFault> {
        if pem_label(secret).is_some() {
            return Err(KeyFault::SecretIsPem);
        }
        if secret.len() < limits::HMAC_SECRET_MIN_BYTES {
            return Err(KeyFault::ShortSecret(secret.len()));
        }
        let key = DecodingKey::from_secret(secret.as_bytes());
        Ok(VerifyingKey { algorithm: Algorithm::HS256, key })
    }

    /// An RSA public key in PEM form (SubjectPublicKeyInfo or PKCS #1) for RS256.
    pub fn rs256(pem: &str) -> Result<VerifyingKey, KeyFault> {
        match pem_label(pem) {
            Some("PUBLIC KEY" | "RSA PUBLIC KEY") => {}
            Some("CERTIFICATE") => return Err(KeyFault::Certificate),
            Some(label) if label.ends_with("PRIVATE KEY") => return Err(KeyFault::PrivateKey),
            _ => return Err(KeyFault::NotRsaPublicKey),
        }
        let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| KeyFault::NotRsaPublicKey)?;
        let DecodingKeyKind::SecretOrDer(der) = key.kind() else {
            return Err(KeyFault::NotRsaPublicKey);
        };
        match modulus_bits(der) {
            None => Err(KeyFault::NotRsaPublicKey),
            Some(bits) if bits < limits::RSA_MODULUS_MIN_BITS => Err(KeyFault::ShortModulus(bits)),
            Some(_) => Ok(VerifyingKey { algorithm: Algorithm::RS256, key }),
        }
    }

    /// A token of these claims, for development: a shared secret signs as well as it verifies. None from a
    /// public key, whose other half is the issuer's.
    pub fn sign(&self, claims: &Map<String, Value>) -> Option<String> {
        let DecodingKeyKind::SecretOrDer(secret) = self.key.kind() else { return None };
        let is_secret = matches!(self.algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
        let signed = || {
            let key = EncodingKey::from_secret(secret);
            jsonwebtoken::encode(&Header::new(self.algorithm), claims, &key).ok()
        };
        is_secret.then(signed).flatten()
    }

    /// The `alg` of the tokens that it verifies.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` (base64url) is this key's over `message`; an error if it is not base64url.
    pub(super) fn verify(&self, message: &str, signature: &str) -> jsonwebtoken::errors::Result<bool> {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, self.algorithm)
    }
}

/// What the first PEM block says it is.
fn pem_label(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    rest.split_once("-----").map(|(label, _)| label)
}

/// The length of the modulus, the first member of the sequence (RFC 8017, appendix A.1.1):
///
/// ```text
/// 30 <length>  02 <length> <modulus, big-endian>  02 <length> <exponent>
/// ```
fn modulus_bits(der: &[u8]) -> Option<usize> {
    let (sequence, _) = der_value(der, 0x30)?;
    let (modulus, _) = der_value(sequence, 0x02)?;
    let first = modulus.iter().position(|&byte| byte != 0)?;
    let leading_zeros = usize::try_from(modulus.get(first)?.leading_zeros()).ok()?;
    Some((modulus.len() - first) * 8 - leading_zeros)
}

/// The content of the DER value at the start of `input`, and what follows it.
fn der_value(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = input.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::{KeyFault, VerifyingKey};

    const PUBLIC: &str = include_str!("../../tests/fixtures/test-only-keys/rsa-public.pem");
    const PRIVATE: &str = include_str!("../../tests/fixtures/test-only-keys/rsa-private.pem");
    const SHORT: &str = include_str!("../../tests/fixtures/test-only-keys/rsa-1024-public.pem");

    #[test]
    fn an_rsa_key_is_taken_only_as_a_long_enough_public_one() {
        let check =
            |pem: &str, expected: Option<KeyFault>| assert_eq!(VerifyingKey::rs256(pem).err(), expected);
        check(PUBLIC, None);
        check(&format!("a comment\n{PUBLIC}"), None);
        check(PRIVATE, Some(KeyFault::PrivateKey));
        check(SHORT, Some(KeyFault::ShortModulus(1024)));
        check("-----BEGIN CERTIFICATE-----\n", Some(KeyFault::Certificate));
        check(&PUBLIC[..200], Some(KeyFault::NotRsaPublicKey));
        check("", Some(KeyFault::NotRsaPublicKey));
    }

    #[test]
    fn a_secret_is_taken_only_when_long_enough() {
        let check = |secret: &str, expected: Option<KeyFault>| {
            assert_eq!(VerifyingKey::hs256(secret).err(), expected);
        };
        check(&"s".repeat(32), None);
        check(&"s".repeat(31), Some(KeyFault::ShortSecret(31)));
        check(PUBLIC, Some(KeyFault::SecretIsPem));
    }
}
