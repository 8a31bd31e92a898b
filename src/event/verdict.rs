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
