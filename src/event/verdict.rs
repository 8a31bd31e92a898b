//! Whether an event reaches somebody who holds these keys, and if not, why: the rule of delivery, in words.
//!
//! Delivery itself finds receivers by key and never asks for reasons; `explain` and the board do, here.

use super::{Key, shared};

/// Why an event does not reach somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    #[error("the event has no audience")]
    NoAudience,
    #[error("the user holds none of the keys")]
    NoKey,
    #[error("the event is not for clients of this protocol")]
    OtherProtocol,
}

/// The keys by which an event with this audience reaches whoever holds `held`.
pub fn entitled<'k>(audience: &'k [Key], held: &[Key]) -> Result<Vec<&'k Key>, Withheld> {
    let by: Vec<&Key> = shared(audience, held).collect();
    match by.is_empty() {
        false => Ok(by),
        true if audience.is_empty() => Err(Withheld::NoAudience),
        true => Err(Withheld::NoKey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reaches_whoever_holds_a_key_of_its_audience() {
        let keys = |texts: &[&str]| texts.iter().map(|text| Key::new(text)).collect::<Vec<_>>();
        let check = |audience: &[&str], held: &[&str], expected: Result<&[&str], Withheld>| {
            let (audience, expected) = (keys(audience), expected.map(keys));
            assert_eq!(
                entitled(&audience, &keys(held)).map(|by| by.into_iter().cloned().collect()),
                expected
            );
        };
        check(&["store:7", "user:u1"], &["user:u1", "role:ADMIN"], Ok(&["user:u1"]));
        check(&["store:7"], &["user:u1"], Err(Withheld::NoKey));
        check(&["store:7"], &[], Err(Withheld::NoKey));
        check(&[], &["user:u1"], Err(Withheld::NoAudience));
    }
}
