//! A key that verifies tokens, bound to the one algorithm it is for (RFC 8725, section 3.1).
//!
//! The binding is what makes algorithm confusion impossible: the token's `alg` only selects among the
//! configured keys, and never how a key is used. A key that does not fit its algorithm, or is too short for
//! it, is refused here, where an operator can be told, and not later by refusing every token.

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey, Header};
use serde_json::{Map, Value};

use super::public_key::{PublicKey, pem_label};
use crate::limits;

/// The algorithms that a key can be for, by their names in tokens and settings (RFC 7518, RFC 8037).
pub const ALGORITHMS: [(&str, Algorithm); 12] = [
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// A checked key.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why a key cannot be used; the way out is part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("has {has} bytes, {algorithm:?} needs {needs} at least (make one: openssl rand -hex {needs})")]
    ShortSecret { algorithm: Algorithm, has: usize, needs: usize },
    #[error("holds a PEM key, not a secret; a public key belongs in public_key_file")]
    SecretIsPem,
    #[error("holds a private key, which does not belong here; take its public half (openssl pkey -pubout)")]
    PrivateKey,
    #[error("holds a certificate; take the public key out of it (openssl x509 -noout -pubkey)")]
    Certificate,
    #[error("holds no public key in PEM form (expected -----BEGIN PUBLIC KEY-----)")]
    NotPublicKey,
    #[error(
        "holds a public key of a kind that no algorithm here uses (expected RSA, P-256, P-384 or Ed25519)"
    )]
    UnknownKind,
    #[error("holds a public key of kind {has}, {algorithm:?} needs one of kind {needs}")]
    WrongKind { algorithm: Algorithm, has: &'static str, needs: &'static str },
    #[error(
        "holds an RSA key of {0} bits (expected {least} to {most})",
        least = limits::RSA_MODULUS_MIN_BITS,
        most = limits::RSA_MODULUS_MAX_BITS
    )]
    ModulusLength(usize),
}

impl VerifyingKey {
    /// A shared secret, its bytes taken as they are, for an algorithm of the HS family.
    pub fn from_secret(algorithm: Algorithm, secret: &str) -> Result<VerifyingKey, KeyFault> {
        if pem_label(secret).is_some() {
            return Err(KeyFault::SecretIsPem);
        }
        let needs = secret_min_bytes(algorithm);
        if secret.len() < needs {
            return Err(KeyFault::ShortSecret { algorithm, has: secret.len(), needs });
        }
        Ok(VerifyingKey { kid: None, algorithm, key: DecodingKey::from_secret(secret.as_bytes()) })
    }

    /// A public key in PEM form, for an algorithm of any other family.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<VerifyingKey, KeyFault> {
        VerifyingKey::from_public_key(algorithm, PublicKey::parse(pem)?)
    }

    pub(super) fn from_public_key(
        algorithm: Algorithm,
        public_key: PublicKey,
    ) -> Result<VerifyingKey, KeyFault> {
        let has = public_key.kind();
        let needs = kind_needed(algorithm);
        if has != needs {
            return Err(KeyFault::WrongKind { algorithm, has, needs });
        }
        let key = match public_key {
            PublicKey::Rsa { der, modulus_bits } => {
                check_modulus(modulus_bits)?;
                DecodingKey::from_rsa_der(&der)
            }
            PublicKey::P256(point) | PublicKey::P384(point) => DecodingKey::from_ec_der(&point),
            PublicKey::Ed25519(bytes) => DecodingKey::from_ed_der(&bytes),
        };
        Ok(VerifyingKey { kid: None, algorithm, key })
    }

    /// The same key, for tokens that name it so.
    #[must_use]
    pub fn with_kid(self, kid: Option<String>) -> VerifyingKey {
        VerifyingKey { kid, ..self }
    }

    /// What tokens call it; a key without a name is for tokens whatever they call theirs.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether a token that names its key so, or does not, may be this key's.
    pub(super) fn is_meant_by(&self, kid: Option<&str>) -> bool {
        self.kid.is_none() || self.kid.as_deref() == kid
    }

    /// A token of these claims, for development: a shared secret signs as well as it verifies. None from a
    /// public key, whose other half is the issuer's.
    pub fn sign(&self, claims: &Map<String, Value>) -> Option<String> {
        let DecodingKeyKind::SecretOrDer(secret) = self.key.kind() else { return None };
        let is_secret = matches!(self.algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
        let signed = || {
            let key = EncodingKey::from_secret(secret);
            let header = Header { kid: self.kid.clone(), ..Header::new(self.algorithm) };
            jsonwebtoken::encode(&header, claims, &key).ok()
        };
        is_secret.then(signed).flatten()
    }

    /// A token of these claims, signed with a private key (PEM) as tokens of this one are. None if the two are of
    /// different kinds; whether they are halves of one key, verifying tells.
    pub fn sign_with(&self, private_key: &str, claims: &Map<String, Value>) -> Option<String> {
        let pem = private_key.as_bytes();
        let key = match self.algorithm.family() {
            AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(pem),
            AlgorithmFamily::Ec => EncodingKey::from_ec_pem(pem),
            AlgorithmFamily::Ed => EncodingKey::from_ed_pem(pem),
            AlgorithmFamily::Hmac => return None,
        };
        let header = Header { kid: self.kid.clone(), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &key.ok()?).ok()
    }

    /// The `alg` of the tokens that it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether it is the same key as another, whatever both are called and used for.
    pub(super) fn is_same_as(&self, other: &VerifyingKey) -> bool {
        match (self.key.kind(), other.key.kind()) {
            (DecodingKeyKind::SecretOrDer(one), DecodingKeyKind::SecretOrDer(two)) => one == two,
            _ => false,
        }
    }

    /// Whether `signature` (base64url) is this key's over `message`; an error if it is not base64url.
    pub(super) fn verify(&self, message: &str, signature: &str) -> jsonwebtoken::errors::Result<bool> {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, self.algorithm)
    }
}

/// Whether the algorithm works with a secret that both sides have.
pub(super) fn is_symmetric(algorithm: Algorithm) -> bool {
    algorithm.family() == AlgorithmFamily::Hmac
}

/// RFC 7518, section 3.2: at least the length of the hash.
fn secret_min_bytes(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::HS384 => 48,
        Algorithm::HS512 => 64,
        _ => limits::HMAC_SECRET_MIN_BYTES,
    }
}

/// The kind of public key by [`PublicKey::kind`]; none fits an algorithm that works with a secret.
fn kind_needed(algorithm: Algorithm) -> &'static str {
    match (algorithm, algorithm.family()) {
        (_, AlgorithmFamily::Rsa) => "RSA",
        (Algorithm::ES384, _) => "P-384",
        (_, AlgorithmFamily::Ec) => "P-256",
        (_, AlgorithmFamily::Ed) => "Ed25519",
        (_, AlgorithmFamily::Hmac) => "secret",
    }
}

fn check_modulus(bits: usize) -> Result<(), KeyFault> {
    let range = limits::RSA_MODULUS_MIN_BITS..=limits::RSA_MODULUS_MAX_BITS;
    if range.contains(&bits) { Ok(()) } else { Err(KeyFault::ModulusLength(bits)) }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::Algorithm::{self, ES256, ES384, EdDSA, HS256, HS384, HS512, PS512, RS256};

    use super::{KeyFault, VerifyingKey};

    macro_rules! pem {
        ($name:literal) => {
            include_str!(concat!("../../tests/fixtures/test-only-keys/", $name, ".pem"))
        };
    }

    const RSA: &str = pem!("rsa-public");

    #[test]
    fn a_public_key_must_fit_its_algorithm() {
        let check = |algorithm: Algorithm, pem: &str, expected: Option<KeyFault>| {
            assert_eq!(VerifyingKey::from_pem(algorithm, pem).err(), expected, "{algorithm:?}");
        };
        let wrong = |algorithm, has, needs| Some(KeyFault::WrongKind { algorithm, has, needs });
        check(RS256, RSA, None);
        check(PS512, RSA, None);
        check(RS256, &format!("a comment\n{RSA}"), None);
        check(ES256, pem!("p256-public"), None);
        check(ES384, pem!("p384-public"), None);
        check(EdDSA, pem!("ed25519-public"), None);
        check(ES256, RSA, wrong(ES256, "RSA", "P-256"));
        check(ES256, pem!("p384-public"), wrong(ES256, "P-384", "P-256"));
        check(ES384, pem!("p256-public"), wrong(ES384, "P-256", "P-384"));
        check(EdDSA, pem!("p256-public"), wrong(EdDSA, "P-256", "Ed25519"));
        check(RS256, pem!("ed25519-public"), wrong(RS256, "Ed25519", "RSA"));
        check(HS256, RSA, wrong(HS256, "RSA", "secret"));
        check(ES256, pem!("secp256k1-public"), Some(KeyFault::UnknownKind));
        check(RS256, pem!("rsa-1024-public"), Some(KeyFault::ModulusLength(1024)));
    }

    #[test]
    fn what_is_not_a_public_key_is_told_from_one() {
        let check = |pem: &str, expected: KeyFault| {
            assert_eq!(VerifyingKey::from_pem(RS256, pem).err(), Some(expected), "{pem}");
        };
        check(pem!("rsa-private"), KeyFault::PrivateKey);
        check(pem!("ed25519-private"), KeyFault::PrivateKey);
        check("-----BEGIN CERTIFICATE-----\n", KeyFault::Certificate);
        check("-----BEGIN CERTIFICATE REQUEST-----\n", KeyFault::NotPublicKey);
        check("", KeyFault::NotPublicKey);
        check("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", KeyFault::NotPublicKey);
        check(&RSA.replace("PUBLIC", "RSA PUBLIC"), KeyFault::NotPublicKey);
        // Cut anywhere, it is no key; never a panic, never another key.
        for length in 0..RSA.len() - "\n-----END PUBLIC KEY-----\n".len() {
            check(&RSA[..length], KeyFault::NotPublicKey);
        }
    }

    #[test]
    fn a_secret_is_taken_only_when_long_enough() {
        for (algorithm, needs) in [(HS256, 32), (HS384, 48), (HS512, 64)] {
            let has = needs - 1;
            let fault = |length: usize| VerifyingKey::from_secret(algorithm, &"s".repeat(length)).err();
            assert_eq!(fault(needs), None);
            assert_eq!(fault(has), Some(KeyFault::ShortSecret { algorithm, has, needs }));
        }
        assert_eq!(VerifyingKey::from_secret(HS256, RSA).err(), Some(KeyFault::SecretIsPem));
    }
}
