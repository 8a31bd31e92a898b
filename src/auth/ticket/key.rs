//! The key of a ticket: 32 letters and digits from the system's random source.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use rand::TryRngCore;
use rand::rngs::OsRng;

use super::TicketFault;

/// The key of a ticket. Who has it can be its owner once, so it is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TicketKey(String);

const KEY_CHARS: usize = 32;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl TicketKey {
    /// A key if it has the form of one, so that nothing else is ever looked up.
    pub(super) fn parse(text: &str) -> Option<TicketKey> {
        let well_formed = text.len() == KEY_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| TicketKey(text.to_owned()))
    }

    pub(super) fn random() -> Result<TicketKey, TicketFault> {
        let mut key = String::with_capacity(KEY_CHARS);
        let mut bytes = [0; 2 * KEY_CHARS];
        while key.len() < KEY_CHARS {
            OsRng.try_fill_bytes(&mut bytes).map_err(|_| TicketFault::NoRandomness)?;
            let chars = bytes.iter().filter_map(|&byte| unbiased_char(byte));
            key.extend(chars.take(KEY_CHARS - key.len()));
        }
        Ok(TicketKey(key))
    }

    /// What others may see of the key: nobody who reads it can redeem the ticket. No salt and no slow hash, since
    /// nothing shorter than trying 2^190 keys leads back.
    pub(super) fn fingerprint(&self) -> String {
        use fmt::Write as _;
        let digest = digest(&SHA256, self.0.as_bytes());
        digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// The key itself, for the one response that gives it out.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TicketKey(hidden)")
    }
}

/// The 248 smallest bytes fall on the 62 characters four times each; the other eight would favour some
/// characters, so they are drawn again.
fn unbiased_char(byte: u8) -> Option<char> {
    let rounds = u8::MAX / 62;
    (byte < rounds * 62).then(|| char::from(ALPHABET[usize::from(byte % 62)]))
}

#[cfg(test)]
mod tests {
    use super::{TicketKey, unbiased_char};

    #[test]
    fn keys_are_32_alphanumerics_and_differ() {
        let keys: std::collections::HashSet<_> =
            (0..1000).map(|_| TicketKey::random().unwrap().as_str().to_owned()).collect();
        assert_eq!(keys.len(), 1000);
        assert!(keys.iter().all(|key| TicketKey::parse(key).is_some()));
        assert_eq!(format!("{:?}", TicketKey::random().unwrap()), "TicketKey(hidden)");
    }

    #[test]
    fn what_has_not_the_form_of_a_key_is_none() {
        let check =
            |text: &str, expected: bool| assert_eq!(TicketKey::parse(text).is_some(), expected, "{text}");
        check(&"a".repeat(32), true);
        check(&"a".repeat(31), false);
        check(&"a".repeat(33), false);
        check(&format!("{}*", "a".repeat(31)), false);
        check(&"é".repeat(16), false);
        check("", false);
    }

    #[test]
    fn no_character_is_favoured() {
        let mut counts = std::collections::HashMap::new();
        for character in (0..=u8::MAX).filter_map(unbiased_char) {
            *counts.entry(character).or_insert(0) += 1;
        }
        assert_eq!((counts.len(), counts.values().all(|&count| count == 4)), (62, true));
    }

    #[test]
    fn the_fingerprint_is_the_sha_256_of_the_key() {
        let key = TicketKey::parse("x8m1q6uLSJGYOQzXTESWc72UObD5xokh").unwrap();
        // printf x8m1q6uLSJGYOQzXTESWc72UObD5xokh | sha256sum
        assert_eq!(key.fingerprint(), "b2b8a707891369b140a5d8334ba5ad71d480d95d35a2feca25c2f45f72348df6");
    }
}
