//! Who is connected, for operators: a page of a shard's connections, looked at between two turns.
//!
//! ```text
//! web ──Listing──> inbox ──> the slots from one on, so many of them ──Listed──> web ──> the next slot, the next shard
//! ```
//!
//! Nothing is locked and nothing is kept up to date for it: a page is what the shard sees at that moment, and one look is
//! short, however many connections there are. There is no token, address or name in it; the value of a key that could
//! be a phone number is not shown.

use super::connection::{Connection, Standing};
use super::socket::{Socket, Watch};
use super::{ConnectionId, Shard};
use crate::event::Key;
use crate::limits::LISTED_SLOTS_MAX;
use crate::protocol::Protocol;
use serde::Serialize;
use std::net::IpAddr;
use std::time::Instant;

/// From what kind of network a client comes; its address itself is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressClass {
    /// This machine.
    Loopback,
    /// A private network (RFC 1918, RFC 4193) or the link itself.
    Private,
    Public,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Has not said who it is.
    Arriving,
    /// Waits for a past that is read from Kafka.
    Preparing,
    Live,
    /// Reads on from a position of its own.
    Lagging,
    Leaving,
}

/// Which connections are asked for.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Those that hold one of these; all, if there is none.
    pub keys: Vec<String>,
    pub protocol: Option<Protocol>,
    pub state: Option<State>,
    /// Told of each connection: which of these it holds.
    pub audience: Vec<String>,
    /// The first slot that is looked at.
    pub slot: usize,
    pub most: usize,
}

/// What one look has found.
#[derive(Debug, Default)]
pub struct Listed {
    pub connections: Vec<ListedConnection>,
    /// Where the next look begins; none at the end.
    pub next: Option<usize>,
}

#[derive(Debug, Serialize)]
pub struct ListedConnection {
    /// Of this process only: shard, slot, and which connection in that slot.
    pub id: String,
    pub protocol: &'static str,
    pub state: State,
    pub address: AddressClass,
    pub keys: Vec<String>,
    /// Keys of the audience that was asked about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// It asked for cursors.
    pub cursors: bool,
    pub age_seconds: u64,
    /// How many of the window's events it has not looked at; for most of them it will not be the receiver.
    pub lag_events: u64,
    /// What waits for it alone.
    pub queued_bytes: usize,
    /// For how long its socket has taken nothing of that.
    pub stalled_seconds: u64,
    /// Until its login ends; none before it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_seconds: Option<u64>,
}

impl AddressClass {
    pub fn of(address: IpAddr) -> AddressClass {
        match address.to_canonical() {
            address if address.is_loopback() => AddressClass::Loopback,
            IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => AddressClass::Private,
            IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => AddressClass::Private,
            _ => AddressClass::Public,
        }
    }
}

impl State {
    pub const ALL: [State; 5] =
        [State::Arriving, State::Preparing, State::Live, State::Lagging, State::Leaving];

    pub fn label(self) -> &'static str {
        match self {
            State::Arriving => "arriving",
            State::Preparing => "preparing",
            State::Live => "live",
            State::Lagging => "lagging",
            State::Leaving => "leaving",
        }
    }
}

impl From<Standing> for State {
    fn from(standing: Standing) -> State {
        match standing {
            Standing::Arriving => State::Arriving,
            Standing::Preparing => State::Preparing,
            Standing::Live { .. } => State::Live,
            Standing::Lagging(_) => State::Lagging,
            Standing::Leaving { .. } => State::Leaving,
        }
    }
}

impl Listing {
    fn asks_for<S: Socket>(&self, connection: &Connection<S>) -> bool {
        self.protocol.is_none_or(|protocol| connection.protocol == protocol)
            && self.state.is_none_or(|state| State::from(connection.standing) == state)
            && (self.keys.is_empty() || held(&self.keys, connection).next().is_some())
    }
}

impl<W: Watch> Shard<W> {
    pub(super) fn list(&self, listing: &Listing, now: Instant) -> Listed {
        let end = self.connections.slots_end();
        let mut listed = Listed::default();
        let mut slot = listing.slot;
        let looked_to = slot.saturating_add(LISTED_SLOTS_MAX).min(end);
        while slot < looked_to && listed.connections.len() < listing.most {
            let asked_for = self.connections.in_slot(slot).filter(|c| listing.asks_for(c));
            listed.connections.extend(asked_for.map(|connection| self.listed(connection, listing, now)));
            slot += 1;
        }
        listed.next = (slot < end).then_some(slot);
        listed
    }

    fn listed(
        &self,
        connection: &Connection<W::Socket>,
        listing: &Listing,
        now: Instant,
    ) -> ListedConnection {
        let ConnectionId { slot, generation } = connection.id;
        let position = match connection.standing {
            Standing::Lagging(position) => position,
            _ => self.next,
        };
        let since = |at: Option<Instant>| at.map_or(0, |at| now.saturating_duration_since(at).as_secs());
        let of_cursors = Key::of_cursors();
        ListedConnection {
            id: format!("{}-{slot}-{generation}", self.number),
            protocol: connection.protocol.label(),
            state: connection.standing.into(),
            address: connection.address,
            keys: connection.keys.iter().filter(|key| **key != of_cursors).map(shown).collect(),
            by: held(&listing.audience, connection).cloned().collect(),
            cursors: connection.cursors.as_ref().is_some_and(|cursors| cursors.sent),
            age_seconds: since(Some(connection.opened_at)),
            lag_events: self.journal.head().saturating_sub(position),
            queued_bytes: connection.queued_bytes(),
            stalled_seconds: since(connection.stalled_since()),
            expires_seconds: connection.expires_at().map(|at| at.saturating_duration_since(now).as_secs()),
        }
    }
}

/// Those of `keys` that a connection holds.
fn held<'k, S>(keys: &'k [String], connection: &Connection<S>) -> impl Iterator<Item = &'k String> {
    keys.iter().filter(|key| connection.keys.iter().any(|held| held.as_str() == key.as_str()))
}

/// A key as operators see it. E.164 has 7 to 15 digits, and people write signs between them; a long number that is no
/// phone is not shown either.
fn shown(key: &Key) -> String {
    let text = key.as_str();
    let (kind, value) = text.split_once(':').unwrap_or(("", text));
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let is_number = value.chars().all(|sign| sign.is_ascii_digit() || "+-. ()/".contains(sign));
    if is_number && (7..=15).contains(&digits) { format!("{kind}:***") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_phone_number_is_not_shown() {
        let check = |key: &str, expected: &str| assert_eq!(shown(&Key::new(key)), expected);
        check("role:ADMIN", "role:ADMIN");
        check("user:4920737570657261646d696e", "user:4920737570657261646d696e");
        check("store:123456", "store:123456");
        check("user:+38(071)000-00-00", "user:***");
        check("phone:380710000000", "phone:***");
        check("phone:1234567", "phone:***");
        check("user:1234567890123456", "user:1234567890123456");
        check("everybody", "everybody");
    }

    #[test]
    fn an_address_is_of_a_class() {
        use AddressClass::{Loopback, Private, Public};
        for (address, expected) in [
            ("127.0.0.1", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("10.1.2.3", Private),
            ("192.168.0.1", Private),
            ("169.254.1.1", Private),
            ("fd00::1", Private),
            ("203.0.113.7", Public),
            ("2001:db8::1", Public),
        ] {
            assert_eq!(AddressClass::of(address.parse().unwrap()), expected, "{address}");
        }
    }
}
