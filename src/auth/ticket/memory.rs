//! Tickets in this process's memory: good at the instance that gave them, bounded in number, swept by age.

use std::sync::Arc;
use std::time::Instant;

use super::super::Claims;
use super::super::by_age::ByAge;
use super::{TicketFault, TicketKey};
use crate::limits;
use crate::lock::Mutex;
use crate::seats::{Full, Seat, Seats};

/// A mutex, because each section is one lookup and a removal: far shorter than what two of them would
/// gain by running side by side. Requests take it; nothing waits while it is held.
pub(super) struct Memory {
    /// Their order is that of issue, and so of expiry.
    live: Mutex<ByAge<TicketKey, Ticket>>,
    /// One for each live ticket, by user.
    seats: Seats,
}

struct Ticket {
    claims: Arc<Claims>,
    issued_at: Instant,
    _seat: Seat,
}

impl Memory {
    /// For so many tickets, and so many of one user.
    pub fn new(most: usize, most_of_one: usize) -> Memory {
        Memory { live: Mutex::default(), seats: Seats::new(most, most_of_one) }
    }

    pub fn insert(&self, key: TicketKey, claims: Arc<Claims>, now: Instant) -> Result<(), TicketFault> {
        let mut live = self.live.lock();
        live.remove_oldest_while(|_, oldest| !oldest.is_valid(now));
        let seat = self.seats.take(claims.subject()).map_err(|full| match full {
            Full::InAll => TicketFault::TooMany,
            Full::ForOne => TicketFault::TooManyOfUser,
        })?;
        live.insert(key, Ticket { claims, issued_at: now, _seat: seat });
        Ok(())
    }

    pub fn remove(&self, key: &TicketKey, now: Instant) -> Option<Arc<Claims>> {
        let ticket = self.live.lock().remove(key)?;
        ticket.is_valid(now).then_some(ticket.claims)
    }
}

impl Ticket {
    fn is_valid(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.issued_at) < limits::TICKET_TTL
    }
}

#[cfg(test)]
mod models;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant, SystemTime};

    use serde_json::{Map, Value};

    use super::super::{TicketFault, TicketKey};
    use super::Memory;
    use crate::auth::Claims;
    use crate::limits;

    pub(super) fn claims(sub: &str) -> Arc<Claims> {
        let values: Map<String, Value> = [("sub".to_owned(), sub.into())].into_iter().collect();
        Arc::new(Claims::new(values, SystemTime::UNIX_EPOCH))
    }

    fn insert(memory: &Memory, sub: &str, now: Instant) -> Result<TicketKey, TicketFault> {
        let key = TicketKey::random().unwrap();
        memory.insert(key.clone(), claims(sub), now).map(|()| key)
    }

    #[test]
    fn live_tickets_are_bounded_and_expired_ones_make_room() {
        let (memory, start) = (Memory::new(2, 2), Instant::now());
        let insert = |now| insert(&memory, "ann", now);
        let first = insert(start).unwrap();
        insert(start + Duration::from_secs(1)).unwrap();
        assert_eq!(insert(start + Duration::from_secs(2)).unwrap_err(), TicketFault::TooMany);
        assert!(memory.remove(&first, start).is_some());
        insert(start + Duration::from_secs(2)).unwrap();
        assert_eq!(insert(start + Duration::from_secs(2)).unwrap_err(), TicketFault::TooMany);
        insert(start + limits::TICKET_TTL + Duration::from_secs(1)).unwrap();
        assert_eq!(memory.live.lock().keys().len(), 2);
    }

    #[test]
    fn live_tickets_of_one_user_are_bounded() {
        let (memory, start) = (Memory::new(9, 2), Instant::now());
        let first = insert(&memory, "ann", start).unwrap();
        insert(&memory, "ann", start).unwrap();
        assert_eq!(insert(&memory, "ann", start).unwrap_err(), TicketFault::TooManyOfUser);
        assert!(insert(&memory, "bob", start).is_ok());
        assert!(memory.remove(&first, start).is_some());
        assert!(insert(&memory, "ann", start).is_ok());
        assert!(insert(&memory, "ann", start).is_err());
        assert!(insert(&memory, "ann", start + limits::TICKET_TTL).is_ok());
    }
}
