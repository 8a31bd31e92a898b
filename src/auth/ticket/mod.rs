//! One-off tickets: a short key that stands for verified claims, once, for a minute.
//!
//! ```text
//! ticket = 32 ( "0".."9" / "A".."Z" / "a".."z" )        about 190 bits from the system's random source
//! ```
//!
//! A browser cannot put an `Authorization` header on a WebSocket handshake, so it fetches a ticket with
//! one and brings that in the address. Redeeming removes, so of many who bring the same ticket exactly
//! one gets the claims: in memory by a lock, in Redis, where several instances share them, by GETDEL. Whether
//! the claims still hold by then is for the caller to check. Lookup is not in constant time, and need not
//! be: tables hash with a key of their own, or hold only a digest, so timing tells nothing of how much of a
//! guess is right, and a minute is short for one of 2^190 keys.

mod key;
mod memory;
mod redis;
mod settings;
mod shared;

pub use key::TicketKey;
pub use redis::{Command as RedisCommand, Observer as RedisObserver, RedisFault};
pub use settings::{RedisSettings, TicketSettings};
pub use shared::probe as probe_redis;

use std::sync::Arc;
use std::time::Instant;

use super::Claims;
use crate::limits;
use memory::Memory;
use shared::Shared;

/// Where live tickets are kept.
pub struct Tickets {
    store: Store,
}

enum Store {
    Memory(Memory),
    /// Boxed, since it is many times larger.
    Redis(Box<Shared>),
}

/// Why no ticket was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketFault {
    #[error("{} tickets are live already", limits::TICKETS_MAX)]
    TooMany,
    #[error("{} tickets of one user are live already", limits::TICKETS_PER_USER_MAX)]
    TooManyOfUser,
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// What is wrong stands in the log, with the way out, once for many.
    #[error("redis does not take it")]
    StoreFailed,
}

/// Why a ticket is not redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unredeemed {
    /// It never was one, was used, or is too old.
    Unknown,
    /// Nobody can tell: the store does not answer. The ticket may be used up all the same.
    StoreFailed,
}

impl Tickets {
    /// `observer` is told of every question to Redis.
    pub fn open(settings: TicketSettings, observer: RedisObserver) -> Tickets {
        let store = match settings {
            TicketSettings::Memory => {
                Store::Memory(Memory::new(limits::TICKETS_MAX, limits::TICKETS_PER_USER_MAX))
            }
            TicketSettings::Redis(settings) => Store::Redis(Box::new(Shared::new(*settings, observer))),
        };
        Tickets { store }
    }

    /// A new ticket for `claims`, good for [`limits::TICKET_TTL`].
    pub async fn issue(&self, claims: Arc<Claims>, now: Instant) -> Result<TicketKey, TicketFault> {
        let key = TicketKey::random()?;
        match &self.store {
            Store::Memory(memory) => memory.insert(key.clone(), claims, now)?,
            Store::Redis(shared) => shared.insert(&key, &claims).await.ok_or(TicketFault::StoreFailed)?,
        }
        Ok(key)
    }

    /// The claims behind a ticket, to the first who brings it in time.
    pub async fn redeem(&self, key: &str, now: Instant) -> Result<Arc<Claims>, Unredeemed> {
        let key = TicketKey::parse(key).ok_or(Unredeemed::Unknown)?;
        match &self.store {
            Store::Memory(memory) => memory.remove(&key, now).ok_or(Unredeemed::Unknown),
            Store::Redis(shared) => shared.remove(&key).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};
    use std::time::{Duration, Instant, SystemTime};

    use futures_util::FutureExt;
    use serde_json::Map;

    use super::{TicketKey, TicketSettings, Tickets, Unredeemed};
    use crate::auth::Claims;
    use crate::limits;

    fn in_memory() -> Tickets {
        Tickets::open(TicketSettings::Memory, Box::new(|_, _, _| {}))
    }

    fn issue(tickets: &Tickets, now: Instant) -> TicketKey {
        let claims = Arc::new(Claims::new(Map::new(), SystemTime::UNIX_EPOCH));
        tickets.issue(claims, now).now_or_never().unwrap().unwrap()
    }

    fn redeem(tickets: &Tickets, key: &str, now: Instant) -> bool {
        let outcome = tickets.redeem(key, now).now_or_never().unwrap();
        assert_ne!(outcome, Err(Unredeemed::StoreFailed));
        outcome.is_ok()
    }

    #[test]
    fn a_ticket_is_good_once_and_for_a_minute() {
        let (tickets, start) = (in_memory(), Instant::now());
        let [first, second, third] = [(); 3].map(|()| issue(&tickets, start));
        assert!(redeem(&tickets, first.as_str(), start));
        assert!(!redeem(&tickets, first.as_str(), start));
        assert!(redeem(&tickets, second.as_str(), start + limits::TICKET_TTL - Duration::from_nanos(1)));
        assert!(!redeem(&tickets, third.as_str(), start + limits::TICKET_TTL));
        assert!(!redeem(&tickets, third.as_str(), start));
    }

    #[test]
    fn what_is_not_a_ticket_is_not_looked_up() {
        let tickets = in_memory();
        for key in ["", "x", &"x".repeat(31), &"x".repeat(33), &"-".repeat(32), &"é".repeat(16)] {
            assert!(!redeem(&tickets, key, Instant::now()), "{key}");
        }
    }

    #[test]
    fn of_many_who_bring_one_ticket_exactly_one_wins() {
        let (tickets, now) = (in_memory(), Instant::now());
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
}
