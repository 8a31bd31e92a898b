//! Public keys in PEM form: what kind of key it is, and the bytes that verify.
//!
//! ```text
//! -----BEGIN PUBLIC KEY-----        SEQUENCE { SEQUENCE { kind, curve }, BIT STRING { key } }
//! -----BEGIN RSA PUBLIC KEY-----    SEQUENCE { modulus, exponent }, which is also the key of the kind RSA
//! ```
//!
//! The first form is SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7), the second PKCS #1 (RFC 8017, appendix
//! A.1.1). The kind is read here because the key library does not look at the curve, reads some other bit
//! string out of a certificate, and notices a key that does not fit only by refusing every token.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::key::KeyFault;

/// A public key by its kind.
pub(super) enum PublicKey {
    /// PKCS #1, with the length of the modulus.
    Rsa {
        der: Vec<u8>,
        modulus_bits: usize,
    },
    /// An uncompressed point of NIST's curve P-256.
    P256(Vec<u8>),
    /// An uncompressed point of NIST's curve P-384.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// The first key of a PEM text.
    pub fn parse(pem: &str) -> Result<PublicKey, KeyFault> {
        let (label, body) = pem_block(pem).ok_or(KeyFault::NotPublicKey)?;
        match label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
            "CERTIFICATE" => return Err(KeyFault::Certificate),
            _ if label.ends_with("PRIVATE KEY") => return Err(KeyFault::PrivateKey),
            _ => return Err(KeyFault::NotPublicKey),
        }
        let base64: String = body.split_ascii_whitespace().collect();
        let der = BASE64_STANDARD.decode(base64).map_err(|_| KeyFault::NotPublicKey)?;
        let key = if label == "PUBLIC KEY" { Self::of_any_kind(&der)? } else { Self::rsa(&der) };
        key.ok_or(KeyFault::NotPublicKey)
    }

    /// From a modulus and an exponent, most significant byte first; none if the exponent is none that RSA works
    /// with (1 would make everything a signature).
    pub fn from_rsa_parts(modulus: &[u8], exponent: &[u8]) -> Option<PublicKey> {
        let value = exponent
            .iter()
            .try_fold(0_u32, |value, &byte| value.checked_mul(256)?.checked_add(byte.into()))?;
        if value < 3 || value.is_multiple_of(2) {
            return None;
        }
        let parts = [der_integer(modulus)?, der_integer(exponent)?].concat();
        PublicKey::rsa(&der_write(SEQUENCE, &parts)?)
    }

    pub fn from_p256_point(x: &[u8], y: &[u8]) -> Option<PublicKey> {
        point(&[&[0x04], x, y].concat(), 32).filter(|_| x.len() == y.len()).map(PublicKey::P256)
    }

    pub fn from_p384_point(x: &[u8], y: &[u8]) -> Option<PublicKey> {
        point(&[&[0x04], x, y].concat(), 48).filter(|_| x.len() == y.len()).map(PublicKey::P384)
    }

    pub fn from_ed25519(bytes: &[u8]) -> Option<PublicKey> {
        (bytes.len() == 32).then(|| PublicKey::Ed25519(bytes.to_vec()))
    }

    /// The name of the kind, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            PublicKey::Rsa { .. } => "RSA",
            PublicKey::P256(_) => "P-256",
            PublicKey::P384(_) => "P-384",
            PublicKey::Ed25519(_) => "Ed25519",
        }
    }

    fn of_any_kind(der: &[u8]) -> Result<Option<PublicKey>, KeyFault> {
        let Some(SubjectPublicKey { kind, curve, key }) = SubjectPublicKey::parse(der) else {
            return Ok(None);
        };
        match (kind, curve) {
            (RSA_ENCRYPTION, _) => Ok(PublicKey::rsa(key)),
            (EC_PUBLIC_KEY, Some(PRIME256V1)) => Ok(point(key, 32).map(PublicKey::P256)),
            (EC_PUBLIC_KEY, Some(SECP384R1)) => Ok(point(key, 48).map(PublicKey::P384)),
            (ED25519, _) => Ok(PublicKey::from_ed25519(key)),
            _ => Err(KeyFault::UnknownKind),
        }
    }

    fn rsa(der: &[u8]) -> Option<PublicKey> {
        let (sequence, _) = der_value(der, SEQUENCE)?;
        let (modulus, _) = der_value(sequence, INTEGER)?;
        let first = modulus.iter().position(|&byte| byte != 0)?;
        let leading_zeros = usize::try_from(modulus.get(first)?.leading_zeros()).ok()?;
        let modulus_bits = (modulus.len() - first) * 8 - leading_zeros;
        Some(PublicKey::Rsa { der: der.to_vec(), modulus_bits })
    }
}

/// What the first PEM block of a text says it is; none if there is no block.
pub(super) fn pem_label(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    rest.split_once("-----").map(|(label, _)| label)
}

fn pem_block(text: &str) -> Option<(&str, &str)> {
    let label = pem_label(text)?;
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once("-----END ").unwrap_or((rest, ""));
    Some((label, body))
}

// Object identifiers as DER writes them (RFC 3279, RFC 5480 and RFC 8410).
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

// Tags of DER (X.690).
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// A SubjectPublicKeyInfo, taken apart.
struct SubjectPublicKey<'d> {
    kind: &'d [u8],
    curve: Option<&'d [u8]>,
    key: &'d [u8],
}

impl<'d> SubjectPublicKey<'d> {
    fn parse(der: &'d [u8]) -> Option<SubjectPublicKey<'d>> {
        let (content, _) = der_value(der, SEQUENCE)?;
        let (algorithm, rest) = der_value(content, SEQUENCE)?;
        let (kind, parameters) = der_value(algorithm, OBJECT_IDENTIFIER)?;
        let curve = der_value(parameters, OBJECT_IDENTIFIER).map(|(curve, _)| curve);
        let (bits, _) = der_value(rest, BIT_STRING)?;
        // The first byte of a bit string counts the bits at its end that do not count; keys have none.
        let key = bits.strip_prefix(&[0])?;
        Some(SubjectPublicKey { kind, curve, key })
    }
}

/// A point in the uncompressed form of SEC 1, section 2.3.3, with coordinates of so many bytes.
fn point(key: &[u8], coordinate_bytes: usize) -> Option<Vec<u8>> {
    (key.first() == Some(&0x04) && key.len() == 1 + 2 * coordinate_bytes).then(|| key.to_vec())
}

/// An unsigned number as DER writes it: no more bytes than it needs, and a zero before what would be a sign.
fn der_integer(number: &[u8]) -> Option<Vec<u8>> {
    let first = number.iter().position(|&byte| byte != 0)?;
    let digits = &number[first..];
    let sign: &[u8] = if digits[0] & 0x80 == 0 { &[] } else { &[0] };
    der_write(INTEGER, &[sign, digits].concat())
}

/// A DER value of up to 65,535 bytes, which is eight times the longest key that is taken.
fn der_write(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(content.len()).ok()?;
    let [high, low] = length.to_be_bytes();
    let head: &[u8] = match length {
        0..=0x7f => &[tag, low],
        0x80..=0xff => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    Some([head, content].concat())
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
    use super::*;

    #[test]
    fn an_exponent_that_makes_everything_a_signature_is_none() {
        let check = |exponent: &[u8], expected: bool| {
            let key = PublicKey::from_rsa_parts(&[0xC1; 256], exponent);
            assert_eq!(key.is_some(), expected, "{exponent:?}");
        };
        for exponent in [&[][..], &[0], &[1], &[0, 1], &[2], &[4], &[1, 0, 0, 0, 1]] {
            check(exponent, false);
        }
        for exponent in [&[3][..], &[5], &[1, 0, 1], &[0, 1, 0, 1]] {
            check(exponent, true);
        }
    }

    #[test]
    fn the_length_of_a_modulus_is_that_of_its_digits() {
        let check = |modulus: &[u8], expected: usize| match PublicKey::from_rsa_parts(modulus, &[3]) {
            Some(PublicKey::Rsa { modulus_bits, .. }) => assert_eq!(modulus_bits, expected),
            _ => panic!("no RSA key"),
        };
        check(&[0xFF; 256], 2_048);
        check(&[0x7F; 256], 2_047);
        check(&[&[0, 0, 1][..], &[0xFF; 254]].concat(), 2_033);
    }

    #[test]
    fn a_point_is_uncompressed_and_of_its_curves_length() {
        let check = |form: u8, bytes: usize, expected: bool| {
            let key = [vec![form], vec![7; bytes]].concat();
            assert_eq!(point(&key, 32).is_some(), expected, "{form} {bytes}");
        };
        check(0x04, 64, true);
        check(0x04, 63, false);
        check(0x04, 96, false);
        check(0x02, 64, false);
        assert!(point(&[], 32).is_none());
    }

    #[test]
    fn numbers_and_lengths_are_in_their_shortest_form() {
        assert_eq!(der_integer(&[0, 0, 0x7F]).unwrap(), [INTEGER, 1, 0x7F]);
        assert_eq!(der_integer(&[0x80]).unwrap(), [INTEGER, 2, 0, 0x80]);
        assert_eq!(der_integer(&[0, 0]), None);
        let check = |length: usize, head: &[u8]| {
            let written = der_write(SEQUENCE, &vec![7; length]).unwrap();
            assert_eq!(written[..written.len() - length], *head);
            let (content, rest) = der_value(&written, SEQUENCE).unwrap();
            assert_eq!((content.len(), rest.len()), (length, 0));
        };
        check(0, &[SEQUENCE, 0]);
        check(0x7F, &[SEQUENCE, 0x7F]);
        check(0x80, &[SEQUENCE, 0x81, 0x80]);
        check(0xFF, &[SEQUENCE, 0x81, 0xFF]);
        check(0x100, &[SEQUENCE, 0x82, 1, 0]);
        check(0xFFFF, &[SEQUENCE, 0x82, 0xFF, 0xFF]);
        assert_eq!(der_write(SEQUENCE, &[7; 0x1_0000]), None);
    }
}
