//! A key: the short string by which an event finds its receivers, such as `role:ADMIN` or `store:7`.
//!
//! An event names its audience as keys, a connection holds keys, and an event is delivered where the two
//! meet. Nothing else decides delivery.

use std::fmt;
use std::sync::Arc;

/// Cheap to clone: index, journal entries and connections share one string.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    pub fn new(text: &str) -> Key {
        Key(text.into())
    }

    /// Of whoever asked for cursors, and of no other: no grant can give it, since what tokens say is behind a kind and
    /// a colon, or is a name.
    pub fn of_cursors() -> Key {
        Key::new("\0cursors")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The keys of an audience that somebody holds: whoever holds one of them gets the event.
pub fn shared<'k>(audience: &'k [Key], held: &[Key]) -> impl Iterator<Item = &'k Key> {
    audience.iter().filter(|key| held.contains(key))
}

/// The kind only: the value is a person's id or a shop's number and stays out of logs.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.0.split_once(':').map_or("", |(kind, _)| kind);
        write!(f, "Key({kind}:…)")
    }
}
