//! Tickets in this process's memory: good at the instance that gave them, bounded in number, swept by age.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::super::Claims;
use super::{TicketFault, TicketKey};
use crate::limits;

/// A mutex, because each section is one lookup and a removal: far shorter than what two of them would
/// gain by running side by side. Requests take it; nothing waits while it is held.
#[derive(Default)]
pub(super) struct Memory {
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
    pub fn insert(
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

    pub fn remove(&self, key: &TicketKey, now: Instant) -> Option<Arc<Claims>> {
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
    use std::sync::Arc;
    use std::time::{Duration, Instant, SystemTime};

    use serde_json::Map;

    use super::super::{TicketFault, TicketKey};
    use super::Memory;
    use crate::auth::Claims;
    use crate::limits;

    #[test]
    fn live_tickets_are_bounded_and_expired_ones_make_room() {
        let (memory, start) = (Memory::default(), Instant::now());
        let insert = |now| {
            let key = TicketKey::random().unwrap();
            memory
                .insert(key.clone(), Arc::new(Claims::new(Map::new(), SystemTime::UNIX_EPOCH)), now, 2)
                .map(|()| key)
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
