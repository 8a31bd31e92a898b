//! One-off tickets: a short key that stands for verified claims, once, for a minute.
//!
//! ```text
//! ticket = 32 ( "0".."9" / "A".."Z" / "a".."z" )        about 190 bits from the system's random source
//! ```
//!
//! A browser cannot put an `Authorization` header on a WebSocket handshake, so it fetches a ticket with
//! one and brings that in the address. Redeeming removes, so of many who bring the same ticket exactly
//! one gets the claims. Whether the claims still hold by then is for the caller to check. Lookup is not
//! in constant time, and need not be: the table hashes with a key of its own, so timing tells nothing of
//! how much of a guess is right, and a minute is short for one of 2^190 keys.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rand::TryRngCore;
use rand::rngs::OsRng;

use super::Claims;
use crate::limits;

/// Where live tickets are kept. In memory they are good at the instance that gave them.
pub struct Tickets {
    memory: Memory,
}

/// Why no ticket was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketFault {
    #[error("{} tickets are live already", limits::TICKETS_MAX)]
    TooMany,
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl Tickets {
    /// Tickets in this process's memory.
    pub fn in_memory() -> Tickets {
        Tickets { memory: Memory::default() }
    }

    /// A new ticket for `claims`, good for [`limits::TICKET_TTL`].
    pub async fn issue(&self, claims: Arc<Claims>, now: Instant) -> Result<TicketKey, TicketFault> {
        let key = TicketKey::random()?;
        self.memory.insert(key.clone(), claims, now, limits::TICKETS_MAX)?;
        Ok(key)
    }

    /// The claims behind a ticket, to the first who brings it in time.
    pub async fn redeem(&self, key: &str, now: Instant) -> Option<Arc<Claims>> {
        self.memory.remove(&TicketKey::parse(key)?, now)
    }
}

/// The key of a ticket. Who has it can be its owner once, so it is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TicketKey(String);

const KEY_CHARS: usize = 32;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl TicketKey {
    /// A key if it has the form of one, so that nothing else is ever looked up.
    fn parse(text: &str) -> Option<TicketKey> {
        let well_formed = text.len() == KEY_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| TicketKey(text.to_owned()))
    }

    fn random() -> Result<TicketKey, TicketFault> {
        let mut key = String::with_capacity(KEY_CHARS);
        let mut bytes = [0; 2 * KEY_CHARS];
        while key.len() < KEY_CHARS {
            OsRng.try_fill_bytes(&mut bytes).map_err(|_| TicketFault::NoRandomness)?;
            let chars = bytes.iter().filter_map(|&byte| unbiased_char(byte));
            key.extend(chars.take(KEY_CHARS - key.len()));
        }
        Ok(TicketKey(key))
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

/// A mutex, because each section is one lookup and a removal: far shorter than what two of them would
/// gain by running side by side. Requests take it; nothing waits while it is held.
#[derive(Default)]
struct Memory {
    live: Mutex<Live>,
}

/// Both maps hold the same tickets; `by_age` is in the order of issue, which is that of expiry.
#[derive(Default)]
struct Live {
    by_key: HashMap<TicketKey, Ticket>,
    by_age: BTreeMap<u64, TicketKey>,
    issued: u64,
}

struct Ticket {
    claims: Arc<Claims>,
    issued_at: Instant,
    number: u64,
}

impl Memory {
    fn insert(
        &self,
        key: TicketKey,
        claims: Arc<Claims>,
        now: Instant,
        most: usize,
    ) -> Result<(), TicketFault> {
        let mut live = self.live.lock();
        live.drop_expired(now);
        if live.by_key.len() >= most {
            return Err(TicketFault::TooMany);
        }
        let number = live.issued;
        live.issued += 1;
        live.by_age.insert(number, key.clone());
        live.by_key.insert(key, Ticket { claims, issued_at: now, number });
        Ok(())
    }

    fn remove(&self, key: &TicketKey, now: Instant) -> Option<Arc<Claims>> {
        let mut live = self.live.lock();
        let ticket = live.by_key.remove(key)?;
        live.by_age.remove(&ticket.number);
        ticket.is_valid(now).then_some(ticket.claims)
    }
}

impl Live {
    /// Every ticket is swept once, so issuing pays for it in the long run with one step each.
    fn drop_expired(&mut self, now: Instant) {
        while let Some(oldest) = self.by_age.first_entry() {
            if self.by_key.get(oldest.get()).is_some_and(|ticket| ticket.is_valid(now)) {
                break;
            }
            self.by_key.remove(&oldest.remove());
        }
    }
}

impl Ticket {
    fn is_valid(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.issued_at) < limits::TICKET_TTL
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};
    use std::time::{Duration, Instant, SystemTime};

    use futures_util::FutureExt;
    use serde_json::Map;

    use super::{Memory, TicketFault, TicketKey, Tickets, unbiased_char};
    use crate::auth::Claims;
    use crate::limits;

    fn claims() -> Arc<Claims> {
        Arc::new(Claims::new(Map::new(), SystemTime::UNIX_EPOCH))
    }

    fn issue(tickets: &Tickets, now: Instant) -> TicketKey {
        tickets.issue(claims(), now).now_or_never().unwrap().unwrap()
    }

    fn redeem(tickets: &Tickets, key: &str, now: Instant) -> bool {
        tickets.redeem(key, now).now_or_never().unwrap().is_some()
    }

    #[test]
    fn a_ticket_is_good_once_and_for_a_minute() {
        let (tickets, start) = (Tickets::in_memory(), Instant::now());
        let [first, second, third] = [(); 3].map(|()| issue(&tickets, start));
        assert!(redeem(&tickets, first.as_str(), start));
        assert!(!redeem(&tickets, first.as_str(), start));
        assert!(redeem(&tickets, second.as_str(), start + limits::TICKET_TTL - Duration::from_nanos(1)));
        assert!(!redeem(&tickets, third.as_str(), start + limits::TICKET_TTL));
        assert!(!redeem(&tickets, third.as_str(), start));
    }

    #[test]
    fn what_is_not_a_ticket_is_not_looked_up() {
        let tickets = Tickets::in_memory();
        for key in ["", "x", &"x".repeat(31), &"x".repeat(33), &"-".repeat(32), &"é".repeat(16)] {
            assert!(!redeem(&tickets, key, Instant::now()), "{key}");
        }
    }

    #[test]
    fn keys_are_32_alphanumerics_and_differ() {
        let keys: std::collections::HashSet<_> =
            (0..1000).map(|_| TicketKey::random().unwrap().as_str().to_owned()).collect();
        assert_eq!(keys.len(), 1000);
        assert!(keys.iter().all(|key| TicketKey::parse(key).is_some()));
        assert_eq!(format!("{:?}", TicketKey::random().unwrap()), "TicketKey(hidden)");
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
    fn of_many_who_bring_one_ticket_exactly_one_wins() {
        let (tickets, now) = (Tickets::in_memory(), Instant::now());
        for _ in 0..50 {
            let (key, winners, start) = (issue(&tickets, now), AtomicUsize::new(0), Barrier::new(8));
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        start.wait();
                        winners
                            .fetch_add(usize::from(redeem(&tickets, key.as_str(), now)), Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(winners.into_inner(), 1);
        }
    }

    #[test]
    fn live_tickets_are_bounded_and_expired_ones_make_room() {
        let (memory, start) = (Memory::default(), Instant::now());
        let insert = |now| {
            let key = TicketKey::random().unwrap();
            memory.insert(key.clone(), claims(), now, 2).map(|()| key)
        };
        let first = insert(start).unwrap();
        insert(start + Duration::from_secs(1)).unwrap();
        assert_eq!(insert(start + Duration::from_secs(2)).unwrap_err(), TicketFault::TooMany);
        assert!(memory.remove(&first, start).is_some());
        insert(start + Duration::from_secs(2)).unwrap();
        assert_eq!(insert(start + Duration::from_secs(2)).unwrap_err(), TicketFault::TooMany);
        insert(start + limits::TICKET_TTL + Duration::from_secs(1)).unwrap();
        let live = memory.live.lock();
        assert_eq!((live.by_key.len(), live.by_age.len()), (2, 2));
    }
}
